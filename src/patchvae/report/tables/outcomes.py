"""Fine-tunings under every head, and which test images each got right, for the table of claims."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patchvae.evaluation.bits import unpacked_bits
from patchvae.params.types import Name, Regime, RowName, Some
from patchvae.report.tables.config import Selected
from patchvae.report.tables.finetunings import CELL, accuracies
from patchvae.report.tables.metrics import Row, agreed, collect


def right_images(content: Row) -> np.ndarray | None:
    """Which test images were classified right at the last epoch, as booleans (count,) in the order `bits.BY_DIGEST`.

    None where that was not recorded.
    Raises ValueError unless they are the packed bits of all images and agree with `top1.last`.
    """
    if "right" not in content:
        return None
    right, count = unpacked_bits(content["right"], content["count"]), content["count"]
    said = round(content["top1"]["last"] * count / 100)
    if right.sum() != said:
        raise ValueError(f"right holds {right.sum()} images, but top1.last says {said}")
    return right


def outcomes(select: str) -> Callable[[Row], Iterator[Row]]:
    """A reader for `collect`: a row whose value is the top-1 accuracy at the epoch that `select` names.

    `right` is that of `right_images` if this is the last epoch, else None.
    """
    read_accuracies = accuracies(["top1"], select, None)

    def rows(content: Row) -> Iterator[Row]:
        for row in read_accuracies(content):
            right = right_images(content)
            yield {**row, "right": right if select == "last" else None}

    return rows


class Claims(Selected):
    datasets: Some[Name]
    variants: Some[RowName]
    regimes: Some[Regime]
    heads: Some[Name]


def collect_outcomes(config: Mapping[str, Any], files: Sequence[Path | str]) -> pd.DataFrame:
    """The outcome of every fine-tuning that was run; config: run, seeds, select, datasets, variants, regimes, heads.

    Raises PatchVAEError for a wrong or doubled file, for none at all, and for files of one data set with other test
    images or another number of epochs.
    """
    lists = ("variants", "datasets", "regimes", "heads", "seeds")
    expected = list(itertools.product(*(config[key] for key in lists)))
    frame = collect(files, {"finetune": outcomes(config["select"])}, CELL, expected, partial=True)
    for dataset, rows in frame.groupby("dataset"):
        agreed(rows, "epochs", f"epochs of fine-tuning on {dataset}")
        agreed(rows, "test_images", f"test images of {dataset}")
    return frame
