"""Puts a generated table into a text, between two marks: no number in the README is typed."""

from collections.abc import Sequence
from pathlib import Path

from patchvae.errors import PatchVAEError
from patchvae.files import write_text

BEGIN, END = "<!-- begin {name} -->", "<!-- end {name} -->"


def replace_between(text: str, name: str, content: str) -> str:
    """The text with `content` between the marks `<!-- begin NAME -->` and `<!-- end NAME -->`.

    Raises PatchVAEError unless each mark is there once, and in this order.
    """
    begin, end = BEGIN.format(name=name), END.format(name=name)
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise PatchVAEError(f"the text must hold {begin} and {end} once each, in this order")
    before, rest = text.split(begin)
    return f"{before}{begin}\n{content.strip()}\n{end}{rest.split(end)[1]}"


def insert(path: Path, name: str, tables: Sequence[Path]) -> None:
    """Write the files `tables`, one after another, between the marks of `path`."""
    try:
        text = path.read_text(encoding="utf-8")
        content = "".join(table.read_text(encoding="utf-8") for table in tables)
    except OSError as error:
        raise PatchVAEError(f"cannot read {error.filename}: {error.strerror}") from error
    write_text(path, replace_between(text, name, content))
