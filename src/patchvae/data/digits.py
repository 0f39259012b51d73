"""Digit scenes: the embedded data set, drawn from the real handwritten digits that scikit-learn carries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from patchvae.data.packed import PackedSplit
from patchvae.errors import PatchVAEError

SIZE, GRID, CELL = 32, 4, 8
REPEATS, DISTRACTORS = 4, 2
LEVELS = 16  # a scan's brightest value
TEST_SHARE = 0.2  # of each digit's scans
DARK, BRIGHT = (0, 64), (128, 256)  # ranges of a background's and a digit's colour values

IntArray = npt.NDArray[np.int64]


def read_digit_scenes(config: Mapping[str, Any], raw_dir: Path | None) -> tuple[list[str], dict[str, PackedSplit]]:
    """Ten classes and two splits of `train_images` and `test_images` scenes, determined by `seed`.

    A scene is 32 x 32 RGB on a 4 x 4 grid. Four cells hold one and the same scan, whose digit is the class, and two
    hold two other digits, all in one bright colour, so that colour does not tell the class; the background is dark.
    The splits share no scan. `occurrence` (n, 4, 4) is 1 where the class's digit is.
    Raises PatchVAEError for another image_size.
    """
    if config["image_size"] != SIZE:
        raise PatchVAEError(f"image_size of {config['dataset']} must be {SIZE}, not {config['image_size']}")
    scans, digits = _load_scans()
    # One stream per purpose: more training scenes do not change the test scenes.
    split_rng, train_rng, test_rng = (np.random.default_rng([config["seed"], purpose]) for purpose in range(3))
    pools: dict[str, list[IntArray]] = {"train": [], "test": []}
    for digit in range(10):
        members = split_rng.permutation(np.flatnonzero(digits == digit))
        cut = round(TEST_SHARE * len(members))
        pools["test"].append(members[:cut])
        pools["train"].append(members[cut:])
    return [str(digit) for digit in range(10)], {
        "train": _draw(train_rng, config["train_images"], scans, pools["train"]),
        "test": _draw(test_rng, config["test_images"], scans, pools["test"]),
    }


def _load_scans() -> tuple[npt.NDArray[np.uint16], IntArray]:
    """The 1,797 scans (n, 8, 8) with values 0 to 16, and the digit each shows (n,)."""
    from sklearn.datasets import load_digits  # heavy, and needed here only

    bunch = load_digits()
    return bunch.images.astype(np.uint16), bunch.target.astype(np.int64)


def _draw(rng: np.random.Generator, count: int, scans: npt.NDArray[np.uint16], pool: list[IntArray]) -> PackedSplit:
    """Draw `count` scenes from the scans whose numbers `pool` lists per digit; the classes are balanced."""
    labels = rng.permutation(np.arange(count, dtype=np.int64) % 10)
    rows = np.arange(count)[:, None]
    # Two different digits other than the class: distinct steps 1..9 round the ring of ten digits.
    steps = rng.permuted(np.tile(np.arange(1, 10), (count, 1)), axis=1)[:, :DISTRACTORS]
    shown = np.concatenate([labels[:, None], (labels[:, None] + steps) % 10], axis=1)
    sizes = np.array([len(members) for members in pool])
    first = np.cumsum(sizes) - sizes
    chosen = np.concatenate(pool)[first[shown] + rng.integers(0, sizes[shown])]
    chosen = np.repeat(chosen, [REPEATS] + [1] * DISTRACTORS, axis=1)
    cells = rng.permuted(np.tile(np.arange(GRID * GRID), (count, 1)), axis=1)[:, : REPEATS + DISTRACTORS]

    ink = np.zeros((count, GRID * GRID, CELL, CELL), dtype=np.uint16)
    ink[rows, cells] = scans[chosen]
    ink = ink.reshape(count, GRID, GRID, CELL, CELL).transpose(0, 1, 3, 2, 4).reshape(count, SIZE, SIZE, 1)
    dark, bright = (rng.integers(*span, (count, 1, 1, 3), dtype=np.uint16) for span in (DARK, BRIGHT))
    images = ((dark * (LEVELS - ink) + bright * ink + LEVELS // 2) // LEVELS).astype(np.uint8)
    occurrence = np.zeros((count, GRID * GRID), dtype=np.uint8)
    occurrence[rows, cells[:, :REPEATS]] = 1
    return PackedSplit(images=images, labels=labels, occurrence=occurrence.reshape(count, GRID, GRID))
