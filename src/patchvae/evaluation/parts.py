"""How well the parts of a PatchVAE find the digits of digit scenes, where every cell's content is known."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import average_precision_score, normalized_mutual_info_score
from torch import nn

from patchvae.data.packed import load_split
from patchvae.data.tensors import batches, open_array
from patchvae.errors import PatchVAEError
from patchvae.hardware import autocast
from patchvae.jobs.run import Run, start
from patchvae.models.factory import network_of
from patchvae.models.scaling import Scaling
from patchvae.params.measuring import Measured
from patchvae.pretrained import for_measuring, load_model
from patchvae.records.checkpoint import pretraining_record
from patchvae.records.results import PartsResult
from patchvae.seeding import seed_for
from patchvae.training.pretrain import estimate_statistics, seeded_model

MAX_IMAGES = 2000  # per split; every image has 16 cells
NONE = -1  # the assignment of a cell in which no part is likely

Floats = npt.NDArray[np.float32]
Scores = dict[str, Floats]  # by split: (cells, N), the higher the surer


@dataclass(frozen=True)
class Cells:
    """The cells of some digit scenes, image by image and row by row."""

    images: npt.NDArray[np.uint8]  # (n, S, S, 3)
    grid: int
    patches: Floats  # (cells, 3 (S/grid)^2) in [0, 1]
    occupied: npt.NDArray[np.bool_]  # (cells,): any digit
    repeated: npt.NDArray[np.bool_]  # (cells,): the digit that four cells show, which is the class
    digits: npt.NDArray[np.int64]  # (cells,): the class, which is the cell's digit where `repeated`


def read_cells(data: Path, split: str) -> Cells:
    """The first MAX_IMAGES scenes of a split, cut along the grid of its occurrence maps.

    The maps show the repeated digit only. The cells with any digit are those that are not flat.
    Raises PatchVAEError for a data set without such maps, or with a flat cell where a map shows a digit.
    """
    opened = load_split(data, split)
    if opened.occurrence is None:
        raise PatchVAEError(f"{data} has no {split}_occurrence.npy: only digit scenes tell where their parts are")
    images, truth = np.array(opened.images[:MAX_IMAGES]), opened.occurrence[:MAX_IMAGES]
    count, size, grid = len(images), images.shape[1], truth.shape[1]
    if truth.shape[1:] != (grid, grid) or size % grid:
        raise PatchVAEError(f"{data}/{split}_occurrence.npy: no grid of cells for images of side {size}: {truth.shape}")
    side = size // grid
    pixels = images.reshape(count, grid, side, grid, side, 3).swapaxes(2, 3).reshape(-1, side * side, 3)
    occupied = (pixels != pixels[:, :1]).any(axis=(1, 2))
    repeated = truth.reshape(-1) == 1
    if (repeated & ~occupied).any():
        raise PatchVAEError(f"{data}/{split}_occurrence.npy has a digit in a flat cell")
    return Cells(
        images=images,
        grid=grid,
        patches=pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255),
        occupied=occupied,
        repeated=repeated,
        digits=np.repeat(opened.labels[:count], grid * grid),
    )


@torch.no_grad()
def logits_of_cells(run: Run, model: nn.Module, cells: Cells) -> Floats:
    """Logits of Q^O, (cells, N). Many probabilities would be rounded to 1 and tie.

    Raises PatchVAEError when the model's grid is not that of the cells.
    """
    scaling = Scaling(run.config.input_scaling, run.device)
    found = []
    for batch in batches(cells.images, run.device):
        with autocast(run.device, run.precision):
            logits = model.encoder(scaling(batch)).occurrence_logits  # type: ignore[operator]
        if logits.shape[2:] != (cells.grid, cells.grid):
            grids = f"{tuple(logits.shape[2:])}, that of {run.data} is {(cells.grid, cells.grid)}"
            raise PatchVAEError(f"model: the occurrence grid of {run.config.variant} is {grids}")
        found.append(logits.permute(0, 2, 3, 1).flatten(0, 2).float().cpu().numpy())
    return np.concatenate(found)


def cluster_scores(train: Floats, test: Floats, clusters: int, seed: int) -> Scores:
    """Minus the distance to each centre, (cells, N), of a k-means fitted on the training patches (cells, D)."""
    # scikit-learn takes seeds of 32 bits
    means = KMeans(clusters, n_init=10, random_state=seed_for(seed, "k-means") % 2**32).fit(train)
    return {"train": -means.transform(train), "test": -means.transform(test)}


def best_part_precision(
    train: Floats, train_truth: npt.NDArray[np.bool_], test: Floats, test_truth: npt.NDArray[np.bool_]
) -> float:
    """Average precision on test cells of the one column of scores (cells, N) that is best on the training cells.

    Chance is the share of true cells: 6/16 for `occupied`, 4/16 for `repeated`.
    """
    on_train = [average_precision_score(train_truth, column) for column in train.T]
    return float(average_precision_score(test_truth, test[:, int(np.argmax(on_train))]))


def assign(logits: Floats) -> npt.NDArray[np.int64]:
    """The likeliest part of each cell, (cells, N) -> (cells,), or NONE where no part has a probability above 1/2.

    As in Sec. 3.2 a part is there or not: where none fires, differences of logits mean nothing.
    """
    return np.where(logits.max(axis=1) > 0, logits.argmax(axis=1), NONE)


def score(scores: Scores, assignment: npt.NDArray[np.int64], train: Cells, test: Cells) -> dict[str, float]:
    """`ap_occupied`, `ap_repeated`, `nmi`, each in [0, 1], of scores of both splits and of the test cells' assignment.

    nmi: normalised mutual information (by the arithmetic mean of the entropies) between assignment and digit, over the
    test cells whose digit is known.
    """
    known = test.repeated
    return {
        "ap_occupied": best_part_precision(scores["train"], train.occupied, scores["test"], test.occupied),
        "ap_repeated": best_part_precision(scores["train"], train.repeated, scores["test"], test.repeated),
        "nmi": float(normalized_mutual_info_score(test.digits[known], assignment[known])),
    }


def trivial(scores: Mapping[str, npt.NDArray[Any]], train: Cells, test: Cells) -> dict[str, float | None]:
    """The precisions of one score per cell, (cells,) by split; it knows no digits and has no `nmi`."""
    columns = {split: values.astype(np.float32)[:, None] for split, values in scores.items()}
    return {**score(columns, np.full(len(test.digits), NONE), train, test), "nmi": None}


def score_parts(
    config: Measured,
    data: Path,
    checkpoint: Path,
    metrics: Path,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Score the parts of one pretrained PatchVAE against the truth of digit scenes and write the metrics.

    Beside `trained` there are two controls: `untrained`, the same model at its initial weights with BatchNorm
    statistics of the training images, and `kmeans`, as many clusters of raw patches. k-means assigns one of N clusters
    to every cell, a PatchVAE one of N parts or none. Parts and clusters are picked on the training split and scored on
    the test split. Two scores are trivial: `deviation`, the standard deviation of a cell's values, and `occupied`,
    which knows the cells with a digit and nothing else.

    data: packed digit scenes; checkpoint: a pretraining checkpoint of a PatchVAE. Raises PatchVAEError for broken
    inputs, and for a model whose grid is not that of the data.
    """
    run = start("parts", __name__, config, data, device, threads, "patchvae")
    trained, pretrained = load_model(checkpoint, config, ("patchvae",), run.device)
    block = pretrained["config"]["model"]
    untrained = seeded_model(network_of(block), config.image_size, config.seed)
    # Without them, most of the difference to a trained model would be normalisation.
    estimate_statistics(untrained, open_array(data / "train_images.npy", run.device), run)
    untrained = for_measuring(untrained, run.device)
    train, test = (read_cells(data, split) for split in ("train", "test"))
    splits = {"train": train, "test": test}
    began = time.perf_counter()
    record: dict[str, Any] = {"pretraining": pretraining_record(pretrained), "split": "test", "count": len(test.images)}
    for name, model in (("trained", trained), ("untrained", untrained)):
        logits = {split: logits_of_cells(run, model, cells) for split, cells in splits.items()}
        record[name] = score(logits, assign(logits["test"]), train, test)
    clusters = cluster_scores(train.patches, test.patches, pretrained["config"]["model"]["num_parts"], config.seed)
    record["kmeans"] = score(clusters, clusters["test"].argmax(axis=1), train, test)
    record["deviation"] = trivial({split: cells.patches.std(axis=1) for split, cells in splits.items()}, train, test)
    record["occupied"] = trivial({split: cells.occupied for split, cells in splits.items()}, train, test)
    run.finish(PartsResult, metrics, record, time.perf_counter() - began, len(train.images) + len(test.images))
