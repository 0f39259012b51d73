"""Reading members of tar and tar.gz files, and of folders in their place, that nobody vouches for."""

import contextlib
import gzip
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Collection, Container, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from patchvae.data.checksums import files_below
from patchvae.data.pointers import locate
from patchvae.errors import PatchVAEError

GZIP_MAGIC = b"\x1f\x8b"
INNER = ".tar"  # ending of an archive inside an archive

Load = Callable[[], bytes]


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
    """Content of the named files of a tar, a tar.gz or a folder, by name; nothing is extracted to disk.

    Every entry is examined, and a compressed archive is read to its end (its CRC comes last), before anything is
    returned. A folder may be the archive's top folder or the one that holds it; a pointer is followed. Raises
    PatchVAEError for a missing file, a truncated or altered archive, one without a named member, and one with any
    entry that would leave the folder it is extracted to.
    """
    if not Path(path).exists():
        raise PatchVAEError(f"the archive {path} does not exist")
    path = locate(path)
    if path.is_dir():
        return {name: _read_file(_in_folder(path, name)) for name in names}
    found = {name: load() for name, load in read_wanted(path, names)}
    for name in names:
        if name not in found:
            raise PatchVAEError(f"the archive {path} has no file {name}")
    return found


def file_names(path: Path, nested: bool = False) -> Iterator[str]:
    """Names of all files, in the order in which they lie there; arguments and errors as in `read_wanted`."""
    return (name for name, _, _ in _walk(path, nested))


def read_wanted(path: Path, wanted: Container[str], nested: bool = False) -> Iterator[tuple[str, Load]]:
    """Name and content of the wanted files of a tar, tar.gz or folder, in the order in which they lie there.

    The content comes as a function, to be called at any time in any thread: a file of an archive was read already,
    one of a folder is read by the call. `nested` opens the tars inside, too: the files of `x.tar` are called `x/...`.
    Memory does not grow with an archive. Raises PatchVAEError as `read_members` does, but only when it comes to the
    damage: nothing may be kept of what it handed out before.
    """
    for name, load, lasting in _walk(path, nested):
        if name in wanted:
            yield name, load if lasting else partial(bytes, load())


def _walk(path: Path, nested: bool) -> Iterator[tuple[str, Load, bool]]:
    """Name and content of every file; a content that does not last must be read before the next step."""
    if not path.is_dir():
        yield from _walk_tar(path, "", nested)
        return
    for relative in files_below(path):
        if nested and relative.endswith(INNER):
            yield from _walk_tar(path / relative, relative.removesuffix(INNER) + "/")
        else:
            yield relative, partial(_read_file, path / relative), True


def _walk_tar(path: Path, prefix: str, nested: bool = False) -> Iterator[tuple[str, Load, bool]]:
    with _damage(path), open(path, "rb") as raw:
        compressed = raw.read(2) == GZIP_MAGIC
        raw.seek(0)
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if compressed else raw
        yield from _entries(path, stream, prefix, nested)
        while stream.read(1 << 20):
            pass


def _entries(path: Path, stream: BinaryIO, prefix: str, nested: bool) -> Iterator[tuple[str, Load, bool]]:
    with tarfile.open(fileobj=stream, mode="r:", tarinfo=_StrictTarInfo) as tar:
        while (entry := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep a kilobyte per entry
            _refuse_escape(path, entry)
            if not entry.isreg():
                continue
            name = prefix + posixpath.normpath(entry.name)
            if nested and name.endswith(INNER):
                inner = cast(BinaryIO, tar.extractfile(entry))
                yield from _entries(path, inner, name.removesuffix(INNER) + "/", False)
            else:
                yield name, partial(_read_entry, path, tar, entry), False


def _read_entry(path: Path, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> bytes:
    with _damage(path):
        return cast(BinaryIO, tar.extractfile(entry)).read()


def _read_file(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PatchVAEError(f"cannot read {path}: {error.strerror or error}") from error


def _in_folder(folder: Path, name: str) -> Path:
    """The file `name` of an archive that was extracted to `folder`, with or without the archive's top folder."""
    for candidate in (folder / name, folder / name.partition("/")[2]):
        if candidate.is_file():
            return candidate
    raise PatchVAEError(f"the folder {folder} has no file {name}")


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise PatchVAEError(f"the archive {path} does not exist") from error
    except (tarfile.TarError, EOFError, zlib.error, OSError, UnicodeError, ValueError) as error:
        raise PatchVAEError(f"the archive {path} is truncated or damaged: {error}") from error


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
