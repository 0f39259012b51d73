"""Raw files of a data set: fetched from a URL, a local file or a local folder, and checked against a checksum."""

import hashlib
import http.client
import logging
import os
import tarfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from patchvae.errors import PatchVAEError
from patchvae.files import atomic, file_digest

TRIES = 3
TIMEOUT = 30.0  # seconds without a byte before a try is given up
PAUSE = 2.0  # seconds before the second try, twice that before the third
CHUNK = 1 << 20
ALGORITHMS = ("md5", "sha256")

log = logging.getLogger(__name__)


class _Interrupted(Exception):
    """A download that stopped; `permanent` when trying again cannot help."""

    def __init__(self, reason: object, permanent: bool = False) -> None:
        super().__init__(str(reason))
        self.permanent = permanent


def checksum(path: Path | str, algorithm: str = "sha256") -> str:
    """Checksum of a file or folder as `algorithm:hex`.

    A file's is the digest of its content. A folder's is the digest of one `path NUL hex-digest LF` per file, sorted by
    the path relative to the folder, so that neither dates, owners nor the folder's own name matter.
    Raises PatchVAEError naming what cannot be read.
    """
    path = Path(path)
    try:
        if not path.is_dir():
            return f"{algorithm}:{file_digest(path, algorithm)}"
        digest = hashlib.new(algorithm)
        for relative in _files_below(path):
            digest.update(os.fsencode(relative) + b"\0" + file_digest(path / relative, algorithm).encode() + b"\n")
        return f"{algorithm}:{digest.hexdigest()}"
    except OSError as error:
        raise PatchVAEError(f"cannot read {error.filename or path}: {error.strerror or error}") from error


def fetch(name: str, location: str, expected: str, out: Path | str) -> None:
    """Put the source `name` at `out`, from an http(s), ftp or file URL, a local file or a local folder.

    A folder becomes an uncompressed tar with the folder's name before every entry, as in an official archive; it is
    the folder that `expected` (`md5:hex` or `sha256:hex`, see `checksum`) describes. An interrupted download leaves
    `.NAME.partial` beside `out`, and the next call goes on from there.
    Raises PatchVAEError for a place that cannot be read, a wrong checksum (naming both) and a full disk.
    """
    out = Path(out)
    expected = expected.lower()
    algorithm, _, digest = expected.partition(":")
    if algorithm not in ALGORITHMS or len(digest) != 2 * hashlib.new(algorithm).digest_size:
        raise PatchVAEError(f"the checksum of {name} must be md5:HEX or sha256:HEX, not {expected!r}")
    scheme = urlsplit(location).scheme if "://" in location else "path"
    if scheme in ("http", "https", "ftp"):
        _download(name, location, expected, out)
        return
    if scheme not in ("file", "path"):
        raise PatchVAEError(f"the location of {name} must be an http(s), ftp or file URL or a path, not {location}")
    path = Path(urllib.request.url2pathname(urlsplit(location).path)) if scheme == "file" else Path(location)
    path = path.expanduser()
    if path.is_dir():
        _match(name, location, checksum(path, algorithm), expected)
        _write_tar(path, out)
    else:
        _copy(name, path, expected, out)


def _match(name: str, location: str | Path, actual: str, expected: str) -> None:
    if actual != expected:
        raise PatchVAEError(f"{name} from {location} has the checksum {actual} instead of the expected {expected}")


def _files_below(folder: Path) -> list[str]:
    """Relative POSIX paths of all files below a folder, sorted; refuses what is neither a file nor a folder."""
    found = []
    for root, folders, files in os.walk(folder, onerror=_raise):
        for entry in (Path(root, f) for f in folders + files):
            if entry.is_file():
                found.append(entry.relative_to(folder).as_posix())
            elif entry.is_symlink() or not entry.is_dir():
                raise PatchVAEError(f"{entry} is neither a file nor a folder nor a link to a file")
    if not found:
        raise PatchVAEError(f"the folder {folder} holds no file")
    return sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _write_tar(folder: Path, out: Path) -> None:
    """Write the folder as a tar whose bytes depend on names and contents only."""
    prefix = folder.absolute().name
    with atomic(out) as partial, tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
        for relative in _files_below(folder):
            with open(folder / relative, "rb") as stream:
                info = tarfile.TarInfo(f"{prefix}/{relative}")
                info.size = os.fstat(stream.fileno()).st_size
                tar.addfile(info, stream)


def _copy(name: str, path: Path, expected: str, out: Path) -> None:
    """Copy a local file, hashing what is written."""
    try:
        source = open(path, "rb")  # noqa: SIM115  opened apart so that its errors name the source, not `out`
    except OSError as error:
        raise PatchVAEError(f"cannot read {path}, the location of {name}: {error.strerror or error}") from error
    algorithm = expected.partition(":")[0]
    digest = hashlib.new(algorithm)
    with source, atomic(out) as partial:
        with open(partial, "wb") as stream:
            while chunk := source.read(CHUNK):
                digest.update(chunk)
                stream.write(chunk)
        _match(name, path, f"{algorithm}:{digest.hexdigest()}", expected)


def _download(name: str, url: str, expected: str, out: Path) -> None:
    """Download with resumption; `atomic` turns a full disk into a clear error and gives `out` its name last."""
    received = out.with_name(f".{out.name}.partial")
    with atomic(out) as partial:
        try:
            _receive_verified(name, url, expected, received)
        except OSError:  # of the disk: those of the network became _Interrupted; a part would keep the disk full
            received.unlink(missing_ok=True)
            raise
        os.replace(received, partial)


def _receive_verified(name: str, url: str, expected: str, received: Path) -> None:
    """Try up to TRIES times to complete `received`; drop it when its checksum is wrong, keep it otherwise."""
    actual = ""
    for attempt in range(1, TRIES + 1):
        try:
            resumed = _receive(name, url, received)
        except _Interrupted as error:
            if error.permanent or attempt == TRIES:
                raise PatchVAEError(f"cannot download {name} from {url}: {error}") from error
            log.warning("try %d of %d for %s: %s", attempt, TRIES, url, error)
            time.sleep(PAUSE * attempt)
            continue
        actual = checksum(received, expected.partition(":")[0])
        if actual == expected:
            return
        received.unlink()
        if not resumed:
            break
        # The first part may stem from an older file at the same address: once more from the start.
        log.warning("the resumed download of %s has a wrong checksum, starting again", url)
    _match(name, url, actual, expected)


def _receive(name: str, url: str, received: Path) -> bool:
    """Append to `received` what is missing of `url`; True when some of it was there before."""
    offset = received.stat().st_size if received.exists() else 0
    headers = {"User-Agent": "patchvae"} | ({"Range": f"bytes={offset}-"} if offset else {})
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if offset and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return True  # nothing is missing; the checksum tells whether it is the right file
        permanent = error.code < 500 and error.code not in (408, 429)
        raise _Interrupted(f"HTTP status {error.code} {error.reason}", permanent) from error
    except urllib.error.URLError as error:
        raise _Interrupted(error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(error or type(error).__name__) from error
    with response:
        # A server without Range support (and FTP) sends the whole file.
        start = offset if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            open(received, "ab" if start else "wb") as stream,
            tqdm(desc=name, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
        ):
            for chunk in _chunks(response):
                stream.write(chunk)
                bar.update(len(chunk))
    size = received.stat().st_size
    if total is not None and size < total:
        raise _Interrupted(f"the connection closed after {size} of {total} bytes")
    return start > 0


def _chunks(response: Any) -> Iterator[bytes]:
    """The body piece by piece, with every error of the network as _Interrupted."""
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(error) from error
        if not chunk:
            return
        yield chunk
