"""What the figures are picked from: where parts fire, which parts say something, which square is cut out."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from patchvae.models.patchvae import Posterior
from patchvae.report.figures.gallery import strongest_classes
from patchvae.report.figures.occurrence_maps import strongest_images
from patchvae.report.figures.survey import (
    Survey,
    crop,
    crops,
    distinct_parts,
    informative_parts,
    ranked,
    spread,
    survey,
)


class Bright:
    """A stand-in for a PatchVAE: a part per colour, whose logit is the colour's mean over 8 x 8 pixels in [-1, 1]."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def encoder(self, images: Tensor) -> Posterior:
        self.batches.append(len(images))
        return Posterior(F.avg_pool2d(images, 8), torch.zeros(0), torch.zeros(0))


def lit(cells: list[tuple[int, int, int]]) -> Any:
    """Black images (32, 32, 3), each with one bright cell (row, column, colour)."""
    images = np.zeros((len(cells), 32, 32, 3), dtype=np.uint8)
    for image, (row, column, colour) in zip(images, cells, strict=True):
        image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8, colour] = 255
    return images


def seen_with(peak: Any, mean: Any, variance: Any) -> Survey:
    count = peak.shape
    return Survey(
        np.zeros(0, np.uint8),
        np.arange(len(peak)),
        peak,
        np.zeros(count, np.int64),
        np.zeros(count, np.float32),
        mean,
        variance,
    )


def test_survey() -> None:
    images = lit([(0, 1, 0), (3, 3, 0), (2, 0, 1)])
    seen = survey(Bright(), images, "symmetric", 10)  # type: ignore[arg-type]
    low, high = 1 / (1 + np.e), 1 / (1 + 1 / np.e)
    assert seen.places.tolist() == [0, 1, 2]
    assert np.allclose(seen.peak, [[1, -1, -1], [1, -1, -1], [-1, 1, -1]])
    assert seen.cell[[0, 1, 2], [0, 0, 1]].tolist() == [1, 15, 8]
    assert np.allclose(seen.coverage[:, 0], [(15 * low + high) / 16] * 2 + [low])
    assert seen.mean.shape == seen.variance.shape == (3, 4, 4)
    assert np.isclose(seen.mean[0, 0, 1], (high + 2 * low) / 3)
    assert np.isclose(seen.variance[0, 0, 1], (high - low) ** 2 * 2 / 9)
    assert np.allclose(seen.variance[2], 0)


def test_survey_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    whole = survey(Bright(), images, "imagenet", 5)  # type: ignore[arg-type]
    monkeypatch.setattr("patchvae.report.figures.survey.BATCH_PIXELS", 2 * 32 * 32)
    model = Bright()
    batched = survey(model, images, "imagenet", 5)  # type: ignore[arg-type]
    assert model.batches == [2, 2, 1]
    assert batched.places.tolist() == [0, 2, 4, 6, 8]
    for one, other in zip(whole, batched, strict=True):
        assert np.allclose(one, other)


def test_spread() -> None:
    assert spread(5, 9).tolist() == [0, 1, 2, 3, 4]
    assert spread(9, 3).tolist() == [0, 4, 8]


def test_informative_parts() -> None:
    maps = np.zeros((4, 5, 2, 2), dtype=np.float32)
    maps[:, 0] = 0.5  # always the same: says nothing
    maps[:, 1, 0, 0] = 1.0  # position only: says nothing about the image
    maps[:2, 2] = 0.9  # differs between images
    maps[:2, 3], maps[2:, 3] = 0.6, 0.2  # differs less
    maps[:, 4] = [[[1.0]], [[1.0]], [[0.5]], [[0.0]]]  # differs most, but is on too often: mean 0.625
    mean, variance = maps.mean(axis=0), maps.var(axis=0)
    assert informative_parts(mean, variance, 3) == [2, 3, 0]
    assert informative_parts(mean, variance, 9) == [2, 3, 0, 1, 4]


def test_parts_that_follow_another_come_last() -> None:
    peak = np.array([[0, 0, 5, 1], [1, 2, 0, 1], [2, 4, 9, 1], [3, 6, 2, 1]], dtype=np.float32)
    mean = np.full((4, 2, 2), 0.2)
    variance = np.array([0.3, 0.4, 0.2, 0.1]).repeat(4).reshape(4, 2, 2)
    seen = seen_with(peak, mean, variance)
    # 0 is half of 1; 3 never changes and so follows none.
    assert distinct_parts(seen, 4) == [1, 2, 3, 0]
    assert distinct_parts(seen, 2) == [1, 2]
    assert distinct_parts(seen_with(peak[:, :1], mean[:1], variance[:1]), 5) == [0]


def test_images_with_a_part_everywhere_rank_last() -> None:
    peak, coverage = np.array([9, 1, 3, 2], np.float32), np.array([0.9, 0.1, 0.1, 0.1], np.float32)
    assert ranked(peak, coverage).tolist() == [2, 3, 1, 0]


@pytest.mark.parametrize(
    ("cell", "cells", "top", "left", "side"),
    [
        (5, 2, 4, 4, 16),  # row 1, column 1: centred on pixel 12
        (0, 2, 0, 0, 16),  # would begin at -4
        (3, 2, 0, 16, 16),  # would end at 36
        (15, 2, 16, 16, 16),
        (13, 1, 24, 8, 8),
        (6, 1.5, 6, 14, 12),
        (6, 3, 0, 8, 24),
        (9, 9, 0, 0, 32),  # more cells than there are: the whole image
    ],
)
def test_crop(cell: int, cells: float, top: int, left: int, side: int) -> None:
    rows, columns = np.indices((32, 32), dtype=np.uint8)
    image = np.stack([rows, columns, columns], axis=-1)
    square = crop(image, cell, (4, 4), cells)
    assert square.shape == (side, side, 3)
    assert (square[0, 0, 0], square[0, 0, 1]) == (top, left)
    assert (square[-1, -1, 0], square[-1, -1, 1]) == (top + side - 1, left + side - 1)


def test_crops_are_cut_where_the_part_fires() -> None:
    images = lit([(0, 0, 1), (0, 1, 0), (3, 3, 0)])
    seen = survey(Bright(), images, "symmetric", 2)  # type: ignore[arg-type]
    assert seen.places.tolist() == [0, 2]
    (found,) = crops(seen, 0, np.array([1]), 1)
    assert (found[..., 0] == 255).all() and not found[..., 1:].any()


def test_strongest_classes() -> None:
    labels = np.repeat(np.arange(10), 5)
    peak = np.zeros(50, dtype=np.float32)
    for label, strength in enumerate([3, 9, 4, 1, 8, 7, 6, 5, 2, 0]):
        peak[labels == label] = strength + np.arange(5) / 10
    peak[0] = 99  # one strong image makes no strong class
    labels[45:48] = -1  # class 9 has two images left, the strongest of all
    peak[45:50] = 50
    found = strongest_classes(peak, np.zeros(50, np.float32), labels)
    assert [label for label, _ in found] == [1, 4, 5, 6, 7, 2, 0]
    assert found[0][1].tolist() == [9, 8, 7, 6]
    assert found[-1][1].tolist() == [0, 4, 3, 2]
    few = strongest_classes(peak[40:], np.zeros(10, np.float32), labels[40:])
    assert [(label, rows.tolist()) for label, rows in few] == [(8, [4, 3, 2, 1]), (9, [8, 9])]


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
