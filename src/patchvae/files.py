"""Atomic writes: a reader sees the old file or the new one, never half of one."""

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError

PROBE = 1 << 20  # bytes, more than a library buffers
HASHED = 2**30  # bytes of data that every job hashes, a second or less


@contextlib.contextmanager
def atomic(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`, renamed to `path` if the block ends well, removed if not.

    Raises PatchVAEError when the disk is full or the place cannot be written, whatever error a library raises then;
    other errors of the block are passed on.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        # Without fsync a power cut after the rename may leave an empty file under the final name.
        with open(partial, "rb+") as stream:
            os.fsync(stream.fileno())
        os.replace(partial, path)
    except PatchVAEError:
        raise
    except OSError as error:
        if error.filename not in (None, str(partial), str(path)) and Path(error.filename) not in path.parents:
            raise PatchVAEError(f"{error.filename}: {error.strerror or error}") from error
        reason = error.strerror or _why_no_more(partial) or str(error)
        raise PatchVAEError(f"cannot write {path}: {reason}") from error
    except Exception as error:
        if why := _why_no_more(partial):
            raise PatchVAEError(f"cannot write {path}: {why}") from error
        raise
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _why_no_more(partial: Path) -> str | None:
    """Why nothing more can be written to a file, or None where it can: libraries hide the system's reason."""
    try:
        if partial.exists():
            with open(partial, "ab") as stream:
                stream.write(bytes(PROBE))
                stream.flush()
                os.fsync(stream.fileno())
    except OSError as error:
        return error.strerror
    return None


def canonical(config: Any) -> str:
    """JSON with sorted keys and no spaces: equal configurations give equal texts."""
    return json.dumps(config, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_text(path: Path | str, text: str) -> None:
    """Write a text file atomically, as UTF-8."""
    with atomic(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path | str, value: Any) -> None:
    """Write JSON atomically with sorted keys, so that files diff well."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file; raises PatchVAEError naming the file when it is missing or broken."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise PatchVAEError(f"cannot read {path}: {error}") from error


def file_digest(path: Path | str, algorithm: str = "sha256") -> str:
    """Hex digest of a file's content."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()
