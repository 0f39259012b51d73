"""Local sources are not copied: a pointer file says where they are and what they were when they were checked."""

import json
import logging
import os
from pathlib import Path
from typing import Any

from patchvae.data.checksums import UNVERIFIED, checksum, listing, match
from patchvae.errors import PatchVAEError
from patchvae.files import write_json

KEY = "patchvae_source"
LONGEST = 1 << 16  # bytes; a pointer is shorter

log = logging.getLogger(__name__)


def write_pointer(name: str, target: Path | str, expected: str, out: Path | str) -> str:
    """Check the local file or folder `target` against `expected`, write a pointer to it at `out`, return its checksum.

    The pointer is JSON: `patchvae_source` (absolute path), `checksum`, and, to notice later changes, `size` in bytes
    and `mtime_ns` of a file or `listing` of a folder. For `unverified` the checksum is the sha256. Raises PatchVAEError
    for a target that cannot be read, a wrong checksum, and a target that the pointer would replace.
    """
    target, out = Path(os.path.abspath(target)), Path(out)
    try:
        if out.exists() and out.samefile(target):
            raise PatchVAEError(
                f"the location of {name} is {out}, where the pointer to it would lie: move it elsewhere"
            )
        state = _state(target)  # before the content is read, so that a change meanwhile is noticed
    except OSError as error:
        raise PatchVAEError(f"cannot read {target}, the location of {name}: {error.strerror or error}") from error
    if expected != UNVERIFIED:
        actual = checksum(target, expected.partition(":")[0])
        match(name, target, actual, expected)
    else:
        actual = checksum(target)
        log.warning("%s is not checked against a published checksum; %s has %s", name, target, actual)
    write_json(out, {KEY: str(target), "checksum": actual, **state})
    return actual


def locate(path: Path | str) -> Path:
    """The file itself, or the file or folder that the pointer at `path` points to.

    Raises PatchVAEError when `path` is missing, and when the target is gone or has changed since it was checked.
    """
    path = Path(path)
    pointer = read_pointer(path)
    if pointer is None:
        return path
    target = Path(pointer[KEY])
    try:
        state = _state(target)
    except OSError as error:
        raise PatchVAEError(f"{target}, to which {path} points, cannot be read: {error.strerror or error}") from error
    if state != {key: pointer.get(key) for key in state}:
        what = "names, sizes or dates of its files" if target.is_dir() else "its size or date"
        raise PatchVAEError(f"{target} has changed since {path} was written ({what})")
    return target


def read_pointer(path: Path) -> dict[str, Any] | None:
    """The content of a pointer, or None for any other file or folder; raises PatchVAEError for a missing file."""
    try:
        if path.stat().st_size > LONGEST or not path.is_file():
            return None
        content = path.read_bytes()
    except OSError as error:
        raise PatchVAEError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        value = json.loads(content) if content.startswith(b"{") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and isinstance(value.get(KEY), str) else None


def _state(target: Path) -> dict[str, Any]:
    if target.is_dir():
        digest, size = listing(target)
        return {"size": size, "listing": digest}
    status = target.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
