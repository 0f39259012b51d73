"""Digit scenes: the embedded data set, drawn from the real handwritten digits that scikit-learn carries."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from patchvae.data.packed import PackedSet, PackedSplit

BLOCK, CELL = 32, 8  # sides in pixels; image_size is a multiple of the first
REPEATS, DISTRACTORS = 4, 2  # per block of 32 x 32 pixels
LEVELS = 16  # a scan's brightest value
TEST_SHARE = 0.2  # of each digit's scans
DARK, BRIGHT = (0, 64), (128, 256)  # ranges of a background's and a digit's colour values

IntArray = npt.NDArray[np.int64]


def read_digit_scenes(config: Mapping[str, Any], _: object = None) -> PackedSet:
    """Ten classes and two splits of `train_images` and `test_images` scenes, determined by `seed`.

    A scene of 32 x 32 pixels RGB is a 4 x 4 grid. Four cells hold one and the same scan, whose digit is the class, and
    two hold two other digits. All have one bright colour, so colour does not tell the class; the background is dark.
    Larger scenes have as many per area: at 64 x 64, 16 cells of 64 repeat the scan and 8 hold other digits.
    The splits share no scan. `occurrence` (n, S/8, S/8) is 1 where the class's digit is.
    """
    from sklearn.datasets import load_digits  # heavy, and needed here only

    blocks, bunch = config["image_size"] // BLOCK, load_digits()
    # The 1,797 scans (n, 8, 8) with values 0 to 16, and the digit each shows (n,)
    scans, digits = bunch.images.astype(np.uint16), bunch.target.astype(np.int64)
    # One stream per purpose: more training scenes do not change the test scenes.
    split_rng, train_rng, test_rng = (np.random.default_rng([config["seed"], purpose]) for purpose in range(3))
    pools: dict[str, list[IntArray]] = {"train": [], "test": []}
    for digit in range(10):
        members = split_rng.permutation(np.flatnonzero(digits == digit))
        cut = round(TEST_SHARE * len(members))
        pools["test"].append(members[:cut])
        pools["train"].append(members[cut:])
    train = _draw(train_rng, config["train_images"], blocks, scans, pools["train"])
    test = _draw(test_rng, config["test_images"], blocks, scans, pools["test"])
    return PackedSet([str(digit) for digit in range(10)], {"train": train, "test": test})


def _draw(
    rng: np.random.Generator, count: int, blocks: int, scans: npt.NDArray[np.uint16], pool: list[IntArray]
) -> PackedSplit:
    """Draw `count` scenes of `blocks` x `blocks` blocks from the scans that `pool` lists per digit; classes balance."""
    repeats, distractors = REPEATS * blocks**2, DISTRACTORS * blocks**2
    grid = blocks * BLOCK // CELL
    labels = rng.permutation(np.arange(count, dtype=np.int64) % 10)
    rows = np.arange(count)[:, None]
    # Different digits other than the class: steps 1..9 round the ring of ten digits, all nine before any again.
    rounds = [rng.permuted(np.tile(np.arange(1, 10), (count, 1)), axis=1) for _ in range(-(-distractors // 9))]
    steps = np.concatenate(rounds, axis=1)[:, :distractors]
    shown = np.concatenate([labels[:, None], (labels[:, None] + steps) % 10], axis=1)
    sizes = np.array([len(members) for members in pool])
    first = np.cumsum(sizes) - sizes
    chosen = np.concatenate(pool)[first[shown] + rng.integers(0, sizes[shown])]
    chosen = np.repeat(chosen, [repeats] + [1] * distractors, axis=1)
    cells = rng.permuted(np.tile(np.arange(grid * grid), (count, 1)), axis=1)[:, : repeats + distractors]

    ink = np.zeros((count, grid * grid, CELL, CELL), dtype=np.uint16)
    ink[rows, cells] = scans[chosen]
    ink = ink.reshape(count, grid, grid, CELL, CELL).transpose(0, 1, 3, 2, 4)
    ink = ink.reshape(count, grid * CELL, grid * CELL, 1)
    dark, bright = (rng.integers(*span, (count, 1, 1, 3), dtype=np.uint16) for span in (DARK, BRIGHT))
    images = ((dark * (LEVELS - ink) + bright * ink + LEVELS // 2) // LEVELS).astype(np.uint8)
    occurrence = np.zeros((count, grid * grid), dtype=np.uint8)
    occurrence[rows, cells[:, :repeats]] = 1
    return PackedSplit(images=images, labels=labels, occurrence=occurrence.reshape(count, grid, grid))
