"""Figures: what is shown, and that the same input gives the same bytes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from patchvae.data.packed import PackedSplit, write_packed
from patchvae.errors import PatchVAEError
from patchvae.models.factory import build_model, network_of
from patchvae.params.configs import check_config
from patchvae.records import checkpoint
from patchvae.records.digests import DIGESTS
from patchvae.report.figures import appearance_swap, gallery, occurrence_maps, teaser
from patchvae.report.figures.occurrence_maps import draw_occurrence_maps
from patchvae.report.figures.survey import Survey
from patchvae.report.figures.weight_masks import draw_weight_masks, stretch

CONFIG = {"patch_size": 8, "per_channel": True, "normalise": "mean-one", "rows": 3}
MODEL = {
    "name": "patchvae",
    "backbone": "resnet9",
    "init": "kaiming",
    "num_parts": 3,
    "part_dim": 2,
    "occurrence_prior": "1/N",
    "occurrence_kl": "sum",
    "hard_occurrence": False,
    "detach_occurrence": True,
    "beta_app": 1.0,
    "beta_occ": 1.0,
    "temperature": {"start": 1.0, "rate": 0.0, "floor": 0.1, "schedule": "exponential", "interval": 1},
}
DRAWN = {
    "dataset": "tiny",
    "stand_in": False,
    "variant": "patchvae",
    "seed": 0,
    "image_size": 32,
    "input_scaling": "symmetric",
    "precision": "fp32",
    "rows": 2,
    "crop_cells": 2,
    "max_images": 20,
}


def drawn(**changes: Any) -> Any:
    return check_config("figure_parts", DRAWN | changes)


@pytest.fixture
def images() -> Any:
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)


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


def test_occurrence_maps(images: Any, shown: list[Any], tmp_path: Path) -> None:
    probabilities = np.random.default_rng(1).random((8, 4, 4, 4), dtype=np.float32) * np.float32(0.5)
    probabilities[:, 2] *= 2
    first, second = both(tmp_path / "new", "a"), both(tmp_path / "new", "b")
    draw_occurrence_maps(images, probabilities, 2).save(*first)
    draw_occurrence_maps(images, probabilities, 2).save(*second)
    check_files(first, second)
    pictures, labels = shown[0]
    assert len(pictures) == 2 * 6
    assert labels[0] == "part 2"
    image = int(probabilities[:, 2].max(axis=(1, 2)).argmax())
    assert np.array_equal(pictures[0], images[image])
    # Grey levels are the probabilities themselves.
    assert np.array_equal(pictures[1], probabilities[image, 2])


def test_teaser(shown: list[Any], tmp_path: Path) -> None:
    images = np.arange(30, dtype=np.uint8).repeat(32 * 32 * 3).reshape(30, 32, 32, 3)
    peak = np.tile(np.linspace(-1, 1, 20, dtype=np.float32)[:, None], 2)
    peak[3, 0] = 2  # the strongest of part 0, and the one that is shown
    peak[:, 1] *= -1
    zeros = np.zeros((2, 4, 4))
    seen = Survey(
        images, np.arange(20) + 10, peak, np.zeros((20, 2), np.int64), np.full((20, 2), 0.1, np.float32), zeros, zeros
    )
    assert teaser.most_local(seen, 0) == 3
    probabilities = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4)
    teaser.draw_teaser(seen, 3, probabilities, [0, 1], 2).save(*both(tmp_path, "a"))
    pictures, texts = shown[0]
    assert texts == ["image", "map of part 0", "crops of part 0", "part 1"]
    assert np.array_equal(pictures[0], images[13])
    assert np.array_equal(pictures[1], probabilities)
    # Strongest first, the shown image (10 + 3) not among them.
    assert [crop[0, 0, 0] for crop in pictures[2:]] == [*range(29, 13, -1), *range(10, 13), *range(14, 20)]
    assert {crop.shape for crop in pictures[2:]} == {(16, 16, 3)}


def test_most_local_image_of_the_strongest() -> None:
    zeros = np.zeros((1, 4, 4))
    peak = np.linspace(1, 0, 100, dtype=np.float32)[:, None]
    coverage = np.full((100, 1), 0.5, np.float32)
    coverage[4], coverage[5] = 0.1, 0.0  # the sixth is no longer among the strongest twentieth
    images = np.zeros((100, 8, 8, 3), np.uint8)
    seen = Survey(images, np.arange(100), peak, np.zeros((100, 1), np.int64), coverage, zeros, zeros)
    assert teaser.most_local(seen, 0) == 4


def test_gallery(shown: list[Any], tmp_path: Path) -> None:
    images = np.arange(20, dtype=np.uint8).repeat(32 * 32 * 3).reshape(20, 32, 32, 3)
    labels = np.repeat([0, -1, 1, 0], 5)
    peak = np.arange(10, dtype=np.float32)[:, None]
    zeros = np.zeros((1, 4, 4))
    # Every second image was looked at: labels 0 0 0 -1 -1 1 1 1 0 0.
    cell, coverage = np.zeros((10, 1), np.int64), np.zeros((10, 1), np.float32)
    seen = Survey(images, np.arange(0, 20, 2), peak, cell, coverage, zeros, zeros)
    gallery.draw_gallery(seen, labels, ["sea_lion", "oak"], [0], 2).save(*both(tmp_path, "a"))
    pictures, texts = shown[0]
    assert texts == ["part\n0", "sea lion", "oak"]
    assert [crop[0, 0, 0] for crop in pictures] == [18, 16, 4, 2, 14, 12, 10]


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("great_white_shark", "great white s…"),
        ("pickup_truck", "pickup truck"),
        ("tench, Tinca tinca", "tench"),
        ("abcdefghijklmn", "abcdefghijklmn"),
        ("abcdefghijkl mno", "abcdefghijkl…"),
    ],
)
def test_readable_class_names(name: str, heading: str) -> None:
    assert gallery.class_heading(name) == heading


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Path, Path]:
    """A packed data set of three classes and the checkpoint of a PatchVAE with random weights."""
    return packed(tmp_path), saved(tmp_path, MODEL)


def saved(folder: Path, model: dict[str, Any], variant: str = "patchvae") -> Path:
    torch.manual_seed(0)
    identity = {key: DRAWN[key] for key in checkpoint.IDENTITY} | {"variant": variant}
    weights = build_model(network_of(model), 32).state_dict()
    content = {"model": weights, "config": {**identity, "model": model}, "snapshots": {}, "steps": 1, "game": None}
    content |= {"code_sha256": "c" * 64, **{key: {"train": "d" * 64} for key in DIGESTS}}
    checkpoint.save(folder / "model.pt", content)
    return folder / "model.pt"


def packed(folder: Path) -> Path:
    generator = np.random.default_rng(0)
    splits = {
        split: PackedSplit(generator.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8), np.arange(24) % 3)
        for split in ("train", "test")
    }
    write_packed(folder / "data", "tiny", "cifar100", ["a", "b", "c"], splits, {})
    return folder / "data"


@pytest.mark.parametrize(
    ("figure", "pictures"),
    [(teaser, 2 + 16 + 2 * 9), (occurrence_maps, 2 * 6), (gallery, 2 * 3 * 4), (appearance_swap, 2 + 3 * 4)],
)
def test_from_a_checkpoint(
    figure: Any, pictures: int, trained: tuple[Path, Path], shown: list[Any], tmp_path: Path
) -> None:
    first, second = both(tmp_path / "new", "a"), both(tmp_path / "new", "b")
    figure.draw(drawn(), *trained, *first)
    figure.draw(drawn(), *trained, *second)
    check_files(first, second)
    assert len(shown[0][0]) == pictures


@pytest.mark.parametrize("figure", [teaser, occurrence_maps, gallery, appearance_swap])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dataset": "small"}, "model.pt is of another model: its dataset"),
        ({"seed": 1}, "model.pt is of another model: its seed"),
        ({"image_size": 64}, "model.pt is of another model: its image_size"),
        ({"input_scaling": "imagenet"}, "model.pt is of another model: its input_scaling"),
        ({"variant": "patchvae+lw"}, "model.pt is of another model: its variant"),
    ],
)
def test_wrong_models(
    figure: Any, change: dict[str, Any], message: str, trained: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(PatchVAEError, match=message):
        figure.draw(drawn(**change), *trained, *both(tmp_path / "new", "a"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("figure", [teaser, occurrence_maps, gallery, appearance_swap])
def test_a_variant_without_parts(figure: Any, trained: tuple[Path, Path], tmp_path: Path) -> None:
    model = {"name": "beta-vae", "backbone": "resnet9", "init": "kaiming", "latent_dim": 8, "beta": 1.0}
    path = saved(tmp_path, model, "beta-vae+lw")
    with pytest.raises(PatchVAEError, match=r"beta-vae\+lw is a beta-vae, this needs a patchvae"):
        figure.draw(drawn(variant="beta-vae+lw"), trained[0], path, *both(tmp_path / "new", "a"))
    assert not (tmp_path / "new").exists()


def test_a_swap_needs_two_images(trained: tuple[Path, Path], tmp_path: Path) -> None:
    config = drawn().model_copy(update={"max_images": 1})
    with pytest.raises(PatchVAEError, match="at least two test images"):
        appearance_swap.draw(config, *trained, *both(tmp_path / "new", "a"))
    assert not (tmp_path / "new").exists()
