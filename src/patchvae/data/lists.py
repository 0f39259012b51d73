"""Lists of images as text."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path

from patchvae.data.archives import read_file
from patchvae.errors import PatchVAEError


def decode_lines(where: object, content: bytes) -> Iterator[str]:
    """Lines that are not blank, stripped; raises PatchVAEError for anything but UTF-8 text."""
    try:
        for line in io.TextIOWrapper(io.BytesIO(content), "utf-8-sig"):
            if line := line.strip():
                yield line
    except UnicodeDecodeError as error:
        raise PatchVAEError(f"{where} is not a text file: {error}") from error


def read_lines(path: Path) -> list[str]:
    """`decode_lines` of a file; raises PatchVAEError naming it when it cannot be read or holds nothing."""
    lines = list(decode_lines(path, read_file(path)))
    if not lines:
        raise PatchVAEError(f"{path} is empty")
    return lines


def split_lines(where: object, lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The path, which may hold blanks, and the last word of every line; raises PatchVAEError where one is missing."""
    for line in lines:
        words = line.rsplit(None, 1)
        if len(words) != 2:
            raise PatchVAEError(f"{where} has the line {line!r} instead of a path and a class")
        yield words[0], words[1]
