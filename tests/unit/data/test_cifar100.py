"""CIFAR-100's reader, through `prepare`."""

import os
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from raw_files import prepare_raw

from patchvae.data.checksums import checksum
from patchvae.data.packed import load_manifest, load_split
from patchvae.data.sources import fetch
from patchvae.errors import PatchVAEError

Batches = dict[str, Any]
Maker = Callable[[Batches], Path]
NAME = "cifar-100-python.tar.gz"
CONFIG = {
    "dataset": "cifar100",
    "format": "cifar100",
    "image_size": 32,
    "num_classes": 4,
    "sources": [NAME],
}


def test_packs_pixels_labels_and_names(tmp_path: Path, cifar_batches: Batches, cifar_archive: Maker) -> None:
    prepare_raw(CONFIG, cifar_archive(cifar_batches).parent, tmp_path / "out")
    for split, count in (("train", 12), ("test", 8)):
        data, rows = load_split(tmp_path / "out", split), cifar_batches[split][b"data"]
        assert data.images.shape == (count, 32, 32, 3)
        np.testing.assert_array_equal(data.labels, cifar_batches[split][b"fine_labels"])
        for channel, y, x in ((0, 0, 0), (1, 2, 3), (2, 31, 30)):
            np.testing.assert_array_equal(data.images[:, y, x, channel], rows[:, channel * 1024 + y * 32 + x])
    manifest = load_manifest(tmp_path / "out")
    assert manifest["classes"] == ["apple", "bear", "clock", "dolphin"]
    assert manifest["source"] == {NAME: checksum(tmp_path / "archives" / NAME)}


@pytest.mark.parametrize("below", ["", "cifar-100-python"])
def test_extracted_folder_in_place_of_the_archive(
    tmp_path: Path, cifar_batches: Batches, cifar_archive: Maker, below: str
) -> None:
    prepare_raw(CONFIG, cifar_archive(cifar_batches).parent, tmp_path / "out")
    with tarfile.open(tmp_path / "archives" / NAME) as tar:
        tar.extractall(tmp_path / "extracted", filter="data")
    fetch(NAME, str(tmp_path / "extracted" / below), "unverified", tmp_path / "raw" / NAME)
    prepare_raw(CONFIG, tmp_path / "raw", tmp_path / "again")
    for file in ("train_images.npy", "test_labels.npy"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "out" / file).read_bytes()


def test_python_2_and_numpy_1_names(tmp_path: Path, cifar_batches: Batches, cifar_archive: Maker) -> None:
    """The official file names numpy.core, and its strings are Python 2's 8-bit ones."""
    old = {}
    for name, batch in cifar_batches.items():
        old[name] = pickle.dumps(batch, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    old["meta"] = b"}U\x10fine_label_names](U\x05appleU\x04bearU\x05clockU\x07dolphines."
    assert b"numpy.core.multiarray" in old["train"] and b"_core" not in old["train"]
    prepare_raw(CONFIG, cifar_archive(old).parent, tmp_path / "out")
    np.testing.assert_array_equal(load_split(tmp_path / "out", "test").labels, [0, 1, 2, 3] * 2)
    assert load_manifest(tmp_path / "out")["classes"][0] == "apple"


def test_pickle_that_asks_for_anything_else_is_refused(
    tmp_path: Path, cifar_batches: Batches, cifar_archive: Maker
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "evil"),)

    archive = cifar_archive(cifar_batches | {"train": Evil()})
    with pytest.raises(PatchVAEError, match="cifar-100-python/train in .*mkdir"):
        prepare_raw(CONFIG, archive.parent, tmp_path / "out")
    assert not (tmp_path / "evil").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("member", ["train", "test", "meta"])
def test_missing_member(tmp_path: Path, cifar_batches: Batches, cifar_archive: Maker, member: str) -> None:
    del cifar_batches[member]
    with pytest.raises(PatchVAEError, match=f"has no file cifar-100-python/{member}"):
        prepare_raw(CONFIG, cifar_archive(cifar_batches).parent, tmp_path / "out")


BAD_MEMBERS = [
    ("train", b"not a pickle", "cannot unpickle"),
    ("train", [1], "is not a pickled dictionary"),
    ("meta", {}, "no list of fine_label_names"),
    ("meta", {b"fine_label_names": [1]}, "no list of fine_label_names"),
    ("test", {b"data": np.zeros((4, 3072), np.uint8)}, "no list of 4 fine_labels"),
    ("test", {b"data": np.zeros((4, 3072), np.uint8), b"fine_labels": [0, 1]}, "no list of 4 fine_labels"),
    ("test", {b"data": np.zeros((2, 3072), np.uint8), b"fine_labels": ["a", "b"]}, "no list of 2 fine_labels"),
    ("test", {b"data": np.zeros((4, 3071), np.uint8), b"fine_labels": [0] * 4}, "no uint8 data with 3072"),
    ("test", {b"data": np.zeros((4, 3072)), b"fine_labels": [0] * 4}, "no uint8 data"),
    ("test", {b"fine_labels": [0]}, "no uint8 data"),
]


@pytest.mark.parametrize(("member", "content", "message"), BAD_MEMBERS)
def test_bad_member(
    tmp_path: Path, cifar_batches: Batches, cifar_archive: Maker, member: str, content: Any, message: str
) -> None:
    archive = cifar_archive(cifar_batches | {member: content})
    with pytest.raises(PatchVAEError, match=f"cifar-100-python/{member} in {archive}.*{message}|{message}.*{archive}"):
        prepare_raw(CONFIG, archive.parent, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [([0, 1, 2, 3, 4], r"\(test\): the label 4 is outside"), ([0, 1, 3, 0, 1], r"\(test\): the class clock")],
)
def test_bad_labels(
    tmp_path: Path, cifar_batches: Batches, cifar_archive: Maker, labels: list[int], message: str
) -> None:
    cifar_batches["test"] = {b"data": np.zeros((5, 3072), np.uint8), b"fine_labels": labels}
    with pytest.raises(PatchVAEError, match=message):
        prepare_raw(CONFIG, cifar_archive(cifar_batches).parent, tmp_path / "out")


def test_another_number_of_classes(tmp_path: Path, cifar_batches: Batches, cifar_archive: Maker) -> None:
    with pytest.raises(PatchVAEError, match="num_classes of cifar100 is 100, its files say 4"):
        prepare_raw(CONFIG | {"num_classes": 100}, cifar_archive(cifar_batches).parent, tmp_path / "out")
    assert not (tmp_path / "out").exists()
