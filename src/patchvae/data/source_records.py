"""The record of a data set's sources, the same on every machine, and pointers to the sources that lie elsewhere.

The archives are large and may not be redistributed, so a repository keeps their record instead. It is JSON with sorted
keys, without paths and dates: `{dataset, sources: {name: {checksum, size}}}` with `md5:HEX` or `sha256:HEX`, and bytes.
Local sources are not copied: a pointer says where they are and what they were when they were checked.
"""

import json
import os
from pathlib import Path
from typing import Any

from patchvae.data.checksums import ALGORITHMS, checksum, state, verified
from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json

KEY = "patchvae_source"
LONGEST = 1 << 16  # bytes; a pointer is shorter


def read_source_record(path: Path | str) -> dict[str, dict[str, Any]]:
    """The sources that a record names; raises PatchVAEError for a file that is missing or no record."""
    match read_json(path):
        case {"sources": dict(sources)} if sources and all(map(_is_entry, sources.values())):
            return sources
    raise PatchVAEError(f"{path} is not the record of a download: {fetch_again(path)}")


def size_of(path: Path) -> int:
    """Bytes of a file, of all files below a folder, or of what a pointer points to."""
    return int((read_pointer(path) or state(path))["size"])


def check_sources(record: Path, raw_dir: Path) -> tuple[dict[str, str], dict[str, Path]]:
    """Check that the sources in `raw_dir` are those of `record`; return their checksums, and where they lie.

    The checksum of a download is computed. A pointer's is trusted, as long as its target has kept size and date. Raises
    PatchVAEError naming a source that is missing or differs, and how to fetch it.
    """
    sources, found = read_source_record(record), {}
    for name, entry in sources.items():
        path = raw_dir / name
        if not path.exists():
            raise PatchVAEError(f"{path} is not on this machine, {record} only names it: {fetch_again(record)}")
        try:
            found[name] = locate(path)
        except PatchVAEError as error:
            raise PatchVAEError(f"{error}: {fetch_again(record)}") from error
        pointer = read_pointer(path)
        expected, remedy = entry["checksum"], ("" if pointer else "delete it and ") + fetch_again(record)
        if (size := size_of(path)) != entry["size"]:
            raise PatchVAEError(f"{path} has {size} bytes instead of the {entry['size']} in {record}: {remedy}")
        algorithm = expected.partition(":")[0]
        actual = str((pointer or {}).get("checksum"))
        if not actual.startswith(f"{algorithm}:"):
            actual = checksum(found[name], algorithm)
        if actual != expected:
            raise PatchVAEError(f"{path} has the checksum {actual} instead of {expected} in {record}: {remedy}")
    return {name: entry["checksum"] for name, entry in sources.items()}, found


def _is_entry(value: object) -> bool:
    match value:
        case {"checksum": str(checksum), "size": int()}:
            return checksum.partition(":")[0] in ALGORITHMS
    return False


def fetch_again(record: Path | str) -> str:
    """How to fetch sources again; the package does not know which overlays a run was started with."""
    return f"fetch it again with `snakemake --force {record}`, and the --configfile of your run, if it has one"


def write_pointer(name: str, target: Path | str, expected: str, out: Path | str) -> str:
    """Check the local file or folder `target` against `expected`, write a pointer to it at `out`, return its checksum.

    The pointer is JSON: `patchvae_source` (absolute path), `checksum`, and, to notice later changes, `size` in bytes
    and `mtime_ns` of a file or `listing` of a folder. For `unverified` the checksum is the sha256. Raises PatchVAEError
    for a target that cannot be read, a wrong checksum, and a target that the pointer would replace.
    """
    target, out = Path(os.path.abspath(target)), Path(out)
    try:
        if out.exists() and out.samefile(target):
            raise PatchVAEError(f"the location of {name} is {out}, where its pointer would lie: move it elsewhere")
        found = state(target)  # before the content is read, so that a change meanwhile is noticed
    except OSError as error:
        raise PatchVAEError(f"cannot read {target}, the location of {name}: {error.strerror or error}") from error
    actual = verified(name, target, target, expected)
    write_json(out, {KEY: str(target), "checksum": actual, **found})
    return actual


def locate(path: Path) -> Path:
    """The file itself, or the file or folder that the pointer at `path` points to.

    Raises PatchVAEError when the target is gone or has changed since it was checked.
    """
    pointer = read_pointer(path)
    if pointer is None:
        return path
    target = Path(pointer[KEY])
    try:
        found = state(target)
    except OSError as error:
        raise PatchVAEError(f"{target}, to which {path} points, cannot be read: {error.strerror or error}") from error
    if found != {key: pointer.get(key) for key in found}:
        what = "names, sizes or dates of its files" if target.is_dir() else "its size or date"
        raise PatchVAEError(f"{target} has changed since {path} was written ({what})")
    return target


def read_pointer(path: Path) -> dict[str, Any] | None:
    """The content of a pointer, or None for any other file or folder."""
    if not path.is_file() or path.stat().st_size > LONGEST:
        return None
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get(KEY), str) else None
