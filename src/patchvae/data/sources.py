"""Raw files of a data set: downloaded, or referred to where they lie already, and checked against a checksum."""

import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tqdm import tqdm

from patchvae.data.checksums import CHUNK, UNVERIFIED, check_form, checksum, match
from patchvae.data.pointers import write_pointer
from patchvae.errors import PatchVAEError
from patchvae.files import atomic

TRIES = 3
TIMEOUT = 30.0  # seconds without a byte before a try is given up
PAUSE = 2.0  # seconds before the second try, twice that before the third

log = logging.getLogger(__name__)


class _Interrupted(Exception):
    """A download that stopped; `permanent` when trying again cannot help."""

    def __init__(self, reason: object, permanent: bool = False) -> None:
        super().__init__(str(reason))
        self.permanent = permanent


def fetch(name: str, location: str, expected: str, out: Path | str) -> None:
    """Put the source `name` at `out`: download it from an http(s) or ftp URL, or point to a local file or folder.

    `expected` is `md5:hex`, `sha256:hex` (see `checksum`) or `unverified`. A local source (a path or file URL) is not
    copied: `out` becomes a pointer to it (see `pointers.locate`). An interrupted download leaves `.NAME.partial`
    beside `out`, and the next call goes on from there.
    Raises PatchVAEError for a place that cannot be read, a wrong checksum (naming both) and a full disk.
    """
    out = Path(out)
    expected = check_form(name, expected)
    scheme = urlsplit(location).scheme if "://" in location else "path"
    if scheme in ("http", "https", "ftp"):
        _download(name, location, expected, out)
    elif scheme == "file":
        write_pointer(name, urllib.request.url2pathname(urlsplit(location).path), expected, out)
    elif scheme == "path":
        write_pointer(name, Path(location).expanduser(), expected, out)
    else:
        raise PatchVAEError(f"the location of {name} must be an http(s), ftp or file URL or a path, not {location}")


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
        if expected == UNVERIFIED:
            log.warning("%s is not checked against a published checksum; it has %s", name, checksum(received))
            return
        actual = checksum(received, expected.partition(":")[0])
        if actual == expected:
            return
        received.unlink()
        if not resumed:
            break
        # The first part may stem from an older file at the same address: once more from the start.
        log.warning("the resumed download of %s has a wrong checksum, starting again", url)
    match(name, url, actual, expected)


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
