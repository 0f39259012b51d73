"""The record of a data set's sources: what was fetched, in words that are the same on every machine.

Archives may not be redistributed and are large; the record of them is neither, and is what a repository keeps.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from patchvae.data.checksums import listing
from patchvae.data.pointers import locate, read_pointer
from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json


class Entry(TypedDict):
    """One source: `md5:HEX`, `sha256:HEX` or, for a folder that was only listed, `listing:HEX`; and its bytes."""

    checksum: str
    size: int


def write_record(path: Path | str, dataset: str, sources: Mapping[str, Entry]) -> None:
    """Write `{dataset, sources: {name: {checksum, size}}}` atomically: no place and no date, and keys in order."""
    write_json(path, {"dataset": dataset, "sources": sources})


def read_record(path: Path | str) -> dict[str, Entry]:
    """The sources that a record names; raises PatchVAEError for a file that is missing or no record."""
    content = read_json(path)
    sources = content.get("sources") if isinstance(content, dict) else None
    if isinstance(sources, dict) and sources and all(map(_is_entry, sources.values())):
        return sources
    raise PatchVAEError(f"{path} is not the record of a download: {_again(path)}")


def size_of(path: Path) -> int:
    """Bytes of a file, of all files below a folder, or of what a pointer points to."""
    pointer = read_pointer(path)
    if pointer is not None:
        return int(pointer["size"])
    return listing(path).size if path.is_dir() else path.stat().st_size


def check_sources(record: Path | str, raw_dir: Path) -> dict[str, str]:
    """The checksum of every source that `record` names, once they lie in `raw_dir` as recorded.

    A file is known by its size, a pointer by the checksum it was written with, and what it points to must not have
    changed since. Raises PatchVAEError naming what is missing or another one, and how to fetch it.
    """
    sources = read_record(record)
    for name, entry in sources.items():
        path = raw_dir / name
        if not path.exists():
            raise PatchVAEError(f"{path} is not on this machine, {record} only names it: {_again(record)}")
        try:
            locate(path)
        except PatchVAEError as error:
            raise PatchVAEError(f"{error}: {_again(record)}") from error
        pointer = read_pointer(path)
        if (size := size_of(path)) != entry["size"]:
            # A download of an unverified file would take the one that is there.
            remedy = ("" if pointer else "delete it and ") + _again(record)
            raise PatchVAEError(f"{path} has {size} bytes instead of the {entry['size']} in {record}: {remedy}")
        checksum = (pointer or entry)["checksum"]
        same_kind = checksum.partition(":")[0] == entry["checksum"].partition(":")[0]
        if same_kind and checksum != entry["checksum"]:
            raise PatchVAEError(
                f"{path} has the checksum {checksum} instead of {entry['checksum']} in {record}: {_again(record)}"
            )
    return {name: entry["checksum"] for name, entry in sources.items()}


def _is_entry(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("checksum"), str) and isinstance(value.get("size"), int)


def _again(record: Path | str) -> str:
    return f"fetch it again with `snakemake --force {record}`"
