"""Whether the parts of a PatchVAE are what the paper says, shared and meaningful regions: measured on photographs.

No data set labels the parts of photographs, so a part is measured by its information about the image's label, by how
alike the regions are where it occurs most, and by whether it occurs at all. Each number stands beside those of controls
that have learned nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor, nn

from patchvae.data.crops import crop
from patchvae.data.superclasses import superclasses
from patchvae.data.tensors import BATCH, batches
from patchvae.evaluation.frozen import FrozenFeatures
from patchvae.evaluation.information import Information, equal_count_bins, information
from patchvae.evaluation.occurrence import occurrence_logits, with_statistics
from patchvae.evaluation.part_measures import DEAD, DISTANCES, METHODS, OCCURS, SPACES
from patchvae.evaluation.ridge import inverse_deviation
from patchvae.hardware import Place
from patchvae.params.measuring import RealParts
from patchvae.params.model_kinds import PatchVAENetwork
from patchvae.pretrained import for_measuring
from patchvae.seeding import seed_for
from patchvae.training.labelled import Labelled

FITTED = 20_000  # training images with a crop each that k-means is fitted to
RANDOM_SETS = 20  # of random crops, for the distance that all others are divided by
SHOWN = 8  # crops of a part that the metrics name, for a figure

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]
Images = npt.NDArray[np.uint8]
Grid = tuple[int, int]


class Occurrence(NamedTuple):
    """Where N parts occur in n images, each (n, N, cells), the cells counted row by row."""

    scores: Floats  # the higher the surer; many probabilities are rounded to 1 and tie
    probabilities: Floats

    def coverage(self) -> Floats:
        """The share of an image in which a part is expected to occur, (n, N): its probability, averaged over cells."""
        return self.probabilities.mean(axis=2)

    def share(self) -> Floats:
        """The share of all cells in which a part occurs, (N,)."""
        return (self.probabilities > OCCURS).mean(axis=(0, 2))

    def strongest(self, count: int) -> Ints:
        """The cells where each part is surest, one per image, (N, count, 2): image and cell, best first."""
        peak, cell = self.scores.max(axis=2), self.scores.argmax(axis=2)
        images = np.argsort(-peak, axis=0, kind="stable")[:count].T
        return np.stack([images, np.take_along_axis(cell.T, images, axis=1)], axis=2)


def occurrence_of(logits: Tensor) -> Occurrence:
    """The occurrence of parts by the logits of their maps (n, N, h, w)."""
    scores = logits.flatten(2)
    return Occurrence(scores.numpy(), scores.sigmoid().numpy())


def cut(images: Images, places: Ints, grid: Grid, crop_cells: float) -> Images:
    """The crops (k, s, s, 3) around places (k, 2), each an image and a cell."""
    return np.stack([crop(images[image], int(cell), grid, crop_cells) for image, cell in places])


def random_places(images: int, cells: int, count: int, generator: np.random.Generator) -> Ints:
    """Random cells, one per image, (count, 2)."""
    return np.stack([generator.choice(images, count, replace=False), generator.integers(cells, size=count)], axis=1)


def kmeans_scores(fitted: Images, images: Images, grid: Grid, crop_cells: float, clusters: int, seed: int) -> Floats:
    """Minus the distance of each cell's crop to each centre, (n, clusters, cells), of a k-means on crops (m, s, s, 3).

    Each cell's crop is the one that is shown and compared; it is of the nearest cluster.
    """

    def flat(crops: Images) -> Floats:
        return crops.reshape(len(crops), -1).astype(np.float32) / np.float32(255)

    # scikit-learn takes seeds of 32 bits
    means = KMeans(clusters, n_init=5, random_state=seed_for(seed, "k-means") % 2**32).fit(flat(fitted))
    cells = grid[0] * grid[1]
    found = []
    for first in range(0, len(images), BATCH):
        batch = images[first : first + BATCH]
        places = np.array([(image, cell) for image in range(len(batch)) for cell in range(cells)])
        distances = means.transform(flat(cut(batch, places, grid, crop_cells)))
        found.append(-distances.reshape(len(batch), cells, clusters).transpose(0, 2, 1).astype(np.float32))
    return np.concatenate(found)


def one_hot(scores: Floats) -> Floats:
    """The best of each cell's clusters as a probability of 1: (n, N, cells), of equal ones the first."""
    return (np.arange(scores.shape[1])[:, None] == scores.argmax(axis=1)[:, None]).astype(np.float32)


class Ruler:
    """Distances between crops of a set by the features of one phi, over those between random crops of the same images.

    The features are those of the linear probe: averaged to a grid, then standardised over all random crops.
    """

    def __init__(self, features_of: FrozenFeatures, sets: Sequence[Images]) -> None:
        """sets: of random crops, each as many as are compared."""
        self.features_of = features_of
        features = self.features(np.concatenate(list(sets)))
        variance, self.mean = features.var(dim=0, unbiased=False), features.mean(dim=0)
        self.scale = inverse_deviation(variance, self.mean)
        distances = np.stack([self.distances(crops) for crops in sets])
        self.unit = distances.mean(axis=0)
        self.error = distances.std(axis=0, ddof=1) / self.unit

    def features(self, crops: Images) -> Tensor:
        """Crops (k, s, s, 3) -> (k, D) in float64, on the CPU."""
        return torch.cat([self.features_of(batch).cpu() for batch in batches(crops, self.features_of.on.device)])

    def distances(self, crops: Images) -> Floats:
        """The mean distance between two of the crops (k, s, s, 3) by each of DISTANCES.

        `euclidean` grows with the length of the features, so with the contrast of a crop; `cosine`, one minus the
        cosine of the angle between two features, does not depend on it.
        """
        features = (self.features(crops) - self.mean) * self.scale
        angles = F.normalize(features) @ F.normalize(features).T
        pairs = len(crops) * (len(crops) - 1)
        cosine = 1 - (angles.sum() - angles.trace()) / pairs
        return np.array([float(torch.pdist(features).mean()), float(cosine)])

    def __call__(self, crops: Images) -> dict[str, float]:
        """By distance: 1 where crops are as unlike as random ones, 0 where all are the same."""
        return named(self.distances(crops) / self.unit)

    def record(self) -> dict[str, dict[str, float]]:
        """Of random crops: their distance, and its deviation from one set to the next, as a share of it."""
        return {"distance": named(self.unit), "error": named(self.error)}


def named(values: Floats) -> dict[str, float]:
    """Values in the order of DISTANCES by their names."""
    return dict(zip(DISTANCES, map(float, values), strict=True))


class Measures(NamedTuple):
    """What every method is measured with: the images (n, S, S, 3) and their labels by kind, (n,) each."""

    config: RealParts
    images: Images
    labels: Mapping[str, Ints]
    orders: Ints  # permutations of the images, (P, n)
    grid: Grid
    rulers: Mapping[str, Ruler]

    def record(self, found: Occurrence) -> dict[str, Any]:
        """The parts of one method, one by one, and the mean information of all and of those that are not dead."""
        bins = equal_count_bins(found.coverage(), self.config.bins)
        by_kind = {kind: information(bins, labels, self.orders) for kind, labels in self.labels.items()}
        share, cells = found.share(), self.grid[0] * self.grid[1]
        places = found.strongest(min(self.config.crops, len(self.images)))
        parts = []
        for part, strongest in enumerate(places):
            crops = cut(self.images, strongest, self.grid, self.config.crop_cells)
            probabilities = found.probabilities[:, part].astype(np.float64)
            parts.append(
                {
                    "dead": bool(share[part] < DEAD),
                    "share": float(share[part]),
                    "probability": float(probabilities.mean()),
                    "deviation": float(probabilities.std()),
                    **{kind: one.record([part]) for kind, one in by_kind.items()},
                    "distance": {name: ruler(crops) for name, ruler in self.rulers.items()},
                    "strongest": [int(image) * cells + int(cell) for image, cell in strongest[:SHOWN]],
                }
            )
        every, live = range(len(parts)), [part for part, one in enumerate(parts) if not one["dead"]]
        return {"parts": parts, "mean": {"all": means(by_kind, [*every]), "live": means(by_kind, live)}}


def means(by_kind: Mapping[str, Information], parts: list[int]) -> dict[str, Any] | None:
    """The mean information of some parts by kind of label; None without a part."""
    return {kind: one.record(parts) for kind, one in by_kind.items()} if parts else None


def measure(
    config: RealParts,
    encoder: nn.Module,
    network: PatchVAENetwork,
    reference: nn.Module,
    data: Labelled,
    format: str,
    classes: Sequence[str],
    on: Place,
) -> dict[str, Any]:
    """Measure the parts of one PatchVAE on the test images of a labelled data set, beside controls.

    For each part: the share of cells in which its probability is above OCCURS, and whether that makes it dead; the
    mutual information of its occurrence in an image with the class and the superclass, less its mean under permuted
    labels; and the distance between the crops where it is surest, over that between random crops. Occurrence in an
    image is its `coverage` in bins of equal count: only the order counts, so no method gains by the scale of its
    probabilities.

    `untrained` is the same model at its initial weights with BatchNorm statistics of the training images; `kmeans` as
    many clusters of raw crops, where each cell's crop is of one cluster; `shuffled` the model's own maps, dealt out
    among the images. Distances are taken in the features of two phi that are not the PatchVAE's: `pretrained`, that of
    the reference, and `random`, one at the initial weights of another seed, so that it is not the untrained model's.

    encoder: the PatchVAE's; network: its settings; reference: a phi; format, classes: of the data set, by which it has
    superclasses or not. Returns what is recorded.
    """
    training, images = (data.images[split].cpu().numpy() for split in ("train", "test"))
    labels = data.labels["test"].cpu().numpy()
    untrained, random = (
        with_statistics(network, seed, data.images["train"], config, on)
        for seed in (config.seed, seed_for(config.seed, "space"))
    )
    logits, fresh = (
        occurrence_logits(one, images, config.input_scaling, on)
        for one in (for_measuring(encoder, on.device), untrained.encoder)
    )
    grid = (logits.shape[2], logits.shape[3])
    cells, count = grid[0] * grid[1], min(config.crops, len(images))

    generator = np.random.default_rng(seed_for(config.seed, "real parts"))
    orders = np.stack([generator.permutation(len(images)) for _ in range(config.permutations)])
    dealt = generator.permutation(len(images))
    fitted = random_places(len(training), cells, min(FITTED, len(training)), generator)
    sets = [
        cut(images, random_places(len(images), cells, count, generator), grid, config.crop_cells)
        for _ in range(RANDOM_SETS)
    ]
    rulers = {
        name: Ruler(FrozenFeatures(phi, config.input_scaling, config.pool, on), sets)
        for name, phi in zip(SPACES, (reference, random.encoder.backbone), strict=True)
    }
    of_class = superclasses(format, classes)
    by_kind = {"class": labels} | ({} if of_class is None else {"superclass": of_class[labels]})
    measures = Measures(config, images, by_kind, orders, grid, rulers)
    trained, crops = occurrence_of(logits), cut(training, fitted, grid, config.crop_cells)
    clusters = kmeans_scores(crops, images, grid, config.crop_cells, network.num_parts, config.seed)
    found = {
        "trained": trained,
        "untrained": occurrence_of(fresh),
        "kmeans": Occurrence(clusters, one_hot(clusters)),
        "shuffled": Occurrence(trained.scores[dealt], trained.probabilities[dealt]),
    }
    return {
        "grid": list(grid),
        "random_crops": {name: ruler.record() for name, ruler in rulers.items()},
        **{name: measures.record(found[name]) for name in METHODS},
    }
