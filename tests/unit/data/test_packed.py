import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patchvae.data import packed
from patchvae.data.packed import (
    PackedSplit,
    array_rows,
    check_arrays,
    load_array,
    load_manifest,
    load_split,
    save_array,
    write_packed,
)
from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json

CLASSES = ["cat", "dog"]


def split(count: int, occurrence: bool = False) -> PackedSplit:
    rng = np.random.default_rng(count)
    return PackedSplit(
        images=rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8),
        labels=np.arange(count, dtype=np.int64) % 2,
        occurrence=np.ones((count, 4, 4), dtype=np.uint8) if occurrence else None,
    )


def write(out: Path, **changes: Any) -> dict[str, PackedSplit]:
    """Write two splits of 6 and 4 images, fields of the training split replaced."""
    splits = {"train": replace(split(6), **changes), "test": split(4)}
    write_packed(out, "pets", "cifar100", CLASSES, splits, {"a.tar": "md5:1"})
    return splits


def rows(data: PackedSplit) -> Iterator[tuple[Any, Any]]:
    return zip(data.images, data.labels, strict=True)


def test_round_trip(tmp_path: Path) -> None:
    splits = write(tmp_path)
    for name, data in splits.items():
        loaded = load_split(tmp_path, name)
        np.testing.assert_array_equal(loaded.images, data.images)
        np.testing.assert_array_equal(loaded.labels, data.labels)
        assert loaded.occurrence is None
        assert isinstance(loaded.images, np.memmap) and not loaded.images.flags.writeable
        assert loaded.labels.dtype == np.int64
    digest = hashlib.sha256((tmp_path / "train_images.npy").read_bytes()).hexdigest()
    manifest = load_manifest(tmp_path)
    labels = hashlib.sha256((tmp_path / "train_labels.npy").read_bytes()).hexdigest()
    each = [
        hashlib.sha256(image.tobytes() + int(label).to_bytes(8, "little")) for image, label in rows(splits["train"])
    ]
    digests = [image.digest() for image in each]
    assert manifest["splits"]["train"] == {
        "count": 6,
        "labelled": 6,
        "sha256": digest,
        "labels_sha256": labels,
        "set_sha256": hashlib.sha256(b"".join(sorted(digests))).hexdigest(),
        "order_sha256": hashlib.sha256(b"".join(digests)).hexdigest(),
    }
    assert {key: manifest[key] for key in ("dataset", "classes", "image_size", "source")} == {
        "dataset": "pets",
        "classes": CLASSES,
        "image_size": 8,
        "source": {"a.tar": "md5:1"},
    }


def test_training_images_may_lack_a_label_and_test_images_may_not(tmp_path: Path) -> None:
    write(tmp_path, labels=np.array([0, 1, -1, -1, 0, -1]))
    assert load_manifest(tmp_path)["splits"]["train"]["labelled"] == 3
    assert load_split(tmp_path, "train").labels.tolist() == [0, 1, -1, -1, 0, -1]
    unlabelled = replace(split(4), labels=np.array([0, 1, -1, 1]))
    with pytest.raises(PatchVAEError, match=r"pets \(test\): the label -1 is outside"):
        write_packed(tmp_path, "pets", "cifar100", CLASSES, {"train": split(6), "test": unlabelled}, {})


def test_rows_in_any_order_make_the_same_file(tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (7, 4, 3), dtype=np.uint8)
    with array_rows(tmp_path / "a.npy", array.shape, np.uint8) as writer:
        for row in (3, 0, 6, 2, 1, 5, 4):
            writer.write(row, array[row : row + 1])
        writer.finish(7)
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


@pytest.mark.parametrize("missing", [[], [0], [6], [2, 3], [5, 0, 6], range(7)])
def test_missing_rows_leave_no_gap(tmp_path: Path, missing: Sequence[int]) -> None:
    array = np.random.default_rng(0).integers(0, 256, (7, 4, 3), dtype=np.uint8)
    with array_rows(tmp_path / "a.npy", array.shape, np.uint8) as writer:
        for row in set(range(7)) - set(missing):
            writer.write(row, array[row : row + 1])
        writer.finish(7, missing)
    np.save(tmp_path / "b.npy", np.delete(array, list(missing), axis=0))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()


def test_occurrence_is_kept(tmp_path: Path) -> None:
    write_packed(tmp_path, "d", "digit-scenes", CLASSES, {"train": split(6, True), "test": split(4, True)}, {})
    occurrence = load_split(tmp_path, "train").occurrence
    assert occurrence is not None and occurrence.shape == (6, 4, 4) and occurrence.all()


def test_file_is_a_plain_npy(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float16).reshape(3, 4).T  # not contiguous
    save_array(tmp_path / "a.npy", array)
    np.save(tmp_path / "b.npy", np.ascontiguousarray(array))
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    np.testing.assert_array_equal(load_array(tmp_path / "a.npy"), array)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.array([0, 1, 0, 1, 2, 1])}, "label 2 is outside the 2 classes"),
        ({"labels": np.array([0, 1, 0, 1, -2, 1])}, "label -2 is outside"),
        ({"labels": np.zeros(6, dtype=np.int64)}, "class dog has no image"),
        ({"labels": np.array([0, 0, -1, -1, -1, -1])}, "class dog has no image"),
    ],
)
def test_wrong_labels_are_not_written(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchVAEError, match=rf"pets \(train\).*{message}"):
        write(tmp_path, **changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("file", ["manifest.json", "test_images.npy", "test_labels.npy"])
def test_missing_file(tmp_path: Path, file: str) -> None:
    write(tmp_path)
    (tmp_path / file).unlink()
    with pytest.raises(PatchVAEError, match=file):
        load_split(tmp_path, "test")


@pytest.mark.parametrize("keep", [0, 50, 400])
def test_truncated_images(tmp_path: Path, keep: int) -> None:
    write(tmp_path)
    path = tmp_path / "train_images.npy"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(PatchVAEError, match=str(path)):
        load_split(tmp_path, "train")


def test_images_of_another_size(tmp_path: Path) -> None:
    write(tmp_path)
    save_array(tmp_path / "train_images.npy", np.zeros((5, 8, 8, 3), dtype=np.uint8))
    with pytest.raises(PatchVAEError, match=r"train_images.npy holds uint8 \(5, 8, 8, 3\), not uint8 \(6, 8, 8, 3\)"):
        load_split(tmp_path, "train")


@pytest.mark.parametrize("key", ["classes", "splits"])
def test_manifest_without_a_key(tmp_path: Path, key: str) -> None:
    write(tmp_path)
    manifest = read_json(tmp_path / "manifest.json")
    del manifest[key]
    write_json(tmp_path / "manifest.json", manifest)
    with pytest.raises(PatchVAEError, match=f"manifest.json lacks {key}, "):
        load_split(tmp_path, "train")


def test_manifest_without_a_split(tmp_path: Path) -> None:
    write(tmp_path)
    manifest = read_json(tmp_path / "manifest.json")
    del manifest["splits"]["test"]["count"]
    write_json(tmp_path / "manifest.json", manifest)
    with pytest.raises(PatchVAEError, match="manifest.json lacks.* test"):
        load_manifest(tmp_path)


@pytest.mark.usefixtures("full_disk")
def test_full_disk_leaves_no_manifest_and_no_half_array(tmp_path: Path) -> None:
    write(tmp_path)
    with pytest.raises(PatchVAEError, match="cannot write .*train_images.npy: File too large"):
        write(tmp_path, images=np.zeros((500, 8, 8, 3), dtype=np.uint8), labels=np.arange(500) % 2)
    assert not (tmp_path / "manifest.json").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    with pytest.raises(PatchVAEError, match="manifest.json"):
        load_split(tmp_path, "train")


def test_manifest_vouches_for_every_array(tmp_path: Path) -> None:
    splits = {"train": split(6, True), "test": split(4, True)}
    write_packed(tmp_path, "d", "digit-scenes", CLASSES, splits, {})
    manifest = load_manifest(tmp_path)
    assert manifest["ignored"] == {}
    for name in ("train", "test"):
        for what in ("labels", "occurrence"):
            digest = hashlib.sha256((tmp_path / f"{name}_{what}.npy").read_bytes()).hexdigest()
            assert manifest["splits"][name][f"{what}_sha256"] == digest


def test_occurrence_of_an_earlier_data_set_does_not_stay(tmp_path: Path) -> None:
    write_packed(tmp_path, "d", "digit-scenes", CLASSES, {"train": split(6, True), "test": split(4, True)}, {})
    write(tmp_path)
    assert load_split(tmp_path, "train").occurrence is None and not list(tmp_path.glob("*occurrence*"))


@pytest.mark.parametrize("key", ["labels_sha256", "set_sha256", "order_sha256"])
def test_manifest_of_an_older_version(tmp_path: Path, key: str) -> None:
    write(tmp_path)
    manifest = read_json(tmp_path / "manifest.json")
    del manifest["splits"]["train"][key]
    write_json(tmp_path / "manifest.json", manifest)
    again = f"pack the data set again with `snakemake --force {tmp_path}/manifest.json`"
    with pytest.raises(
        PatchVAEError, match=f"manifest.json lacks {key} of train, as it is broken or of an older version: {again}"
    ):
        load_manifest(tmp_path)


@pytest.mark.parametrize("splits", [None, [], {"train": 1, "test": 2}, "train test"])
def test_manifest_with_broken_splits(tmp_path: Path, splits: Any) -> None:
    write(tmp_path)
    write_json(tmp_path / "manifest.json", read_json(tmp_path / "manifest.json") | {"splits": splits})
    with pytest.raises(PatchVAEError, match=r"manifest\.json lacks"):
        load_manifest(tmp_path)


SCENES = split(6, True)
TOUCHED: dict[str, tuple[str, Any, str]] = {
    "fewer images": ("images", SCENES.images[:5], r"holds uint8 \(5, 8, 8, 3\), not uint8 \(6, 8, 8, 3\)"),
    "smaller images": ("images", SCENES.images[:, :4, :4], r"holds uint8 \(6, 4, 4, 3\)"),
    "images of another type": ("images", SCENES.images / 2, r"holds float64 \(6, 8, 8, 3\), not uint8"),
    "fewer labels": ("labels", SCENES.labels[:5], r"holds int64 \(5,\), not int64 \(6,\)"),
    "labels of another type": ("labels", SCENES.labels.astype(np.int32), r"holds int32 \(6,\), not int64"),
    "other labels": ("labels", SCENES.labels[::-1], "has another content than .*manifest.json says"),
    "one label": ("labels", np.array([1]), r"holds int64 \(1,\), not int64 \(6,\)"),
    "fewer maps": ("occurrence", np.ones((5, 4, 4), np.uint8), r"holds uint8 \(5, 4, 4\), not uint8 \(6,\)"),
    "larger maps": ("occurrence", np.ones((6, 8, 8), np.uint8), "has another content"),
    "maps of another type": ("occurrence", np.ones((6, 4, 4)), "holds float64"),
    "no images": ("images", None, "cannot read"),
    "no labels": ("labels", None, "cannot read"),
    "no maps": ("occurrence", None, "cannot read"),
}


@pytest.mark.parametrize("what", TOUCHED)
def test_arrays_that_are_not_the_manifests(tmp_path: Path, what: str) -> None:
    write_packed(tmp_path, "d", "digit-scenes", CLASSES, {"train": SCENES, "test": split(4, True)}, {})
    manifest = load_manifest(tmp_path)
    check_arrays(tmp_path, "train", manifest)
    file, array, message = TOUCHED[what]
    path = tmp_path / f"train_{file}.npy"
    if array is None:
        path.unlink()
    else:
        save_array(path, array)
    for check in (lambda: check_arrays(tmp_path, "train", manifest), lambda: load_split(tmp_path, "train")):
        with pytest.raises(PatchVAEError, match=f"{path}.*{message}|{message} {path}"):
            check()
    check_arrays(tmp_path, "test", manifest)


def test_images_of_another_content_are_refused_where_reading_them_is_quick(tmp_path: Path, monkeypatch: Any) -> None:
    write(tmp_path)
    path = tmp_path / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-8] + b"another!")
    with pytest.raises(PatchVAEError, match=r"train_images\.npy has another content than .*manifest\.json says"):
        check_arrays(tmp_path, "train", load_manifest(tmp_path))
    monkeypatch.setattr(packed, "HASHED", 100)  # so many bytes would cost every job a pass over the data set
    check_arrays(tmp_path, "train", load_manifest(tmp_path))
