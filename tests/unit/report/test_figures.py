"""Figures: what is picked, what is shown, and that the same input gives the same bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from patchvae.errors import PatchVAEError
from patchvae.report.figures import (
    draw_occurrence_maps,
    draw_weight_masks,
    informative_parts,
    stretch,
    strongest_images,
)

CONFIG = {"patch_size": 8, "per_channel": True, "normalise": "mean-one", "rows": 3}


@pytest.fixture
def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The pictures of every figure that is saved, in drawing order, and its texts."""
    record: list[Any] = []
    save = Figure.savefig

    def spy(figure: Figure, *args: Any, **kwargs: Any) -> None:
        pictures = [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]
        record.append((pictures, [text.get_text() for text in figure.texts]))
        save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", spy)
    return record


def both(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.png", folder / f"{name}.pdf"


def check_files(first: tuple[Path, Path], second: tuple[Path, Path]) -> None:
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert first[0].read_bytes().startswith(b"\x89PNG")
    assert first[1].read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("per_channel", [True, False])
def test_weight_masks(images: Any, shown: list[Any], tmp_path: Path, per_channel: bool) -> None:
    images[0] = 99  # flat: no edges, equal weights
    images[7, :, :16] = 99  # edges on the right only
    np.save(tmp_path / "images.npy", images)
    config = CONFIG | {"per_channel": per_channel}
    first, second = both(tmp_path / "new", "a"), both(tmp_path / "new", "b")
    draw_weight_masks(tmp_path / "images.npy", config, *first)
    draw_weight_masks(tmp_path / "images.npy", config, *second)
    check_files(first, second)
    pictures, labels = shown[0]
    assert len(pictures) == 4 * 3
    assert labels == ["image", "Laplacian", "weight\nmask", "mask ×\nimage"]
    # Images at equal distances: 0, 3.5 -> 4, 7.
    assert np.allclose(pictures[0], 99 / 255)
    assert np.allclose(pictures[1], images[4] / 255)
    assert not pictures[3].any()
    assert not pictures[6].any()
    laplacian, mask, product = pictures[5], pictures[8], pictures[11]
    assert all(picture.min() == 0 and picture.max() == 1 for picture in (laplacian, mask, product))
    assert not mask[:, :8].any()
    assert mask[:, 16:].min() > 0.5
    patches = mask.reshape(4, 8, 4, 8, 3)
    assert np.array_equal(patches, np.broadcast_to(patches[:, :1, :, :1], patches.shape))
    assert per_channel != np.array_equal(mask[..., 0], mask[..., 1])


def test_fewer_images_than_rows(images: Any, shown: list[Any], tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", images[:2])
    draw_weight_masks(tmp_path / "images.npy", CONFIG, *both(tmp_path, "a"))
    assert len(shown[0][0]) == 4 * 2


def test_missing_images_are_named(tmp_path: Path) -> None:
    with pytest.raises(PatchVAEError, match=r"gone\.npy"):
        draw_weight_masks(tmp_path / "gone.npy", CONFIG, *both(tmp_path, "a"))
    assert not list(tmp_path.iterdir())


def test_stretch_treats_each_picture_by_itself() -> None:
    pictures = np.array([[2, 4, 6], [7, 7, 7]], dtype=np.uint8).reshape(2, 1, 1, 3)
    assert stretch(pictures).ravel().tolist() == [0, 0.5, 1, 0, 0, 0]


def test_informative_parts() -> None:
    maps = np.zeros((4, 5, 2, 2), dtype=np.float32)
    maps[:, 0] = 0.5  # always the same: says nothing
    maps[:, 1, 0, 0] = 1.0  # position only: says nothing about the image
    maps[:2, 2] = 0.9  # differs between images
    maps[:2, 3], maps[2:, 3] = 0.6, 0.2  # differs less
    maps[:, 4] = [[[1.0]], [[1.0]], [[0.5]], [[0.0]]]  # differs most, but is on too often: mean 0.625
    assert informative_parts(maps, 3) == [2, 3, 0]
    assert informative_parts(maps, 9) == [2, 3, 0, 1, 4]


def test_strongest_images() -> None:
    images = np.zeros((100, 8, 8, 3), dtype=np.uint8)
    images[1:4] = [[[[1]]], [[[200]]], [[[100]]]]
    maps = np.zeros((100, 2, 2), dtype=np.float32)
    maps[:5, 0, 0] = [0.9, 0.8, 0.7, 0.6, 0.5]
    maps[5] = 1  # on everywhere
    # Of the five strongest (a twentieth), 1 and 4 look like 0, the strongest.
    assert strongest_images(images, maps, set()) == [0, 2, 3]
    assert strongest_images(images, maps, {0}) == [1, 2, 3]
    assert strongest_images(images[:2], maps[:2], {0, 1}) == [0, 1]


def test_occurrence_maps(images: Any, shown: list[Any], tmp_path: Path) -> None:
    probabilities = np.random.default_rng(1).random((8, 4, 4, 4), dtype=np.float32) * np.float32(0.5)
    probabilities[:, 2] *= 2
    first, second = both(tmp_path / "new", "a"), both(tmp_path / "new", "b")
    draw_occurrence_maps(images, probabilities, 2, *first)
    draw_occurrence_maps(images, probabilities, 2, *second)
    check_files(first, second)
    pictures, labels = shown[0]
    assert len(pictures) == 2 * 6
    assert labels[0] == "part 2"
    image = int(probabilities[:, 2].max(axis=(1, 2)).argmax())
    assert np.allclose(pictures[0], images[image] / 255)
    # Grey levels are the probabilities themselves.
    assert np.array_equal(pictures[1], probabilities[image, 2])
