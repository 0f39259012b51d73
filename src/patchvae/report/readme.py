"""Puts a generated table into a text, between two marks: no number in the README is typed."""

import os
import re
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


def split(text: str) -> tuple[str, str, list[list[str]]]:
    """Of an answer in Markdown: what stands before its picture, its table's caption, and the cells of the table's rows.

    Without a picture, or without a table, the first is all of it, the others are empty.
    """
    lead, _, rest = text.partition("\n![")
    above, _, table = rest.partition("\n|")
    rows = [line.strip("|").split("|") for line in f"|{table}".splitlines() if line.startswith("|")]
    return (lead.strip(), above.strip().rpartition("\n")[2], [rows[0], *rows[2:]]) if table else (lead.strip(), "", [])


def relinked(text: str, folder: Path, there: Path) -> str:
    """A text of one folder with its relative links as from another."""
    return re.sub(
        r"\]\((?!https?://|#|/)([^)\s]+)\)",
        lambda link: f"]({Path(os.path.relpath(folder / link[1], there)).as_posix()})",
        text,
    )


def joined(answers: Sequence[str]) -> str:
    """Several answers in Markdown as one: their first paragraphs, a bold sentence each, become one sentence.

    A single one stays as it is. The other paragraphs of all but the first answer stand before the picture of the first.
    """
    if len(answers) == 1:
        return answers[0]
    sentences, others = zip(*(answer.strip().partition("\n\n")[::2] for answer in answers), strict=True)
    first, *more = (sentence.strip("*").removesuffix(".") for sentence in sentences)
    sentence = "; ".join([first, *(text[0].lower() + text[1:] for text in more)])
    lead, mark, rest = others[0].partition("\n![")
    paragraphs = [f"**{sentence}.**", lead.strip(), *(text.strip() for text in others[1:])]
    return "\n\n".join(filter(None, paragraphs)) + "\n" + (f"{mark}{rest.strip()}\n" if mark else "")


def insert(path: Path, name: str, tables: Sequence[Path]) -> None:
    """Write the files `tables` of one folder, `joined`, between the marks of `path`, their links as from there."""
    try:
        text = path.read_text(encoding="utf-8")
        content = joined([table.read_text(encoding="utf-8") for table in tables])
    except OSError as error:
        raise PatchVAEError(f"cannot read {error.filename}: {error.strerror}") from error
    write_text(path, replace_between(text, name, relinked(content, tables[0].parent, path.parent)))
