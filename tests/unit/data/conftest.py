"""Small archives and photographs, a web server on the loopback address and a disk that is nearly full."""

import io
import pickle
import resource
import tarfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Entry = tuple[str, bytes | tarfile.TarInfo]


@pytest.fixture
def make_tar(tmp_path: Path) -> Callable[..., Path]:
    """make_tar(name, *(entry name, content or TarInfo)) -> path of the archive, compressed where the name says so."""

    def make(name: str, *entries: Entry) -> Path:
        path = tmp_path / "archives" / name
        path.parent.mkdir(exist_ok=True)
        with tarfile.open(path, "w:gz" if name.endswith("gz") else "w") as tar:
            for entry, content in entries:
                if isinstance(content, bytes):
                    info = tarfile.TarInfo(entry)
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
                else:
                    tar.addfile(content)
        return path

    return make


@pytest.fixture
def photo() -> Callable[..., bytes]:
    """photo(seed, width, height, mode, format) -> bytes of a smooth image that no other seed gives."""

    def make(seed: int = 0, width: int = 48, height: int = 40, mode: str = "RGB", format: str = "JPEG") -> bytes:
        coarse = np.random.default_rng(seed).integers(0, 256, (4, 5, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
        stream = io.BytesIO()
        image.save(stream, format)
        return stream.getvalue()

    return make


@pytest.fixture
def cifar_batches() -> dict[str, dict[bytes, Any]]:
    """The unpickled members of a CIFAR-100 with four classes and random images, keys as Python 2 left them."""
    rng = np.random.default_rng(0)
    batches: dict[str, dict[bytes, Any]] = {"meta": {b"fine_label_names": [b"apple", b"bear", b"clock", b"dolphin"]}}
    for split, count in (("train", 12), ("test", 8)):
        data = rng.integers(0, 256, (count, 3072), dtype=np.uint8)
        batches[split] = {b"data": data, b"fine_labels": [i % 4 for i in range(count)], b"batch_label": "x"}
    return batches


@pytest.fixture
def cifar_archive(make_tar: Callable[..., Path]) -> Callable[..., Path]:
    """cifar_archive(members) -> archive in the official layout; a member is pickled unless it is bytes already."""

    def make(members: dict[str, Any]) -> Path:
        entries = [
            (f"cifar-100-python/{name}", value if isinstance(value, bytes) else pickle.dumps(value, protocol=2))
            for name, value in members.items()
        ]
        return make_tar("cifar-100-python.tar.gz", *entries)

    return make


@pytest.fixture
def full_disk() -> Iterator[None]:
    """Every write beyond 64 KiB of a file fails, as on a full disk (EFBIG in place of ENOSPC)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class WebServer(ThreadingHTTPServer):
    """Serves `body` under every path; the first `failures` answers break off half way through what was asked for."""

    body = b""
    ranges = True
    conditions = True  # whether it knows If-Range
    version: dict[str, str] = {}  # noqa: RUF012  # its headers, ETag or Last-Modified
    failures = 0
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str | None] = []  # the Range header of each request

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class _Handler(BaseHTTPRequestHandler):
    server: WebServer

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append(wanted)
        condition = self.headers.get("If-Range") if server.conditions else None
        if condition and condition not in server.version.values():
            wanted = None
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if server.status != 200:
            self.send_error(server.status)
            return
        if wanted and server.ranges and start >= len(server.body):
            self.send_error(416)
            return
        content = server.body[start:]
        self.send_response(206 if wanted and server.ranges else 200)
        self.send_header("Content-Length", str(len(content)))
        for name, value in server.version.items():
            self.send_header(name, value)
        self.end_headers()
        if len(server.asked) <= server.failures:
            content = content[: len(content) // 2]
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield web
        web.shutdown()
        thread.join()
