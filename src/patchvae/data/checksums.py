"""Checksums of files and folders, read piece by piece with a progress bar."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from patchvae.errors import PatchVAEError

ALGORITHMS = ("md5", "sha256")
UNVERIFIED = "unverified"  # for files whose publisher names no checksum
CHUNK = 1 << 20


def checksum(path: Path | str, algorithm: str = "sha256") -> str:
    """Checksum of a file or folder as `algorithm:hex`.

    A file's is the digest of its content. A folder's is the digest of one `path NUL hex-digest LF` per file, sorted by
    relative path: dates, owners and the folder's name do not matter.
    Raises PatchVAEError naming what cannot be read, a pipe or a device among them.
    """
    path = Path(path)
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise PatchVAEError(f"{path} is neither a file nor a folder")
        if not path.is_dir():
            with _bar(path, path.stat().st_size) as bar:
                return f"{algorithm}:{_digest(path, algorithm, bar)}"
        files = files_below(path)
        digest = hashlib.new(algorithm)
        with _bar(path, sum((path / relative).stat().st_size for relative in files)) as bar:
            for relative in files:
                content = _digest(path / relative, algorithm, bar)
                digest.update(os.fsencode(relative) + b"\0" + content.encode() + b"\n")
        return f"{algorithm}:{digest.hexdigest()}"
    except OSError as error:
        raise PatchVAEError(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def check_form(name: str, expected: str) -> str:
    """The checksum in lower case; raises PatchVAEError unless it is `md5:HEX`, `sha256:HEX` or `unverified`."""
    expected = expected.lower()
    algorithm, _, digest = expected.partition(":")
    if expected != UNVERIFIED and (
        algorithm not in ALGORITHMS or len(digest) != 2 * hashlib.new(algorithm).digest_size
    ):
        raise PatchVAEError(f"the checksum of {name} must be md5:HEX, sha256:HEX or {UNVERIFIED}, not {expected!r}")
    return expected


def match(name: str, location: str | Path, actual: str, expected: str) -> None:
    """Raise PatchVAEError naming both checksums where they differ."""
    if actual != expected:
        raise PatchVAEError(f"{name} from {location} has the checksum {actual} instead of the expected {expected}")


def files_below(folder: Path) -> list[str]:
    """Relative POSIX paths of all files below a folder, sorted; links to files count as files.

    Raises PatchVAEError for a folder without a file, one that cannot be read, and for anything that is neither a file
    nor a folder.
    """
    try:
        found = sorted(_scan(folder, ""))
    except OSError as error:
        raise PatchVAEError(f"cannot read {error.filename or folder}: {error.strerror or error}") from error
    if not found:
        raise PatchVAEError(f"the folder {folder} holds no file")
    return found


class Listing(NamedTuple):
    """What is known of the files below a folder without reading them.

    `digest` is of their relative paths, sizes and dates; `size` is the sum of their bytes.
    """

    digest: str
    size: int


def listing(folder: Path) -> Listing:
    """List a folder; raises PatchVAEError as `files_below`, and OSError for what cannot be read."""
    digest, size = hashlib.sha256(), 0
    for relative in files_below(folder):
        status = os.stat(folder / relative)
        digest.update(os.fsencode(relative) + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        size += status.st_size
    return Listing(digest.hexdigest(), size)


def _scan(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder / prefix) as entries:
        for entry in entries:
            if entry.is_file():
                yield prefix + entry.name
            elif entry.is_dir(follow_symlinks=False):
                yield from _scan(folder, f"{prefix}{entry.name}/")
            else:
                raise PatchVAEError(f"{entry.path} is neither a file nor a folder nor a link to a file")


def _digest(path: Path, algorithm: str, bar: Any) -> str:
    digest = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    return digest.hexdigest()


def _bar(path: Path, size: int) -> Any:
    return tqdm(desc=f"checking {path.name}", total=size, unit="B", unit_scale=True, disable=None)
