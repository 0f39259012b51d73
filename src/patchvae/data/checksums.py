"""Checksums of files and folders, read piece by piece with a progress bar."""

import hashlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from patchvae.errors import PatchVAEError

ALGORITHMS = ("md5", "sha256")
UNVERIFIED = "unverified"  # for files whose publisher names no checksum
CHUNK = 1 << 20

log = logging.getLogger(__name__)


def checksum(path: Path | str, algorithm: str = "sha256") -> str:
    """Checksum of a file or folder as `algorithm:hex`.

    A file's is the digest of its content. A folder's is the digest of one `path NUL hex-digest LF` per file, sorted by
    relative path: dates, owners and the folder's name do not matter.
    Raises PatchVAEError naming what cannot be read, a pipe or a device among them.
    """
    path, digest = Path(path), hashlib.new(algorithm)
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise PatchVAEError(f"{path} is neither a file nor a folder")
        names = files_below(path) if path.is_dir() else [""]
        size = sum((path / name).stat().st_size for name in names)
        with tqdm(desc=f"checking {path.name}", total=size, unit="B", unit_scale=True, disable=None) as bar:
            if not path.is_dir():
                return f"{algorithm}:{_digest(path, algorithm, bar)}"
            for name in names:
                digest.update(os.fsencode(name) + b"\0" + _digest(path / name, algorithm, bar).encode() + b"\n")
        return f"{algorithm}:{digest.hexdigest()}"
    except OSError as error:
        raise PatchVAEError(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def verified(name: str, location: str | Path, path: Path, expected: str) -> str:
    """The checksum of the source `name`, which was found at `location` and lies at `path`.

    For `unverified` it is the sha256, which is logged. Raises PatchVAEError naming both checksums where it is another.
    """
    if expected == UNVERIFIED:
        actual = checksum(path)
        log.warning("%s is not checked against a published checksum; %s has %s", name, location, actual)
        return actual
    actual = checksum(path, expected.partition(":")[0])
    if actual != expected:
        raise PatchVAEError(f"{name} from {location} has the checksum {actual} instead of the expected {expected}")
    return actual


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


def state(path: Path) -> dict[str, Any]:
    """What is known of a file or folder without reading it: `size` in bytes, and `mtime_ns` of a file.

    In its place a folder has `listing`, the digest of the relative paths, sizes and dates of the files below. Raises
    PatchVAEError as `files_below`, and OSError for what cannot be read.
    """
    if not path.is_dir():
        return {"size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}
    digest, size = hashlib.sha256(), 0
    for relative in files_below(path):
        status = os.stat(path / relative)
        digest.update(os.fsencode(relative) + f"\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
        size += status.st_size
    return {"size": size, "listing": digest.hexdigest()}


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
