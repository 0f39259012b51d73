"""The generated table in the README."""

import pytest

from patchvae.errors import PatchVAEError
from patchvae.report.readme import insert, joined, relinked, replace_between, split


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


def test_links_lead_to_the_same_files_from_another_folder(tmp_path):
    text = "[a](a.md#b) ![c](../figures/c.png) [d](https://e.org/f) [g](#g)"
    assert relinked(text, tmp_path / "results/tables", tmp_path) == (
        "[a](results/tables/a.md#b) ![c](results/figures/c.png) [d](https://e.org/f) [g](#g)"
    )


def test_several_answers_have_one_sentence_and_stand_before_the_picture():
    first = "**A holds.**\n\n- one\n\n![p](p.png)\n\n|t|\n"
    assert joined([first]) == first
    assert joined([first, "**That is open.**\n\nTwo.\n", "**Three.**\n"]) == (
        "**A holds; that is open; three.**\n\n- one\n\nTwo.\n\n![p](p.png)\n\n|t|\n"
    )
    assert joined(["**A.**\n", "**B.**\n\nb\n"]) == "**A; b.**\n\nb\n"


def test_an_answer_in_parts_for_the_front_page():
    text = "**One.**\n\n- two\n\n![three](three.png)\n\nFour.\n\n|a|b|\n|---|---:|\n|1|—|\n\nFive.\n"
    assert split(text) == ("**One.**\n\n- two", "Four.", [["a", "b"], ["1", "—"]])
    assert split("One.\n") == ("One.", "", [])
