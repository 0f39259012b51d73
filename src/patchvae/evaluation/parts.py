"""How well the parts of a PatchVAE find the digits of digit scenes, whose cells have a true content each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans
from sklearn.metrics import average_precision_score, normalized_mutual_info_score
from torch import Tensor, nn

from patchvae.errors import PatchVAEError
from patchvae.evaluation.occurrence import occurrence_logits, with_statistics
from patchvae.hardware import Place
from patchvae.models.patchvae import PatchVAE
from patchvae.params.measuring import Measured
from patchvae.pretrained import for_measuring
from patchvae.seeding import seed_for

MAX_IMAGES = 2000  # per split; every image has 16 cells
NONE = -1  # the assignment of a cell in which no part is likely

Floats = npt.NDArray[np.float32]
Bools = npt.NDArray[np.bool_]
Scores = dict[str, Floats]  # by split: (cells, N), the higher the surer


@dataclass(frozen=True)
class Cells:
    """The cells of some digit scenes, image by image and row by row."""

    images: npt.NDArray[np.uint8]  # (n, S, S, 3)
    grid: int
    patches: Floats  # (cells, 3 (S/grid)^2) in [0, 1]
    occupied: Bools  # (cells,): any digit
    repeated: Bools  # (cells,): the digit that four cells show, which is the class
    digits: npt.NDArray[np.int64]  # (cells,): the class, which is the cell's digit where `repeated`


def cells_of(images: npt.NDArray[np.uint8], digits: npt.NDArray[np.int64], truth: npt.NDArray[np.uint8]) -> Cells:
    """The first MAX_IMAGES scenes (n, S, S, 3), with their classes (n,), cut along the grid of their true maps.

    The maps, truth (n, grid, grid), show the repeated digit only. The cells with any digit are those that are not flat.
    Raises PatchVAEError, whose sentence lacks the file of the maps, for other maps, and for a digit in a flat cell.
    """
    images, truth = np.array(images[:MAX_IMAGES]), truth[:MAX_IMAGES]
    count, size, grid = len(images), images.shape[1], truth.shape[1]
    if truth.shape[1:] != (grid, grid) or size % grid:
        raise PatchVAEError(f"no grid of cells for images of side {size}: {truth.shape}")
    side = size // grid
    pixels = images.reshape(count, grid, side, grid, side, 3).swapaxes(2, 3).reshape(-1, side * side, 3)
    occupied = (pixels != pixels[:, :1]).any(axis=(1, 2))
    repeated = truth.reshape(-1) == 1
    if (repeated & ~occupied).any():
        raise PatchVAEError("a digit in a flat cell")
    return Cells(
        images=images,
        grid=grid,
        patches=pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255),
        occupied=occupied,
        repeated=repeated,
        digits=np.repeat(digits[:count], grid * grid),
    )


def logits_of_cells(model: nn.Module, cells: Cells, config: Measured, on: Place) -> Floats:
    """Logits of Q^O, (cells, N). Many probabilities would be rounded to 1 and tie.

    Raises PatchVAEError when the model's grid is not that of the cells.
    """
    logits = occurrence_logits(model.get_submodule("encoder"), cells.images, config.input_scaling, on)
    if logits.shape[2:] != (cells.grid, cells.grid):
        grids = f"{tuple(logits.shape[2:])}, that of the scenes is {(cells.grid, cells.grid)}"
        raise PatchVAEError(f"model: the occurrence grid of {config.variant} is {grids}")
    return logits.permute(0, 2, 3, 1).flatten(0, 2).numpy()


def cluster_scores(train: Floats, test: Floats, clusters: int, seed: int) -> Scores:
    """Minus the distance to each centre, (cells, N), of a k-means fitted on the training patches (cells, D)."""
    # scikit-learn takes seeds of 32 bits
    means = KMeans(clusters, n_init=10, random_state=seed_for(seed, "k-means") % 2**32).fit(train)
    return {"train": -means.transform(train), "test": -means.transform(test)}


def best_part_precision(train: Floats, train_truth: Bools, test: Floats, test_truth: Bools) -> float:
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
    test cells with the repeated digit, which is the label.
    """
    labelled = test.repeated
    return {
        "ap_occupied": best_part_precision(scores["train"], train.occupied, scores["test"], test.occupied),
        "ap_repeated": best_part_precision(scores["train"], train.repeated, scores["test"], test.repeated),
        "nmi": float(normalized_mutual_info_score(test.digits[labelled], assignment[labelled])),
    }


def trivial(scores: Mapping[str, npt.NDArray[Any]], train: Cells, test: Cells) -> dict[str, float | None]:
    """The precisions of one score per cell, (cells,) by split; it is the same for all digits, so it has no `nmi`."""
    columns = {split: values.astype(np.float32)[:, None] for split, values in scores.items()}
    return {**score(columns, np.full(len(test.digits), NONE), train, test), "nmi": None}


def measure(config: Measured, model: PatchVAE, scenes: dict[str, Cells], pixels: Tensor, on: Place) -> dict[str, Any]:
    """Score the parts of one pretrained PatchVAE against the truth of digit scenes; returns what is recorded.

    Beside `trained` there are two controls: `untrained`, the same model at its initial weights with BatchNorm
    statistics of the training images, and `kmeans`, as many clusters of raw patches. k-means assigns one of N clusters
    to every cell, a PatchVAE one of N parts or none. Parts and clusters are picked on the training split and scored on
    the test split. Two scores are trivial: `deviation`, the standard deviation of a cell's values, and `occupied`,
    which is 1 for a cell with a digit and 0 for a flat one.

    scenes: of `train` and `test`; pixels: all training images (n, S, S, 3).
    Raises PatchVAEError for a model whose grid is not that of the scenes.
    """
    train, test = scenes["train"], scenes["test"]
    untrained = with_statistics(model.config, config.seed, pixels, config, on)
    record: dict[str, Any] = {"count": len(test.images)}
    for name, one in (("trained", for_measuring(model, on.device)), ("untrained", untrained)):
        logits = {split: logits_of_cells(one, cells, config, on) for split, cells in scenes.items()}
        record[name] = score(logits, assign(logits["test"]), train, test)
    clusters = cluster_scores(train.patches, test.patches, model.config.num_parts, config.seed)
    record["kmeans"] = score(clusters, clusters["test"].argmax(axis=1), train, test)
    record["deviation"] = trivial({split: cells.patches.std(axis=1) for split, cells in scenes.items()}, train, test)
    record["occupied"] = trivial({split: cells.occupied for split, cells in scenes.items()}, train, test)
    return record
