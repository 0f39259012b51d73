import hashlib
import logging
from pathlib import Path
from typing import Any

import pytest

from patchvae.data import sources
from patchvae.data.source_records import locate
from patchvae.data.sources import checksum, fetch
from patchvae.errors import PatchVAEError

BODY = bytes(range(256)) * 1000
SHA = f"sha256:{hashlib.sha256(BODY).hexdigest()}"
WRONG = f"sha256:{'0' * 64}"


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAUSE", 0.0)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "raw" / "file.bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "official"
    (path / "b").mkdir(parents=True)
    (path / "b" / "two").write_bytes(b"2")
    (path / "one").write_bytes(b"1")
    return path


def content(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_checksum_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert checksum(tmp_path / "f") == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert checksum(tmp_path / "f", "md5") == "md5:900150983cd24fb0d6963f7d28e17f72"


def test_checksum_of_a_folder_is_the_documented_formula(folder: Path) -> None:
    lines = [f"{name}\0{hashlib.sha256(data).hexdigest()}\n" for name, data in (("b/two", b"2"), ("one", b"1"))]
    assert checksum(folder) == f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def test_checksum_of_a_folder_sees_names_and_contents_but_not_its_own_name(folder: Path) -> None:
    before = checksum(folder)
    moved = folder.rename(folder.with_name("moved"))
    assert checksum(moved) == before
    (moved / "one").rename(moved / "uno")
    renamed = checksum(moved)
    (moved / "uno").write_bytes(b"x")
    assert len({before, renamed, checksum(moved)}) == 3


def test_checksum_names_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match="nowhere"):
        checksum(tmp_path / "nowhere")


def test_folder_with_a_dangling_link_is_refused(folder: Path) -> None:
    (folder / "dangling").symlink_to("nowhere")
    with pytest.raises(PatchVAEError, match="dangling"):
        checksum(folder)


@pytest.mark.parametrize("as_url", [False, True])
def test_local_file(tmp_path: Path, out: Path, as_url: bool) -> None:
    path = tmp_path / "my file"
    path.write_bytes(BODY)
    fetch("file.bin", path.as_uri() if as_url else str(path), SHA, out)
    assert content(out.parent) == ["file.bin"]
    assert out.stat().st_size < 1000
    assert locate(out) == path


def test_local_file_with_a_wrong_checksum_names_file_and_both_sums(tmp_path: Path, out: Path) -> None:
    (tmp_path / "f").write_bytes(BODY)
    with pytest.raises(PatchVAEError) as caught:
        fetch("file.bin", str(tmp_path / "f"), WRONG, out)
    assert all(part in str(caught.value) for part in ("file.bin", SHA, WRONG))
    assert content(out.parent) == []


def test_missing_local_file(tmp_path: Path, out: Path) -> None:
    with pytest.raises(PatchVAEError, match="nowhere.*file.bin"):
        fetch("file.bin", str(tmp_path / "nowhere"), SHA, out)
    assert content(out.parent) == []


def test_unknown_scheme(out: Path) -> None:
    with pytest.raises(PatchVAEError, match="s3://bucket"):
        fetch("file.bin", "s3://bucket/file.bin", SHA, out)


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
@pytest.mark.parametrize("as_url", [False, True])
def test_local_folder(folder: Path, out: Path, algorithm: str, as_url: bool) -> None:
    fetch("file.bin", folder.as_uri() if as_url else f"{folder}/", checksum(folder, algorithm), out)
    assert locate(out) == folder


def test_download_without_a_published_checksum(server: Any, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    server.body = BODY
    fetch("file.bin", server.url, "unverified", out)
    assert out.read_bytes() == BODY
    assert SHA in caplog.text


def test_altered_folder(folder: Path, out: Path) -> None:
    expected = checksum(folder)
    (folder / "one").write_bytes(b"changed")
    with pytest.raises(PatchVAEError, match=f"file.bin.*{checksum(folder)}.*{expected}"):
        fetch("file.bin", str(folder), expected, out)
    assert content(out.parent) == []


def test_download(server: Any, out: Path) -> None:
    server.body = BODY
    fetch("file.bin", server.url, SHA, out)
    assert out.read_bytes() == BODY
    assert server.asked == [None]
    assert content(out.parent) == ["file.bin"]


@pytest.mark.parametrize("ranges", [True, False])
def test_interrupted_download_is_completed_within_one_call(server: Any, out: Path, ranges: bool) -> None:
    server.body, server.failures, server.ranges = BODY, 2, ranges
    fetch("file.bin", server.url, SHA, out)
    assert out.read_bytes() == BODY
    half = len(BODY) // 2
    assert server.asked == [None, f"bytes={half}-", f"bytes={half + half // 2 if ranges else half}-"]
    assert content(out.parent) == ["file.bin"]


def test_next_call_resumes_what_an_earlier_one_left(server: Any, out: Path) -> None:
    server.body, server.failures = BODY, 3
    with pytest.raises(PatchVAEError, match=f"cannot download file.bin from {server.url}: the connection closed"):
        fetch("file.bin", server.url, SHA, out)
    assert content(out.parent) == [".file.bin.partial"]
    left = (out.parent / ".file.bin.partial").stat().st_size
    fetch("file.bin", server.url, SHA, out)
    assert server.asked[-1] == f"bytes={left}-"
    assert out.read_bytes() == BODY


def test_complete_partial_file_needs_no_more_bytes(server: Any, out: Path) -> None:
    server.body = BODY
    out.parent.mkdir()
    (out.parent / ".file.bin.partial").write_bytes(BODY)
    fetch("file.bin", server.url, SHA, out)
    assert out.read_bytes() == BODY


@pytest.mark.parametrize("length", [1000, len(BODY) + 5])
def test_partial_of_another_file_is_dropped(server: Any, out: Path, length: int) -> None:
    server.body = BODY
    out.parent.mkdir()
    (out.parent / ".file.bin.partial").write_bytes(b"x" * length)
    fetch("file.bin", server.url, SHA, out)
    assert out.read_bytes() == BODY
    assert server.asked == [f"bytes={length}-", None]


def test_download_with_a_wrong_checksum_leaves_nothing(server: Any, out: Path) -> None:
    server.body = BODY
    with pytest.raises(PatchVAEError, match=f"file.bin from {server.url}.*{SHA}.*{WRONG}"):
        fetch("file.bin", server.url, WRONG, out)
    assert content(out.parent) == []


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (503, 3)])
def test_http_error_names_the_url_and_only_a_passing_one_is_tried_again(
    server: Any, out: Path, status: int, tries: int
) -> None:
    server.status = status
    with pytest.raises(PatchVAEError, match=f"{server.url}: HTTP status {status}"):
        fetch("file.bin", server.url, SHA, out)
    assert len(server.asked) == tries
    assert content(out.parent) == []


def test_unreachable_host(server: Any, out: Path) -> None:
    url = server.url
    server.server_close()
    with pytest.raises(PatchVAEError, match=f"cannot download file.bin from {url}"):
        fetch("file.bin", url, SHA, out)


@pytest.mark.usefixtures("full_disk")
def test_full_disk_leaves_nothing(server: Any, out: Path) -> None:
    server.body = BODY
    with pytest.raises(PatchVAEError, match=f"cannot write {out}: File too large"):
        fetch("file.bin", server.url, SHA, out)
    assert content(out.parent) == []


# Files that nobody vouches for

PAGE = b"\xef\xbb\xbf \n<!DOCTYPE html><title>Log in</title>"


@pytest.mark.parametrize(
    ("name", "body", "problem"),
    [
        ("a.tar", PAGE, "it is a web page"),
        ("TrainImages.txt", b"<HTML><body>404", "it is a web page"),
        ("images", b'<?xml version="1.0"?><Error>', "it is a web page"),
        ("a.tar", b'{"error": "gone"}', "it is neither a tar nor a zip"),
        ("a.tar.gz", b"", "it is neither a tar nor a zip"),
        ("a.ZIP", b"not found", "it is neither a tar nor a zip"),
        ("a.tgz", bytes(2000), "it is neither a tar nor a zip"),
    ],
)
def test_page_in_place_of_a_file_is_refused_and_not_kept(
    server: Any, tmp_path: Path, name: str, body: bytes, problem: str
) -> None:
    server.body, out = body, tmp_path / "raw" / name
    with pytest.raises(PatchVAEError, match=f"{name} from {server.url} is refused: {problem}"):
        fetch(name, server.url, "unverified", out)
    assert content(out.parent) == [] and len(server.asked) == 1
    expected = f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert fetch(name, server.url, expected, out) == expected  # who vouches for it may have it


@pytest.mark.parametrize("version", [{"ETag": '"1"'}, {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}])
def test_unverified_download_goes_on_with_the_same_version(server: Any, out: Path, version: dict[str, str]) -> None:
    server.body, server.failures, server.version = BODY, 3, version
    with pytest.raises(PatchVAEError, match="the connection closed"):
        fetch("file.bin", server.url, "unverified", out)
    assert content(out.parent) == [".file.bin.partial", ".file.bin.partial.version"]
    left = (out.parent / ".file.bin.partial").stat().st_size
    fetch("file.bin", server.url, "unverified", out)
    assert server.asked[-1] == f"bytes={left}-"
    assert out.read_bytes() == BODY and content(out.parent) == ["file.bin"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"ETag": '"1"'}, {"ETag": '"2"'}),
        ({"ETag": '"1"'}, {}),
        ({"ETag": 'W/"1"'}, {"ETag": 'W/"1"'}),
        ({"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT"}, {"Last-Modified": "Tue, 02 Jan 2024 00:00:00 GMT"}),
        ({}, {}),
        ({}, {"ETag": '"2"'}),
    ],
)
@pytest.mark.parametrize("honours", [True, False])
def test_parts_of_two_versions_are_not_glued(
    server: Any,
    out: Path,
    before: dict[str, str],
    after: dict[str, str],
    honours: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.body, server.failures, server.version = BODY[::-1], 3, before
    with pytest.raises(PatchVAEError, match="the connection closed"):
        fetch("file.bin", server.url, "unverified", out)
    server.body, server.version = BODY, after
    if not honours:  # a server that does not know If-Range
        monkeypatch.setattr(type(server), "conditions", False)
    fetch("file.bin", server.url, "unverified", out)
    assert out.read_bytes() == BODY and content(out.parent) == ["file.bin"]


def test_version_that_changes_within_one_call(server: Any, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.body, server.failures, server.version = BODY[::-1], 1, {"ETag": '"1"'}

    def change(_: float) -> None:
        server.body, server.version = BODY, {"ETag": '"2"'}

    monkeypatch.setattr(sources.time, "sleep", change)
    fetch("file.bin", server.url, "unverified", out)
    assert out.read_bytes() == BODY


@pytest.mark.parametrize("length", [len(BODY), len(BODY) + 5])
def test_unverified_part_that_is_as_long_as_the_file(server: Any, out: Path, length: int) -> None:
    server.body, server.version = BODY, {"ETag": '"1"'}
    out.parent.mkdir()
    (out.parent / ".file.bin.partial").write_bytes(b"x" * length)
    (out.parent / ".file.bin.partial.version").write_text('"1"')
    fetch("file.bin", server.url, "unverified", out)
    assert out.read_bytes() == BODY and content(out.parent) == ["file.bin"]


# URLs that no server can be asked for


@pytest.mark.parametrize(
    ("url", "character"),
    [
        ("{}/my file.tar", "%20"),
        ("{}/file.tar\n", "%0A"),
        ("\t{}/file.tar", "%09"),
        ("{}/a\x7fb", "%7F"),
        ("{}/Kätzchen.tar", "%C3%A4"),
        ("{}/file.tar?name=a b", "%20"),
        ("http://my host/file.tar", "%20"),
        ("ftp://localhost/a b", "%20"),
    ],
)
def test_a_character_that_no_url_may_hold(
    server: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    url: str,
    character: str,
) -> None:
    monkeypatch.setattr(sources.urllib.request, "urlopen", lambda *a, **k: pytest.fail("was asked for"))
    caplog.set_level(logging.WARNING)
    with pytest.raises(PatchVAEError) as caught:
        fetch("file.bin", url.format(server.url.rpartition("/")[0]), SHA, tmp_path / "raw/file.bin")
    message = str(caught.value)
    assert message.startswith("the location of file.bin, ") and message.endswith(f"write {character}")
    assert "\n" not in message and not caplog.records
    assert not (tmp_path / "raw").exists()


def test_a_host_of_any_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def urlopen(request: Any, timeout: float) -> None:
        asked.append(request.full_url)
        raise OSError("no network")

    monkeypatch.setattr(sources.urllib.request, "urlopen", urlopen)
    with pytest.raises(PatchVAEError, match="no network"):
        fetch("file.bin", "http://münchen.example/file.tar?a=%20", SHA, tmp_path / "file.bin")
    assert len(asked) == sources.TRIES
