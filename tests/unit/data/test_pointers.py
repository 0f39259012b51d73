import hashlib
import os
from pathlib import Path

import pytest

from patchvae.data.checksums import checksum
from patchvae.data.source_records import locate, write_pointer
from patchvae.errors import PatchVAEError
from patchvae.files import read_json

BODY = b"photographs"
SHA = f"sha256:{hashlib.sha256(BODY).hexdigest()}"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "elsewhere" / "images.tar"
    path.parent.mkdir()
    path.write_bytes(BODY)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "images"
    for name in ("b/one.jpg", "two.jpg"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(name.encode())
    return path


def test_any_other_file_or_folder_is_itself(target: Path, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"patchvae": 1}')
    (tmp_path / "broken.json").write_text('{"patchvae_source": ')
    for path in (target, folder, tmp_path / "a.json", tmp_path / "broken.json"):
        assert locate(path) == path


def test_pointer_says_where_and_what(target: Path, tmp_path: Path) -> None:
    write_pointer("images.tar", target, SHA, tmp_path / "raw" / "images.tar")
    assert locate(tmp_path / "raw" / "images.tar") == target
    status = target.stat()
    assert read_json(tmp_path / "raw" / "images.tar") == {
        "patchvae_source": str(target),
        "checksum": SHA,
        "size": len(BODY),
        "mtime_ns": status.st_mtime_ns,
    }


def test_relative_target_stays_the_same_file(target: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(target.parent)
    write_pointer("images.tar", "images.tar", SHA, tmp_path / "pointer")
    monkeypatch.chdir(tmp_path)
    assert locate(tmp_path / "pointer") == target


def test_unverified_file_and_folder_are_hashed(
    target: Path, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_pointer("images.tar", target, "unverified", tmp_path / "file")
    write_pointer("images", folder, "unverified", tmp_path / "folder")
    assert read_json(tmp_path / "file")["checksum"] == SHA and SHA in caplog.text
    assert read_json(tmp_path / "folder")["checksum"] == checksum(folder)
    assert read_json(tmp_path / "folder")["size"] == len(b"b/one.jpgtwo.jpg")
    assert locate(tmp_path / "folder") == folder


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_wrong_checksum_names_both_and_writes_nothing(target: Path, folder: Path, tmp_path: Path, kind: str) -> None:
    place, wrong = (target if kind == "file" else folder), "md5:" + "0" * 32
    with pytest.raises(PatchVAEError, match=f"images.*{checksum(place, 'md5')}.*{wrong}"):
        write_pointer("images", place, wrong, tmp_path / "pointer")
    assert not (tmp_path / "pointer").exists()


@pytest.mark.parametrize("change", ["gone", "longer", "same length", "touched"])
def test_changed_file(target: Path, tmp_path: Path, change: str) -> None:
    write_pointer("images.tar", target, SHA, tmp_path / "pointer")
    if change == "gone":
        target.unlink()
    elif change == "touched":
        os.utime(target, ns=(0, 0))
    else:
        target.write_bytes(BODY[::-1] if change == "same length" else BODY * 2)
    said = "cannot be read: No such file" if change == "gone" else "has changed since"
    with pytest.raises(PatchVAEError, match=f"{target}.*{said}"):
        locate(tmp_path / "pointer")


@pytest.mark.parametrize("change", ["gone", "one gone", "one more", "other content", "renamed", "a file"])
@pytest.mark.parametrize("expected", ["right", "unverified"])
def test_changed_folder(folder: Path, tmp_path: Path, change: str, expected: str) -> None:
    write_pointer("images", folder, checksum(folder) if expected == "right" else expected, tmp_path / "pointer")
    if change in ("gone", "a file"):
        folder.rename(tmp_path / "moved")
        if change == "a file":
            folder.write_bytes(b"")
    elif change == "one gone":
        (folder / "two.jpg").unlink()
    elif change == "renamed":
        (folder / "two.jpg").rename(folder / "three.jpg")
    else:
        (folder / ("b/three.jpg" if change == "one more" else "two.jpg")).write_bytes(b"TWO.JPG")
    with pytest.raises(PatchVAEError, match=f"{folder}.*(cannot be read|has changed since)"):
        locate(tmp_path / "pointer")


def test_target_is_never_replaced_by_its_pointer(target: Path) -> None:
    with pytest.raises(PatchVAEError, match=f"{target}, where its pointer would lie"):
        write_pointer("images.tar", target, SHA, target)
    assert target.read_bytes() == BODY
