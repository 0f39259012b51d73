import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from patchvae.data.digits import read_digit_scenes
from patchvae.data.packed import PackedSplit, load_manifest, load_split
from patchvae.data.prepare import prepare
from patchvae.errors import PatchVAEError

CONFIG: dict[str, Any] = {
    "dataset": "digit-scenes",
    "format": "digit-scenes",
    "image_size": 32,
    "num_classes": 10,
    "train_images": 300,
    "test_images": 100,
    "seed": 0,
}


@pytest.fixture(scope="module")
def splits() -> dict[str, PackedSplit]:
    return read_digit_scenes(CONFIG).splits


def cells(data: PackedSplit) -> np.ndarray:
    """The images as (n, 16, 8, 8, 3)."""
    n = len(data.images)
    return data.images.reshape(n, 4, 8, 4, 8, 3).transpose(0, 1, 3, 2, 4, 5).reshape(n, 16, 8, 8, 3)


def test_four_cells_hold_one_scan_two_others_differ_ten_are_background(splits: dict[str, PackedSplit]) -> None:
    for data in splits.values():
        assert data.occurrence is not None
        for scene, where in zip(cells(data), data.occurrence.reshape(-1, 16), strict=True):
            repeated = scene[where == 1]
            assert len(repeated) == 4 and (repeated == repeated[0]).all()
            spread = scene.reshape(16, 64, 3).astype(int).max(1) - scene.reshape(16, 64, 3).min(1)
            inked = spread.max(-1) > 0
            assert inked[where == 1].all() and inked.sum() == 6
            others = scene[inked & (where == 0)]
            assert len(others) == 2 and len({r.tobytes() for r in (others[0], others[1], repeated[0])}) == 3


def test_scenes_of_32_pixels_are_those_of_the_published_results(splits: dict[str, PackedSplit]) -> None:
    images = splits["train"].images.tobytes() + splits["test"].images.tobytes()
    assert hashlib.sha256(images).hexdigest() == "9c764b86b77dfc9fbbdfcc54dc3c04557c2b039afeab5334f64f8157c1e28ffa"


@pytest.mark.parametrize("blocks", [2, 3])
def test_larger_scenes_hold_as_many_digits_per_area(blocks: int) -> None:
    config = CONFIG | {"image_size": 32 * blocks, "train_images": 40, "test_images": 20}
    data = read_digit_scenes(config).splits["train"]
    grid = 4 * blocks
    assert data.images.shape == (40, 32 * blocks, 32 * blocks, 3)
    assert data.occurrence is not None and data.occurrence.shape == (40, grid, grid)
    scenes = data.images.reshape(40, grid, 8, grid, 8, 3).transpose(0, 1, 3, 2, 4, 5).reshape(40, grid * grid, 64, 3)
    for scene, where in zip(scenes, data.occurrence.reshape(40, -1), strict=True):
        repeated = scene[where == 1]
        assert len(repeated) == 4 * blocks**2 and (repeated == repeated[0]).all()
        inked = (scene.max(1).astype(int) - scene.min(1)).max(-1) > 0
        others = scene[inked & (where == 0)]
        assert len(others) == 2 * blocks**2
        assert len({other.tobytes() for other in others} - {repeated[0].tobytes()}) > len(others) / 2


def test_class_is_the_digit_that_repeats_and_distractors_are_two_other_digits(splits: dict[str, PackedSplit]) -> None:
    """Every cell is traced back to a real scan by its ink, background 0 and digit colour 16."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    used: dict[str, set[int]] = {}
    for name, data in splits.items():
        assert data.occurrence is not None
        used[name] = set()
        for i, scene in enumerate(cells(data).astype(float)):
            background, colour = scene.reshape(-1, 3).min(0), scene.reshape(-1, 3).max(0)
            ink = ((scene - background) / (colour - background)).mean(-1) * 16
            shown = []
            for cell in np.flatnonzero(ink.max((1, 2)) > 1):
                distance = np.abs(digits.images - ink[cell]).max((1, 2))
                assert distance.min() < 0.51
                used[name].add(int(distance.argmin()))
                shown.append((int(digits.target[distance.argmin()]), int(data.occurrence[i].flat[cell])))
            assert [digit for digit, own in shown if own] == [data.labels[i]] * 4
            assert len({digit for digit, own in shown if not own} - {data.labels[i]}) == 2
    assert len(used["train"]) > 300 and not used["train"] & used["test"]


def test_background_is_dark_and_colour_bright_and_both_vary(splits: dict[str, PackedSplit]) -> None:
    images = splits["train"].images.reshape(300, -1, 3)
    assert images.min(1).max() < 64 and images.max(1).min() >= 128
    assert len(np.unique(images.min(1), axis=0)) > 250 and len(np.unique(images.max(1), axis=0)) > 250


def test_classes_are_balanced_and_not_in_order(splits: dict[str, PackedSplit]) -> None:
    labels = splits["train"].labels
    assert np.bincount(labels).tolist() == [30] * 10
    assert not np.array_equal(labels, np.arange(300) % 10)


def test_seed_decides_everything_and_sizes_do_not_interfere(splits: dict[str, PackedSplit]) -> None:
    def digest(data: PackedSplit) -> str:
        return hashlib.sha256(data.images.tobytes() + data.labels.tobytes()).hexdigest()

    again = read_digit_scenes(CONFIG | {"train_images": 50}).splits
    other = read_digit_scenes(CONFIG | {"seed": 1}).splits
    assert digest(again["test"]) == digest(splits["test"]) != digest(other["test"])
    assert digest(splits["train"]) != digest(other["train"])


def test_prepare_keeps_the_occurrence(tmp_path: Path, splits: dict[str, PackedSplit]) -> None:
    prepare(CONFIG, None, None, tmp_path)
    loaded = load_split(tmp_path, "test")
    assert loaded.occurrence is not None and splits["test"].occurrence is not None
    np.testing.assert_array_equal(loaded.occurrence, splits["test"].occurrence)
    manifest = load_manifest(tmp_path)
    assert manifest["classes"] == list("0123456789") and manifest["source"] == {}
    assert "occurrence_sha256" in manifest["splits"]["train"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_classes": 9}, "num_classes of digit-scenes is 9, its files say 10"),
        ({"test_images": 9}, r"digit-scenes \(test\): the class 9 has no image"),
    ],
)
def test_bad_config(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchVAEError, match=message):
        prepare(CONFIG | changes, None, None, tmp_path / "out")
    assert not (tmp_path / "out").exists()
