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
from patchvae.errors import PatchVAEError

INNER = ".tar"  # ending of an archive inside an archive
HEAD = 512  # bytes that tell what a file is
COMPRESSED: dict[bytes, Callable[..., Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
ZIP = (b"PK\3\4", b"PK\5\6")  # the second is an empty one's
OTHERS = {
    b"\x28\xb5\x2f\xfd": "zstandard",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"\x1f\x9d": "compress",
    b"\x04\x22\x4d\x18": "lz4",
    b"LZIP": "lzip",
}
# What reading a damaged archive may raise; the last one for kinds of zip that are not read
DAMAGE = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError)
PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")

Load = Callable[[], bytes]
Files = Iterator[tuple[str, Load | None]]


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


def read_members(path: Path, names: Collection[str]) -> dict[str, bytes]:
    """Content of the named files of a tar (compressed with gzip, bzip2, xz or not), a zip or a folder, by name.

    Nothing is extracted to disk. Every entry is examined, and a compressed tar is read to its end, where its CRC is,
    before anything is returned. A folder may be the archive's top folder or the one that holds it. Raises PatchVAEError
    for a truncated or altered archive (DamagedArchive), an archive without each named file exactly once, and one with
    an entry outside its own folder.
    """
    if path.is_dir():
        return {name: read_file(_in_folder(path, name)) for name in names}
    found: dict[str, bytes] = {}
    for name, load in read_files(path, names):
        if name in found:
            raise PatchVAEError(f"the archive {path} holds {name} twice")
        if load is not None:
            found[name] = load()
    for name in names:
        if name not in found:
            raise PatchVAEError(f"the archive {path} has no file {name}")
    return found


def read_file(path: Path) -> bytes:
    """Content of a file; raises PatchVAEError where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PatchVAEError(f"cannot read {path}: {error.strerror or error}") from error


def file_names(path: Path, nested: bool = False) -> Iterator[str]:
    """Names of all files in their order; arguments and errors as in `read_files`."""
    return (name for name, _ in read_files(path, (), nested))


def read_files(path: Path, wanted: Container[str], nested: bool = False) -> Files:
    """Names of all files of a tar, zip or folder in their order there, each with its content if it is wanted.

    The content is a function, to be called at any time in any thread: it reads a file of a folder, and returns what was
    read of an archive. `nested` opens inner tars too: the files of `x.tar` are called `x/...`. Memory does not grow
    with a tar. Raises PatchVAEError for a wanted link of an archive, and as `read_members` does, but only on reaching
    the damage: discard what was yielded before. A name that an archive holds twice is yielded twice.
    """
    if not path.is_dir():
        yield from _walk_archive(path, wanted, "", nested)
        return
    for name in files_below(path):
        if nested and name.endswith(INNER):
            yield from _walk_archive(path / name, wanted, name.removesuffix(INNER) + "/", nested=False)
        else:
            yield name, partial(read_file, path / name) if name in wanted else None


def _walk_archive(path: Path, wanted: Container[str], prefix: str, nested: bool) -> Files:
    try:
        with open(path, "rb") as raw:
            head = raw.read(HEAD)
            raw.seek(0)
            for magic, kind in OTHERS.items():
                if head.startswith(magic):
                    raise PatchVAEError(f"the archive {path} is of kind {kind}, which is not read: repack it as tar")
            if is_page(head):
                raise DamagedArchive(f"{path} is a web page and no archive")
            if head.startswith(ZIP):
                yield from _walk_zip(path, raw, wanted, prefix)
                return
            stream: BinaryIO = raw
            for magic, opened in COMPRESSED.items():
                if head.startswith(magic):
                    stream = opened(raw)
            yield from _walk_tar(path, stream, wanted, prefix, nested)
            while stream.read(1 << 20):
                pass
    except DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise DamagedArchive(f"the archive {path} is truncated or damaged: {reason}") from error


def _walk_zip(path: Path, stream: BinaryIO, wanted: Container[str], prefix: str) -> Files:
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
            is_file = kind in (0, stat.S_IFREG)
            _check_entry(path, name, is_file or entry.is_dir() or kind == stat.S_IFLNK)
            if entry.is_dir():
                continue
            if entry.flag_bits & 0x1:
                raise PatchVAEError(f"the archive {path} is encrypted: repack it without a password")
            name = prefix + posixpath.normpath(name)
            # Reading checks the CRC
            yield name, _load(path, name, is_file, partial(archive.open, entry)) if name in wanted else None


def _walk_tar(path: Path, stream: BinaryIO, wanted: Container[str], prefix: str, nested: bool) -> Files:
    """The files of a tar; what lies behind its end is read only to refuse a second tar."""
    with tarfile.open(fileobj=stream, mode="r:", tarinfo=_StrictTarInfo) as tar:
        while (entry := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # tarfile would keep a kilobyte per entry
            folder = posixpath.dirname(entry.name) if entry.issym() else ""  # from which a link's target is counted
            target = entry.linkname and posixpath.normpath(posixpath.join(folder, entry.linkname))
            _check_entry(path, entry.name, entry.isfile() or entry.isdir() or entry.issym() or entry.islnk(), target)
            if entry.isdir():
                continue
            name = prefix + posixpath.normpath(entry.name)
            if nested and entry.isreg() and name.endswith(INNER):
                inner = cast(BinaryIO, tar.extractfile(entry))
                yield from _walk_tar(path, inner, wanted, name.removesuffix(INNER) + "/", nested=False)
            else:
                opened = partial(tar.extractfile, entry)
                yield name, _load(path, name, entry.isreg(), opened) if name in wanted else None
    while (behind := stream.read(tarfile.BLOCKSIZE)) and not behind.strip(b"\0"):
        pass
    if _is_header(behind):
        raise PatchVAEError(f"the archive {path} is two tars, one behind the other: repack it as one")


def _load(path: Path, name: str, is_file: bool, opened: Callable[[], Any]) -> Load:
    """The content of an entry, which is read now; raises PatchVAEError for a link."""
    if not is_file:
        raise PatchVAEError(
            f"the archive {path} has the link {name}, which is not followed: repack it with the file in its place"
            " (tar --dereference --hard-dereference)"
        )
    with opened() as stream:
        return partial(bytes, stream.read())


def _in_folder(folder: Path, name: str) -> Path:
    """The file `name` of an archive that was extracted to `folder`, with or without the archive's top folder."""
    for candidate in (folder / name, folder / name.partition("/")[2]):
        if candidate.is_file():
            return candidate
    raise PatchVAEError(f"the folder {folder} has no file {name}")


def _check_entry(path: Path, name: str, is_usual: bool, target: str = "") -> None:
    """Raise PatchVAEError for an entry that is a device or a pipe, or that lies or links outside the archive's folder.

    is_usual: whether it is a file, a folder or a link; target: of a link, from the archive's folder.
    """
    if not is_usual:
        raise PatchVAEError(f"the archive {path} is refused: its entry {name} is a device or a pipe")
    if any(place.startswith("/") or ".." in place.split("/") for place in (name, target)):
        entry = f"{name} -> {target}" if target else name
        raise PatchVAEError(f"the archive {path} is refused: its entry {entry} escapes its folder")
