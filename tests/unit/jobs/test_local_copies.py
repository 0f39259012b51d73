"""Packed data are copied to a disk of the machine once, checked and read there; without room they are read in place."""

import os
import shutil
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from job_files import packed_files, write_job

import patchvae
from patchvae.cli import main
from patchvae.data.masks import write_masks
from patchvae.data.packed import PackedSplit, load_array, write_packed
from patchvae.files import read_json
from patchvae.jobs.local_copies import FOLDER, local_data, local_masks


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A packed data set with weight masks in its folder `masks`."""
    folder = tmp_path / "shared" / "squares"
    generator = np.random.default_rng(0)
    images = generator.integers(0, 255, (16, 32, 32, 3), dtype=np.uint8)
    split = PackedSplit(images, np.arange(16) % 2, generator.integers(0, 2, (16, 4, 4), dtype=np.uint8))
    write_packed(folder, "squares", "digit-scenes", ["a", "b"], {"train": split, "test": split}, {})
    config = {"image_size": 32, "patch_size": 8, "per_channel": True, "normalise": "mean-one"}
    write_masks(config, folder / "train_images.npy", folder / "masks" / "train.npy")
    return folder


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(FOLDER, str(tmp_path / "disk" / "mine"))
    return tmp_path / "disk" / "mine"


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_data_and_masks_are_copied_once(data: Path, disk: Path) -> None:
    copy, masks = local_data(data), local_masks(data / "masks" / "train.npy")
    assert masks is not None and copy.parent == masks.parent.parent == disk
    assert names(copy) == {path.name for path in data.iterdir() if path.is_file()}
    assert names(masks.parent) == {"train.npy", "manifest.json"}
    for name in names(copy):
        assert (copy / name).read_bytes() == (data / name).read_bytes()
    before = [path.stat().st_ino for path in sorted(disk.rglob("*"))]
    assert (local_data(data), local_masks(data / "masks" / "train.npy")) == (copy, masks)
    assert [path.stat().st_ino for path in sorted(disk.rglob("*"))] == before


def test_nothing_is_copied_unasked(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    masks = data / "masks" / "train.npy"
    assert (local_data(data), local_masks(masks)) == (data, masks)
    monkeypatch.setenv(FOLDER, "")
    assert local_data(data) == data


def test_a_truncated_copy_is_made_again_and_other_data_get_their_own(data: Path, disk: Path) -> None:
    copy = local_data(data)
    with open(copy / "train_images.npy", "rb+") as stream:
        stream.truncate(500)
    (disk / f"{copy.name}.partial").mkdir()  # of a killed job
    assert local_data(data) == copy and len(load_array(copy / "train_images.npy")) == 16
    (copy / "train_labels.npy").unlink()
    assert local_data(data) == copy and (copy / "train_labels.npy").exists()
    split = PackedSplit(np.zeros((4, 32, 32, 3), np.uint8), np.arange(4) % 2)
    write_packed(data, "squares", "digit-scenes", ["a", "b"], {"train": split, "test": split}, {})
    other = local_data(data)
    assert other not in (copy, data) and len(load_array(other / "train_images.npy")) == 4
    assert not list(disk.glob("*.partial"))


def test_without_room_the_data_are_read_where_they_are(data: Path, disk: Path, monkeypatch, caplog) -> None:
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1000))
    assert local_data(data) == data
    (said,) = caplog.messages
    assert said == f"{data} is read where it is: no copy in {disk} (it takes 0.0 GB, and 0.0 GB are free)"
    assert not list(disk.glob("*.partial")) and not list(disk.glob("*/"))


def test_a_disk_that_fills_up_leaves_nothing_behind(data: Path, disk: Path, monkeypatch, caplog) -> None:
    copy = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", lambda source, target: copy(source, "/dev/full"))
    assert local_data(data) == data
    assert caplog.messages == [f"{data} is read where it is: no copy in {disk} (No space left on device)"]
    assert not list(disk.glob("*.partial")) and not list(disk.glob("*/"))


def test_a_folder_that_cannot_be_made_is_told(data: Path, tmp_path: Path, monkeypatch, caplog) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(FOLDER, str(tmp_path / "file" / "below"))
    assert local_data(data) == data
    assert "Not a directory" in caplog.text


def test_altered_data_are_not_copied(data: Path, disk: Path, caplog) -> None:
    content = bytearray((data / "train_images.npy").read_bytes())
    content[-1] ^= 1
    (data / "train_images.npy").write_bytes(content)
    assert local_data(data) == data
    assert "train_images.npy has another content than manifest.json says" in caplog.text


def test_jobs_that_begin_together_copy_once(data: Path, disk: Path) -> None:
    code = """
import shutil, sys, time
from pathlib import Path
from patchvae.jobs import local_copies
copy = shutil.copyfile
def slow(source, target):
    print("copies", target.name, flush=True)
    time.sleep(0.1)
    return copy(source, target)
shutil.copyfile = slow
print(local_copies.local_data(Path(sys.argv[1])))
"""
    env = os.environ | {"PYTHONPATH": str(Path(patchvae.__file__).parents[1])}
    command = [sys.executable, "-c", code, str(data)]
    jobs = [subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [job.communicate(timeout=100)[0].splitlines() for job in jobs]
    assert sorted(map(len, said)) == [1, 1, 1 + 7]
    assert len({lines[-1] for lines in said}) == 1


def test_a_training_reads_the_copies(data: Path, disk: Path, tmp_path: Path, monkeypatch, params) -> None:
    from patchvae.plan.settings import resolve

    config = resolve(params, "pretrain", {"dataset": "digits", "variant": "patchvae+lw", "seed": 0})
    config |= {"epochs": 1, "batch_size": 8, "snapshots": []}
    read = []
    load = np.load
    monkeypatch.setattr(np, "load", lambda path, **how: (read.append(Path(path)), load(path, **how))[1])
    monkeypatch.chdir(tmp_path)
    Path("data/packed").mkdir(parents=True)
    Path("data/packed/digits").symlink_to(data, target_is_directory=True)
    files = packed_files("data/packed/digits")
    inputs = {"data": files, "masks": f"{data}/masks/train.npy", "masks_manifest": f"{data}/masks/manifest.json"}
    path = write_job("pretrain", config, inputs, {"checkpoint": "model.pt", "metrics": "pretrain.json"})
    metrics = []
    for place in ("", str(disk)):
        monkeypatch.setenv(FOLDER, place)
        shutil.rmtree("scratch", ignore_errors=True)
        read.clear()
        assert main(["run", str(path), "--device", "cpu", "--threads", "1"]) == 0
        assert all(path.is_relative_to(disk) == bool(place) for path in read) and len(read) > 3
        metrics.append(read_json("pretrain.json"))
    for key in ("checkpoint_sha256", "history", "data_sha256", "masks_sha256"):
        assert metrics[0][key] == metrics[1][key]
