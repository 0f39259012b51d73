"""Reads members of untrusted tar and zip files, and of folders in their place."""

import bz2
import contextlib
import gzip
import lzma
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Container, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

from patchvae.data.checksums import files_below
from patchvae.data.pointers import locate
from patchvae.errors import PatchVAEError

INNER = ".tar"  # ending of an archive inside an archive
HEAD = 512  # bytes that tell what a file is
COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
ZIP = (b"PK\3\4", b"PK\5\6")  # the second is an empty one's
OTHERS = {
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"\x1f\x9d": "compress",
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
}
DAMAGE = (
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError),
    *(UnicodeError, ValueError, NotImplementedError, RuntimeError),  # the last two: kinds of zip that are not read
)
PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")

Load = Callable[[], bytes]


class DamagedArchive(PatchVAEError):
    """A file that is no archive or not a whole one, like a failed download."""


def is_page(head: bytes) -> bool:
    """Whether a file that begins with `head` is a web page, which servers may send in place of a file."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGES)


def is_archive(head: bytes) -> bool:
    """Whether a file that begins with `head` (HEAD bytes) may be an archive that can be read."""
    return head.startswith((*COMPRESSED, *ZIP)) or _is_header(head)


def _is_header(block: bytes) -> bool:
    """Whether a block is the header of a tar's entry."""
    try:
        tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class _StrictTarInfo(tarfile.TarInfo):
    """Raises for a broken header or a missing end mark after the first entry, which tarfile takes for the end."""

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> "_StrictTarInfo":
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the regular end: a block of zeros
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


def read_members(path: Path | str, names: Collection[str]) -> dict[str, bytes]:
    """Content of the named files of a tar (compressed with gzip, bzip2, xz or not), a zip or a folder, by name.

    Nothing is extracted to disk. Every entry is examined, and a compressed tar is read to its end, where its CRC is,
    before anything is returned. A folder may be the archive's top folder or the one that holds it; a pointer is
    followed. Raises PatchVAEError for a missing file, a truncated or altered archive (DamagedArchive), an archive
    without each named file exactly once, and one with an entry outside its own folder.
    """
    if not Path(path).exists():
        raise PatchVAEError(f"the archive {path} does not exist")
    path = locate(path)
    if path.is_dir():
        return {name: _read_file(_in_folder(path, name)) for name in names}
    found: dict[str, bytes] = {}
    for name, load in read_wanted(path, names):
        if name in found:
            raise PatchVAEError(f"the archive {path} holds {name} twice")
        found[name] = load()
    for name in names:
        if name not in found:
            raise PatchVAEError(f"the archive {path} has no file {name}")
    return found


def file_names(path: Path, nested: bool = False) -> Iterator[str]:
    """Names of all files in their order; arguments and errors as in `read_wanted`."""
    return (name for name, _, _ in _walk(path, nested))


def read_wanted(
    path: Path, wanted: Container[str], nested: bool = False, skip: Callable[[str], object] | None = None
) -> Iterator[tuple[str, Load]]:
    """Name and content of the wanted files of a tar, zip or folder, in their order there.

    The content is a function, to be called at any time in any thread. A file of an archive has been read by then, one
    of a folder is read by the call, and a link of an archive is refused by it. `nested` opens inner tars too: the files
    of `x.tar` are called `x/...`. `skip` is called with the name of every other file. Memory does not grow with a tar.
    Raises PatchVAEError as `read_members` does, but only on reaching the damage: discard what was yielded before. A
    name that an archive holds twice is yielded twice.
    """
    for name, load, lasting in _walk(path, nested):
        if name in wanted:
            yield name, load if lasting else partial(bytes, load())
        elif skip is not None:
            skip(name)


def _walk(path: Path, nested: bool) -> Iterator[tuple[str, Load, bool]]:
    """Name and content of every file; a content that does not last must be read before the next step."""
    if not path.is_dir():
        yield from _walk_archive(path, "", nested)
        return
    for relative in files_below(path):
        if nested and relative.endswith(INNER):
            yield from _walk_archive(path / relative, relative.removesuffix(INNER) + "/")
        else:
            yield relative, partial(_read_file, path / relative), True


def _walk_archive(path: Path, prefix: str, nested: bool = False) -> Iterator[tuple[str, Load, bool]]:
    with _damage(path), open(path, "rb") as raw:
        head = raw.read(HEAD)
        raw.seek(0)
        if head.startswith(ZIP):
            yield from _zip_entries(path, raw, prefix)
            return
        for magic, kind in OTHERS.items():
            if head.startswith(magic):
                raise PatchVAEError(f"the archive {path} is of the kind {kind}, which is not read: repack it as tar")
        if is_page(head):
            raise DamagedArchive(f"{path} is a web page and no archive")
        stream = next(
            (opened(raw) for magic, opened in COMPRESSED.items() if head.startswith(magic)), cast(BinaryIO, raw)
        )
        yield from _entries(path, stream, prefix, nested)
        while stream.read(1 << 20):
            pass


def _zip_entries(path: Path, stream: BinaryIO, prefix: str) -> Iterator[tuple[str, Load, bool]]:
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        if min((entry.header_offset for entry in entries), default=0):
            raise PatchVAEError(f"the archive {path} has something before its first file: repack it")
        for entry in entries:
            name = entry.filename
            if not entry.flag_bits & 0x800:  # encoded as DOS did, officially; but what is UTF-8 was meant as such
                with contextlib.suppress(UnicodeError):
                    name = name.encode("cp437").decode()
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if _escapes(name):
                raise PatchVAEError(f"the archive {path} is refused: its entry {name} escapes its folder")
            if entry.is_dir():
                continue
            if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
                raise PatchVAEError(f"the archive {path} is refused: its entry {name} is a device or a pipe")
            if entry.flag_bits & 0x1:
                raise PatchVAEError(f"the archive {path} is encrypted: repack it without a password")
            if kind == stat.S_IFLNK:
                yield prefix + posixpath.normpath(name), partial(_refuse_link, path, name), True
            else:
                yield prefix + posixpath.normpath(name), partial(_read_zipped, path, archive, entry), False


def _read_zipped(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    with _damage(path):
        return archive.read(entry)  # checks the CRC


def _entries(path: Path, stream: BinaryIO, prefix: str, nested: bool) -> Iterator[tuple[str, Load, bool]]:
    """The entries of a tar; the rest after its end is read only to refuse a second tar."""
    with tarfile.open(fileobj=stream, mode="r:", tarinfo=_StrictTarInfo) as tar:
        while (entry := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep a kilobyte per entry
            _refuse_escape(path, entry)
            if entry.isdir():
                continue
            name = prefix + posixpath.normpath(entry.name)
            if not entry.isreg():
                yield name, partial(_refuse_link, path, entry.name), True
            elif nested and name.endswith(INNER):
                inner = cast(BinaryIO, tar.extractfile(entry))
                yield from _entries(path, inner, name.removesuffix(INNER) + "/", False)
            else:
                yield name, partial(_read_entry, path, tar, entry), False
    while (behind := stream.read(tarfile.BLOCKSIZE)) and not behind.strip(b"\0"):
        pass
    if _is_header(behind):
        raise PatchVAEError(f"the archive {path} is two tars, one behind the other: repack it as one")


def _refuse_link(path: Path, name: str) -> bytes:
    raise PatchVAEError(
        f"the archive {path} has the link {name}, which is not followed: repack it with the file in its place"
        " (tar --dereference --hard-dereference)"
    )


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
    except DAMAGE as error:
        raise DamagedArchive(
            f"the archive {path} is truncated or damaged: {str(error) or type(error).__name__}"
        ) from error


def _refuse_escape(path: Path | str, entry: tarfile.TarInfo) -> None:
    """Raise PatchVAEError for an entry, or the target of a link, outside the archive's own folder."""
    targets = []
    if entry.issym():
        targets.append(posixpath.join(posixpath.dirname(entry.name), entry.linkname))
    elif entry.islnk():
        targets.append(entry.linkname)
    elif not (entry.isfile() or entry.isdir()):
        raise PatchVAEError(f"the archive {path} is refused: its entry {entry.name} is a device or a pipe")
    if _escapes(entry.name) or any(_escapes(posixpath.normpath(target)) for target in targets):
        target = f" -> {entry.linkname}" if entry.linkname else ""
        raise PatchVAEError(f"the archive {path} is refused: its entry {entry.name}{target} escapes its folder")


def _escapes(name: str) -> bool:
    return name.startswith("/") or ".." in name.split("/")
