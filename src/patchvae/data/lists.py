"""What the photo formats share: sources by name, and lists of images as text."""

import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.data.pointers import locate
from patchvae.errors import PatchVAEError


def open_sources(
    config: Mapping[str, Any], raw_dir: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Path]:
    """The file or folder behind every source of a data set.

    Raises PatchVAEError naming the key of a source that is missing, or of one that the format does not know.
    """
    where = f"datasets.{config['dataset']}.sources"
    for name in required:
        if name not in config["sources"]:
            raise PatchVAEError(f"the format {config['format']} needs the source {name}: set {where}.{name}.location")
    for name in config["sources"]:
        if name not in (*required, *optional):
            raise PatchVAEError(f"{where}.{name} is not a source of the format {config['format']}")
    return {name: locate(raw_dir / name) for name in config["sources"]}


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
    try:
        lines = list(decode_lines(path, path.read_bytes()))
    except OSError as error:
        raise PatchVAEError(f"cannot read {path}: {error.strerror or error}") from error
    if not lines:
        raise PatchVAEError(f"{path} is empty")
    return lines


def split_line(where: object, line: str) -> tuple[str, str]:
    """The path, which may hold blanks, and the last word of a line; raises PatchVAEError when one is missing."""
    words = line.rsplit(None, 1)
    if len(words) != 2:
        raise PatchVAEError(f"{where} has the line {line!r} instead of a path and a class")
    return words[0], words[1]
