"""The record of a data set's sources, the same on every machine.

The archives are large and may not be redistributed, so a repository keeps their record instead.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from patchvae.data.checksums import ALGORITHMS, checksum, listing
from patchvae.data.pointers import locate, read_pointer
from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json


class Entry(TypedDict):
    """One source: `md5:HEX` or `sha256:HEX`, and its bytes."""

    checksum: str
    size: int


def write_source_record(path: Path | str, dataset: str, sources: Mapping[str, Entry]) -> None:
    """Write `{dataset, sources: {name: {checksum, size}}}` atomically, with sorted keys, no paths and no dates."""
    write_json(path, {"dataset": dataset, "sources": sources})


def read_source_record(path: Path | str) -> dict[str, Entry]:
    """The sources that a record names; raises PatchVAEError for a file that is missing or no record."""
    content = read_json(path)
    sources = content.get("sources") if isinstance(content, dict) else None
    if isinstance(sources, dict) and sources and all(map(_is_entry, sources.values())):
        return sources
    raise PatchVAEError(f"{path} is not the record of a download: {fetch_again(path)}")


def size_of(path: Path) -> int:
    """Bytes of a file, of all files below a folder, or of what a pointer points to."""
    pointer = read_pointer(path)
    if pointer is not None:
        return int(pointer["size"])
    return listing(path).size if path.is_dir() else path.stat().st_size


def check_sources(record: Path | str, raw_dir: Path) -> dict[str, str]:
    """Check that the sources in `raw_dir` are those of `record`, and return their checksums.

    The checksum of a download is computed. A pointer's is trusted, as long as its target has kept size and date. Raises
    PatchVAEError naming a source that is missing or differs, and how to fetch it.
    """
    sources = read_source_record(record)
    for name, entry in sources.items():
        path = raw_dir / name
        if not path.exists():
            raise PatchVAEError(f"{path} is not on this machine, {record} only names it: {fetch_again(record)}")
        try:
            target = locate(path)
        except PatchVAEError as error:
            raise PatchVAEError(f"{error}: {fetch_again(record)}") from error
        pointer = read_pointer(path)
        remedy = ("" if pointer else "delete it and ") + fetch_again(record)
        if (size := size_of(path)) != entry["size"]:
            raise PatchVAEError(f"{path} has {size} bytes instead of the {entry['size']} in {record}: {remedy}")
        algorithm = entry["checksum"].partition(":")[0]
        actual = str((pointer or {}).get("checksum"))
        if not actual.startswith(f"{algorithm}:"):
            actual = checksum(target, algorithm)
        if actual != entry["checksum"]:
            raise PatchVAEError(
                f"{path} has the checksum {actual} instead of {entry['checksum']} in {record}: {remedy}"
            )
    return {name: entry["checksum"] for name, entry in sources.items()}


def _is_entry(value: object) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("size"), int):
        return False
    return str(value.get("checksum")).partition(":")[0] in ALGORITHMS


def fetch_again(record: Path | str) -> str:
    """How to fetch sources again; the package does not know which overlays a run was started with."""
    return f"fetch it again with `snakemake --force {record}`, and the --configfile of your run, if it has one"
