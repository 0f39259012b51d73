"""Reading members of tar and tar.gz files that nobody vouches for."""

import gzip
import posixpath
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, cast

from patchvae.errors import PatchVAEError

GZIP_MAGIC = b"\x1f\x8b"


class _StrictTarInfo(tarfile.TarInfo):
    """tarfile takes a broken header, or no end mark, behind the first entry for the end: to us they are damage."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_StrictTarInfo":
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the regular end: a block of zeros
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def read_members(path: Path | str, names: Collection[str]) -> dict[str, bytes]:
    """Content of the named files of a tar or tar.gz archive, by name; nothing is extracted to disk.

    Every entry is examined, and a compressed archive is read to its end (its CRC comes last), before anything is
    returned. Raises PatchVAEError for a missing file, a truncated or altered archive, one without a named member,
    and one with any entry that would leave the folder it is extracted to.
    """
    found: dict[str, bytes] = {}
    try:
        with open(path, "rb") as raw:
            compressed = raw.read(2) == GZIP_MAGIC
            raw.seek(0)
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if compressed else raw
            with tarfile.open(fileobj=stream, mode="r:", tarinfo=_StrictTarInfo) as tar:
                for entry in tar:
                    _refuse_escape(path, entry)
                    name = posixpath.normpath(entry.name)
                    if name in names and (content := tar.extractfile(entry) if entry.isreg() else None):
                        found[name] = content.read()
            while stream.read(1 << 20):
                pass
    except FileNotFoundError as error:
        raise PatchVAEError(f"the archive {path} does not exist") from error
    except (tarfile.TarError, EOFError, zlib.error, OSError, UnicodeError, ValueError) as error:
        raise PatchVAEError(f"the archive {path} is truncated or damaged: {error}") from error
    for name in names:
        if name not in found:
            raise PatchVAEError(f"the archive {path} has no file {name}")
    return found


def _refuse_escape(path: Path | str, entry: tarfile.TarInfo) -> None:
    """Raise PatchVAEError for an entry, or the target of a link, outside the archive's own folder."""
    places = [entry.name]
    if entry.issym():
        places.append(posixpath.join(posixpath.dirname(entry.name), entry.linkname))
    elif entry.islnk():
        places.append(entry.linkname)
    elif not (entry.isfile() or entry.isdir()):
        raise PatchVAEError(f"the archive {path} is refused: its entry {entry.name} is a device or a pipe")
    escapes = any(p.startswith("/") or posixpath.normpath(p).split("/")[0] == ".." for p in places)
    if escapes or ".." in entry.name.split("/"):
        target = f" -> {entry.linkname}" if entry.linkname else ""
        raise PatchVAEError(f"the archive {path} is refused: its entry {entry.name}{target} escapes its folder")
