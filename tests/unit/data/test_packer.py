"""Packing photographs, through the format `lists`, which says the most about them."""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_files import prepare_raw

from patchvae.data import packer
from patchvae.data.packed import load_manifest, load_split
from patchvae.data.photos import decode
from patchvae.errors import PatchVAEError
from patchvae.files import read_json

Photo = Callable[..., bytes]
Files = dict[str, bytes]
SIZE = 32
CONFIG: dict[str, Any] = {
    "dataset": "mine",
    "format": "lists",
    "image_size": SIZE,
    "num_classes": 2,
    "sources": ["images", "train.txt", "test.txt"],
    "max_undecodable": 0,
}


class Raw:
    """Writes the sources of CONFIG: photographs in an archive or folder, and lists of `path class`."""

    def __init__(self, folder: Path, make_tar: Callable[..., Path], photo: Photo) -> None:
        self.folder, self._make_tar = folder, make_tar
        self.photos: Files = {f"{i}.jpg": photo(i, 48 + i, 40) for i in range(12)}
        self.rows = {
            "train": [(f"{i}.jpg", "cat" if i % 2 else "dog") for i in (7, 0, 3, 2, 5, 4, 1, 6)],
            "test": [(f"{i}.jpg", "cat" if i % 2 else "dog") for i in (11, 8, 10, 9)],
        }

    def write(self, archive: str = "images.tar") -> Path:
        self.folder.mkdir(exist_ok=True)
        for split, rows in self.rows.items():
            (self.folder / f"{split}.txt").write_text("".join(f"{path} {name}\n" for path, name in rows))
        if archive == "folder":
            for name, content in self.photos.items():
                (self.folder / "images" / name).parent.mkdir(parents=True, exist_ok=True)
                (self.folder / "images" / name).write_bytes(content)
        else:
            self._make_tar(archive, *self.photos.items()).rename(self.folder / "images")
        return self.folder

    def pixels(self, split: str) -> np.ndarray:
        return np.stack([decode(self.photos[path], SIZE) for path, _ in self.rows[split]])


@pytest.fixture
def raw(tmp_path: Path, make_tar: Callable[..., Path], photo: Photo) -> Raw:
    return Raw(tmp_path / "raw", make_tar, photo)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "packed"


def left(out: Path) -> list[str]:
    return sorted(path.name for path in out.iterdir()) if out.exists() else []


@pytest.mark.parametrize("archive", ["images.tar", "images.tar.gz", "folder"])
@pytest.mark.parametrize("threads", [1, 3])
def test_rows_are_in_the_order_of_the_lists(raw: Raw, out: Path, archive: str, threads: int) -> None:
    prepare_raw(CONFIG, raw.write(archive), out, threads)
    for split, labels in (("train", [0, 1, 0, 1, 0, 1, 0, 1]), ("test", [0, 1, 1, 0])):
        data = load_split(out, split)
        np.testing.assert_array_equal(data.images, raw.pixels(split))
        assert data.labels.tolist() == labels
    manifest = load_manifest(out)
    digest = hashlib.sha256((out / "train_images.npy").read_bytes()).hexdigest()
    labels = hashlib.sha256((out / "train_labels.npy").read_bytes()).hexdigest()
    expected = {"count": 8, "labelled": 8, "sha256": digest, "labels_sha256": labels}
    assert manifest["splits"]["train"].items() >= expected.items()
    assert manifest["classes"] == ["cat", "dog"] and manifest["skipped"] == []
    assert left(out) == [
        "manifest.json",
        *(f"{s}_{a}.npy" for s in ("test", "train") for a in ("images", "labels")),
    ]


def test_images_in_flight_are_few(raw: Raw, out: Path, photo: Photo, monkeypatch: pytest.MonkeyPatch) -> None:
    raw.photos |= {f"{i}.jpg": photo(i) for i in range(12, 60)}
    raw.rows["train"] += [(f"{i}.jpg", "cat") for i in range(12, 60)]
    read, gate, most = [0], threading.Semaphore(0), [0]

    def counting(path: Path, wanted: Any, nested: bool) -> Any:
        for name in raw.photos:
            read[0] += 1
            most[0] = max(most[0], read[0])
            gate.release()
            yield name, lambda name=name: raw.photos[name]

    def slow(content: bytes, size: int, enlarge: bool) -> np.ndarray:
        gate.acquire()
        time.sleep(0.001)
        read[0] -= 1
        return decode(content, size, enlarge)

    raw.write()
    monkeypatch.setattr(packer, "read_files", counting)
    monkeypatch.setattr(packer, "decode", slow)
    prepare_raw(CONFIG, raw.folder, out, 2)
    assert 2 <= most[0] <= packer.IN_FLIGHT * 2 + 1
    np.testing.assert_array_equal(load_split(out, "train").images, raw.pixels("train"))


@pytest.mark.parametrize("content", [b"", b"no image", "truncated"])
def test_undecodable_image_stops_preparation(raw: Raw, out: Path, content: bytes | str) -> None:
    raw.photos["3.jpg"] = raw.photos["3.jpg"][:-20] if isinstance(content, str) else content
    with pytest.raises(PatchVAEError, match=r"3\.jpg in .*images cannot be decoded \(.+\).*mine.max_undecodable .* 0"):
        prepare_raw(CONFIG, raw.write(), out)
    assert left(out) == []


def test_permitted_undecodable_images_are_left_out_and_listed(raw: Raw, out: Path) -> None:
    for name in ("7.jpg", "2.jpg", "5.jpg", "10.jpg"):
        raw.photos[name] = b"no image"
    with pytest.raises(PatchVAEError, match="max_undecodable allows 3"):
        prepare_raw(CONFIG | {"max_undecodable": 3}, raw.write(), out)
    assert left(out) == []
    prepare_raw(CONFIG | {"max_undecodable": 4}, raw.folder, out, 3)
    skipped = load_manifest(out)["skipped"]
    assert [(entry["split"], entry["image"]) for entry in skipped] == [
        ("train", "7.jpg"),
        ("train", "2.jpg"),
        ("train", "5.jpg"),
        ("test", "10.jpg"),
    ]
    assert all(entry["why"].startswith("it is none of JPEG, PNG") for entry in skipped)
    for name in ("7.jpg", "2.jpg", "5.jpg", "10.jpg"):
        del raw.photos[name]
    for split in ("train", "test"):
        raw.rows[split] = [(path, label) for path, label in raw.rows[split] if path in raw.photos]
        data = load_split(out, split)
        np.testing.assert_array_equal(data.images, raw.pixels(split))
        assert data.labels.tolist() == [0 if label == "cat" else 1 for _, label in raw.rows[split]]


def test_class_whose_images_are_all_undecodable(raw: Raw, out: Path) -> None:
    for name in ("8.jpg", "10.jpg"):
        raw.photos[name] = b""
    with pytest.raises(PatchVAEError, match=r"mine \(test\): the class dog has no image"):
        prepare_raw(CONFIG | {"max_undecodable": 5}, raw.write(), out)
    assert left(out) == []


def test_image_smaller_than_the_crop(raw: Raw, out: Path, photo: Photo) -> None:
    raw.photos["4.jpg"] = photo(4, 50, 31)
    with pytest.raises(PatchVAEError, match=r"4\.jpg in .* has 50 x 31 pixels, less than image_size 32"):
        prepare_raw(CONFIG | {"max_undecodable": 5}, raw.write(), out)
    assert left(out) == []


def test_same_bytes_in_both_splits(raw: Raw, out: Path) -> None:
    raw.photos["9.jpg"] = raw.photos["3.jpg"]
    with pytest.raises(PatchVAEError, match=r"mine: 3\.jpg in train and 9\.jpg in test are the same image"):
        prepare_raw(CONFIG, raw.write(), out)
    assert left(out) == []


@pytest.mark.parametrize(
    ("split", "row", "message"),
    [
        ("train", ("99.jpg", "cat"), r"train\.txt lists 99\.jpg, which .*images does not hold"),
        ("test", ("0.jpg", "dog"), r"the image 0\.jpg is in both splits"),
        ("train", ("7.jpg", "cat"), r"\(train\): the image 7\.jpg is listed twice"),
        ("train", ("7.jpg", ""), r"train\.txt has the line '7\.jpg' instead of a path and a class"),
        ("train", ("", "eel"), r"train\.txt has the line 'eel'"),
    ],
)
@pytest.mark.parametrize("archive", ["images.tar", "folder"])
def test_bad_list(raw: Raw, out: Path, split: str, row: tuple[str, str], message: str, archive: str) -> None:
    raw.rows[split].append(row)
    with pytest.raises(PatchVAEError, match=message):
        prepare_raw(CONFIG, raw.write(archive), out)
    assert left(out) == []


@pytest.mark.parametrize("split", ["train", "test"])
def test_class_without_an_image_in_a_split(raw: Raw, out: Path, split: str) -> None:
    raw.rows["test" if split == "train" else "train"] = [("0.jpg", "cat"), ("1.jpg", "dog"), ("2.jpg", "eel")]
    raw.rows[split] = [(f"{i}.jpg", "cat" if i % 2 else "dog") for i in range(3, 12)]
    with pytest.raises(PatchVAEError, match=rf"mine \({split}\): the class eel has no image"):
        prepare_raw(CONFIG | {"num_classes": 3}, raw.write(), out)
    assert left(out) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("truncated", "images is truncated or damaged"),
        ("altered", "images is truncated or damaged"),
        ("escape", "images is refused: its entry ../up.jpg escapes its folder"),
        ("no archive", "images is truncated or damaged"),
        ("missing", "images is not on this machine"),
        ("empty list", r"test\.txt is empty"),
        ("binary list", r"test\.txt is not a text file"),
    ],
)
def test_damaged_source(raw: Raw, out: Path, damage: str, message: str) -> None:
    if damage == "escape":
        raw.photos["../up.jpg"] = b""
    raw.write("images.tar.gz")
    images, data = raw.folder / "images", (raw.folder / "images").read_bytes()
    if damage == "truncated":
        images.write_bytes(data[: len(data) * 3 // 4])
    elif damage == "altered":
        images.write_bytes(data[:2000] + bytes([data[2000] ^ 0xFF]) + data[2001:])
    elif damage == "no archive":
        images.write_bytes(b"PK\3\4" + data)
    elif damage == "missing":
        images.unlink()
    elif "list" in damage:
        (raw.folder / "test.txt").write_bytes(b"" if damage == "empty list" else b"\xff\xfe\x00")
    with pytest.raises(PatchVAEError, match=message):
        prepare_raw(CONFIG, raw.folder, out)
    assert left(out) == []


def test_archive_that_breaks_off_while_it_is_packed(raw: Raw, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = packer.read_files

    def cut(path: Path, *rest: Any) -> Any:
        path.write_bytes(path.read_bytes()[:12000])  # after the names were read
        return real(path, *rest)

    monkeypatch.setattr(packer, "read_files", cut)
    with pytest.raises(PatchVAEError, match="images is truncated or damaged"):
        prepare_raw(CONFIG, raw.write(), out)
    assert left(out) == []


@pytest.mark.usefixtures("full_disk")
def test_full_disk(raw: Raw, out: Path, photo: Photo) -> None:
    raw.photos |= {f"{i}.jpg": photo(i) for i in range(12, 40)}
    raw.rows["train"] += [(f"{i}.jpg", "cat") for i in range(12, 40)]  # 36 x 3 KiB
    with pytest.raises(PatchVAEError, match=r"cannot write .*train_images\.npy: File too large"):
        prepare_raw(CONFIG, raw.write("folder"), out)
    assert left(out) == []


def test_failed_second_run_leaves_no_manifest(raw: Raw, out: Path) -> None:
    prepare_raw(CONFIG, raw.write("folder"), out)
    (raw.folder / "images" / "3.jpg").write_bytes(b"damaged")
    with pytest.raises(PatchVAEError, match=r"3\.jpg"):
        prepare_raw(CONFIG, raw.folder, out)
    assert "manifest.json" not in left(out) and not [name for name in left(out) if "partial" in name]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_kill_leaves_no_manifest_and_no_half_file(raw: Raw, out: Path, number: signal.Signals) -> None:
    raw.write("folder")
    script = (
        "import os, signal, sys, time\n"
        "from pathlib import Path\n"
        "from raw_files import prepare_raw\n"
        "from patchvae.data import packer\n"
        "signal.signal(signal.SIGTERM, lambda *a: sys.exit(1))\n"
        "decode = packer.decode\n"
        "packer.decode = lambda *a: (os.write(1, b'begun\\n'), time.sleep(0.3), decode(*a))[-1]\n"
        f"prepare_raw({CONFIG!r}, Path({str(raw.folder)!r}), Path({str(out)!r}))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        process.send_signal(number)
        process.communicate()
    assert process.returncode != 0
    assert [name for name in left(out) if not name.startswith(".")] == []
    prepare_raw(CONFIG, raw.folder, out)
    assert [name for name in left(out) if name.startswith(".")] == []
    assert read_json(out / "manifest.json")["splits"]["train"]["count"] == 8


def packing(raw: Raw, out: Path, monkeypatch: pytest.MonkeyPatch, end: int | None = None) -> int:
    """Pack; after `end` images the process is as good as killed. Returns how many images were decoded."""
    seen = [0]

    def counted(*arguments: Any) -> np.ndarray:
        if seen[0] == end:
            raise KeyboardInterrupt  # nothing is tidied up but what a kill would leave, too
        seen[0] += 1
        return decode(*arguments)

    monkeypatch.setattr(packer, "decode", counted)
    if end is None:
        prepare_raw(CONFIG | {"max_undecodable": 1}, raw.folder, out, 1)
    else:
        with pytest.raises(KeyboardInterrupt):
            prepare_raw(CONFIG | {"max_undecodable": 1}, raw.folder, out, 1)
    return seen[0]


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.parametrize("archive", ["images.tar.gz", "folder"])
def test_packing_goes_on_after_a_kill_to_the_same_bytes(raw: Raw, tmp_path: Path, archive: str, monkeypatch) -> None:
    quiet, out = tmp_path / "quiet", tmp_path / "out"
    raw.photos["1.jpg"] = b"no image"
    raw.write(archive)
    assert packing(raw, quiet, monkeypatch) == 12
    assert packing(raw, out, monkeypatch, 3) == 3
    assert left(out) == [".packing.npz", ".test_images.npy.packing", ".train_images.npy.packing"]
    assert packing(raw, out, monkeypatch, 5) == 5
    assert packing(raw, out, monkeypatch) == 4
    assert contents(out) == contents(quiet)


def test_packing_begins_again_where_other_images_are_wanted(raw: Raw, out: Path, monkeypatch) -> None:
    raw.write("folder")
    assert packing(raw, out, monkeypatch, 6) == 6
    raw.rows["train"].reverse()
    raw.write("folder")
    assert packing(raw, out, monkeypatch) == 12
    np.testing.assert_array_equal(load_split(out, "train").images, raw.pixels("train"))
    assert [name for name in left(out) if name.startswith(".")] == []


def test_packing_begins_again_where_the_journal_is_torn(raw: Raw, out: Path, monkeypatch) -> None:
    raw.write("folder")
    packing(raw, out, monkeypatch, 6)
    content = (out / packer.JOURNAL).read_bytes()
    (out / packer.JOURNAL).write_bytes(content[: len(content) // 2])
    assert packing(raw, out, monkeypatch) == 12


def test_a_journal_is_written_while_it_is_packed(raw: Raw, out: Path, monkeypatch) -> None:
    """So that SIGKILL, which lets nothing be written, loses no more than what came after it."""
    monkeypatch.setattr(packer, "SAVE_EVERY", 0.0)
    raw.photos |= {f"x{i}.jpg": raw.photos[f"{i}.jpg"] + b"-" for i in range(12)}
    raw.rows["train"] += [(f"x{i}.jpg", "cat") for i in range(12)]
    raw.write("folder")
    copies = []
    save = packer._Packing._save
    monkeypatch.setattr(packer._Packing, "_save", lambda self: (save(self), copies.append(contents(out))))
    packing(raw, out, monkeypatch)
    whole = contents(out)
    for place in out.iterdir():
        place.unlink()
    for name, content in copies[len(copies) // 2].items():  # what SIGKILL would have left then
        (out / name).write_bytes(content)
    assert 0 < packing(raw, out, monkeypatch) < 24
    assert contents(out) == whole
