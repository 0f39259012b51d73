"""Raw files of a data set: downloaded or referred to where they are, checked against a checksum, and recorded."""

import contextlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from tqdm import tqdm

from patchvae.data.archives import HEAD, is_archive, is_page
from patchvae.data.checksums import CHUNK, UNVERIFIED, checksum, verified
from patchvae.data.names import ARCHIVES
from patchvae.data.source_records import read_pointer, read_source_record, size_of, write_pointer
from patchvae.errors import PatchVAEError
from patchvae.files import atomic, write_json, write_text

TRIES = 3
TIMEOUT = 30.0  # seconds without a byte before a try is given up
PAUSE = 2.0  # seconds before the second try, twice that before the third
TEMPORARY = (408, 429)  # HTTP's errors of a client after which another try may help
REMOTE = ("http", "https", "ftp")

log = logging.getLogger(__name__)


class _Interrupted(Exception):
    """A download that stopped; `status`: of HTTP, 0 where the server sent none."""

    def __init__(self, reason: object, status: int = 0) -> None:
        super().__init__(str(reason) or type(reason).__name__)
        self.status = status


def fetch_all(config: Mapping[str, Any], raw_dir: Path, out: Path) -> None:
    """Fetch every source of a data set to `raw_dir`/NAME, then write their record at `out` (see `source_records`).

    `config` has dataset and sources (name -> location and checksum, as `fetch` takes them). An earlier download is kept
    if it has the configured checksum, or without one the checksum of an earlier record at `out`; without either it is
    kept unless it is a web page or no archive despite its name. Raises PatchVAEError naming the first source that
    cannot be fetched: `out` stays as it was, and complete files stay.
    """
    try:
        known = read_source_record(out)
    except PatchVAEError:  # there is none, or a broken one
        known = {}
    entries = {}
    for name, source in config["sources"].items():
        path, location, expected = raw_dir / name, source["location"], source["checksum"]
        try:
            actual = _kept(location, expected, known.get(name), path) or fetch(name, location, expected, path)
            entries[name] = {"checksum": actual, "size": size_of(path)}
        except PatchVAEError as error:
            raise PatchVAEError(f"source {name} of {config['dataset']}: {error}") from error
    write_json(out, {"dataset": config["dataset"], "sources": entries})


def _kept(location: str, expected: str, known: Mapping[str, Any] | None, path: Path) -> str | None:
    """The checksum to record of a file that is at `path` already, or None when it must be fetched."""
    if urlsplit(location).scheme not in REMOTE or not path.is_file() or read_pointer(path) is not None:
        return None
    wanted = known["checksum"] if known and expected == UNVERIFIED else expected
    problem = _not_what_it_is_called(path.name, path) if expected == UNVERIFIED else None
    if not problem and wanted != UNVERIFIED and checksum(path, wanted.partition(":")[0]) != wanted:
        problem = f"it has not the checksum {wanted}"
    if problem:
        log.warning("%s is there, but %s: fetching it again", path, problem)
        return None
    log.info("%s is there already", path)
    # The record of an unverified file holds its sha256.
    return checksum(path) if expected == UNVERIFIED and not wanted.startswith("sha256:") else wanted


def fetch(name: str, location: str, expected: str, out: Path) -> str:
    """Put the source `name` at `out`: download it from an http(s) or ftp URL, or point to a local file or folder.

    `expected` is `md5:hex`, `sha256:hex` (see `checksum`) or `unverified`. A local source (a path or file URL) is not
    copied: `out` becomes a pointer to it (see `source_records.locate`). An interrupted download leaves `.NAME.partial`
    beside `out`, and the next call resumes it; with `unverified` only if the server says that the file is still the
    same. Returns `expected`, for `unverified` the sha256.
    Raises PatchVAEError for a location that cannot be read, a wrong checksum (naming both), a web page in place of an
    unverified file, a full disk, and a URL with a character that is not allowed.
    """
    if (place := local_path(location)) is not None:
        return write_pointer(name, place, expected, out)
    if urlsplit(location).scheme not in REMOTE:
        raise PatchVAEError(f"the location of {name} must be an http(s), ftp or file URL or a path, not {location}")
    _refuse_bad_url(name, location)
    return _download(name, location, expected, out)


def local_path(location: str) -> Path | None:
    """The path of a source on this machine, given as such or as a file URL; None for any other URL."""
    if "://" not in location:
        return Path(location).expanduser()
    url = urlsplit(location)
    return Path(urllib.request.url2pathname(url.path)).expanduser() if url.scheme == "file" else None


def _refuse_bad_url(name: str, url: str) -> None:
    """Raise PatchVAEError for a URL with blanks, control characters, or non-ASCII letters outside its host."""
    host = urlsplit(url).netloc  # may hold letters of all languages
    for character in url:
        if character <= " " or character == "\x7f" or (character > "\x7f" and character not in host):
            raise PatchVAEError(
                f"the location of {name}, {url!r}, holds {character!r}, which no URL may: write {quote(character)}"
            )


def _download(name: str, url: str, expected: str, out: Path) -> str:
    """Download with resumption; `atomic` turns a full disk into a clear error and gives `out` its name last."""
    received = out.with_name(f".{out.name}.partial")
    with atomic(out) as partial:
        try:
            actual = _receive_verified(name, url, expected, received)
        except OSError:  # of the disk (the network raises _Interrupted): free the space that the part takes
            _drop(received)
            raise
        os.replace(received, partial)
        _version_file(received).unlink(missing_ok=True)
    return actual


def _receive_verified(name: str, url: str, expected: str, received: Path) -> str:
    """Try up to TRIES times to complete `received`; drop it when its checksum is wrong, keep it otherwise."""
    attempt = 0
    while True:
        attempt += 1
        try:
            resumed = _receive(name, url, received, expected != UNVERIFIED)
        except _Interrupted as error:
            if attempt == TRIES or (0 < error.status < 500 and error.status not in TEMPORARY):
                raise PatchVAEError(f"cannot download {name} from {url}: {error}") from error
            log.warning("try %d of %d for %s: %s", attempt, TRIES, url, error)
            time.sleep(PAUSE * attempt)
            continue
        if expected == UNVERIFIED and (problem := _not_what_it_is_called(name, received)):
            _drop(received)
            raise PatchVAEError(f"{name} from {url} is refused: {problem}")
        try:
            return verified(name, url, received, expected)
        except PatchVAEError:
            _drop(received)
            if not resumed or attempt == TRIES:
                raise
        # The first part may be of an older file at the same address: start again.
        log.warning("the resumed download of %s has a wrong checksum, starting again", url)


def _not_what_it_is_called(name: str, path: Path) -> str | None:
    """What is wrong with an unverified file: servers send error and login pages under any name."""
    with open(path, "rb") as stream:
        head = stream.read(HEAD)
    ending = name.lower().rpartition(".")[2]
    if is_page(head) and ending not in ("html", "htm", "xml"):
        return "it is a web page"
    return "it is neither a tar nor a zip" if ending in ARCHIVES and not is_archive(head) else None


def _version_file(received: Path) -> Path:
    """The file with the server's version of the download of which `received` is a part."""
    return received.with_name(f"{received.name}.version")


def _drop(received: Path) -> None:
    received.unlink(missing_ok=True)
    _version_file(received).unlink(missing_ok=True)


def _version(response: Any) -> str | None:
    """The server's identifier of the exact bytes that it sends, or None."""
    tag = response.headers.get("ETag") or ""
    return tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified")


def _receive(name: str, url: str, received: Path, has_checksum: bool) -> bool:
    """Append to `received` what is missing of `url`; True when some of it was there before.

    Without a checksum to check later (`has_checksum`), only a part of the same version is resumed.
    """
    offset, headers = received.stat().st_size if received.exists() else 0, {"User-Agent": "patchvae"}
    version_file = _version_file(received)
    version = version_file.read_text(encoding="utf-8", errors="replace") if version_file.exists() else None
    if offset and not has_checksum and version is None:
        offset = 0
    if offset:
        headers |= {"Range": f"bytes={offset}-"} | ({"If-Range": version} if version else {})
    try:
        with _network():
            response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT)
    except _Interrupted as error:
        if not offset or error.status != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if has_checksum:
            return True  # nothing is missing; the checksum decides whether it is the right file
        _drop(received)
        raise _Interrupted("what was there of it is not of the server's file") from error
    with response:
        # A server without Range support (and FTP) sends the whole file.
        start = offset if response.status == http.HTTPStatus.PARTIAL_CONTENT else 0
        if start and not has_checksum and _version(response) != version:
            _drop(received)
            raise _Interrupted("the server has another version of it by now")
        if not start:
            _drop(received)
            if sent := _version(response):
                write_text(version_file, sent)
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        with (
            open(received, "ab" if start else "wb") as stream,
            tqdm(desc=name, total=total, initial=start, unit="B", unit_scale=True, disable=None) as bar,
        ):
            while chunk := _read(response):
                stream.write(chunk)
                bar.update(len(chunk))
    size = received.stat().st_size
    if total is not None and size < total:
        raise _Interrupted(f"the connection closed after {size} of {total} bytes")
    return start > 0


@contextlib.contextmanager
def _network() -> Iterator[None]:
    """Raise _Interrupted for every error of the network."""
    try:
        yield
    except urllib.error.HTTPError as error:
        raise _Interrupted(f"HTTP status {error.code} {error.reason}", error.code) from error
    except urllib.error.URLError as error:
        raise _Interrupted(error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(error) from error


def _read(response: Any) -> bytes:
    with _network():
        return bytes(response.read(CHUNK))
