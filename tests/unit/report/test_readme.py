"""The generated table in the README."""

import pytest

from patchvae.errors import PatchVAEError
from patchvae.report.readme import insert, replace_between


def test_content_goes_between_the_marks_and_nothing_else_changes(tmp_path):
    readme, table = tmp_path / "README.md", tmp_path / "table.md"
    readme.write_text("a\n<!-- begin t -->\nold\n<!-- end t -->\nb\n")
    table.write_text("new\n")
    insert(readme, "t", [table])
    once = readme.read_text()
    assert once == "a\n<!-- begin t -->\nnew\n<!-- end t -->\nb\n"
    insert(readme, "t", [table])
    assert readme.read_text() == once


@pytest.mark.parametrize("text", ["", "<!-- begin t -->", "<!-- end t --> <!-- begin t -->"])
def test_missing_marks_are_named(text):
    with pytest.raises(PatchVAEError, match="<!-- begin t -->"):
        replace_between(text, "t", "x")
