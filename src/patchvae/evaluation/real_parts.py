"""Whether the parts of a PatchVAE are what the paper says, shared and meaningful regions: measured on photographs.

Nobody knows where the parts of a photograph are, so a part is measured by what it says of the label, by how alike the
regions are where it occurs most, and by whether it occurs at all. Each number stands beside those of controls that
have learned nothing.
"""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from sklearn.cluster import KMeans
from torch import Tensor, nn

from patchvae.data.crops import crop
from patchvae.data.packed import load_manifest, load_split
from patchvae.data.superclasses import superclasses
from patchvae.data.tensors import BATCH, batches, open_array
from patchvae.errors import PatchVAEError
from patchvae.evaluation.information import Information, equal_count_bins, information
from patchvae.evaluation.part_measures import DEAD, DISTANCES, METHODS, OCCURS, SPACES
from patchvae.evaluation.ridge import CONSTANT
from patchvae.hardware import autocast
from patchvae.jobs.run import Run, start
from patchvae.models.factory import network_of
from patchvae.models.resnet import Backbone
from patchvae.models.scaling import Scaling
from patchvae.models.weights import backbone_weights, load_weights
from patchvae.params.measuring import RealParts
from patchvae.pretrained import for_measuring, restored_encoder
from patchvae.records import checkpoint
from patchvae.records.results import RealPartsResult
from patchvae.seeding import seed_for
from patchvae.training.pretrain import estimate_statistics, seeded_model

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
        found: Floats = (self.probabilities > OCCURS).mean(axis=(0, 2))
        return found

    def strongest(self, count: int) -> Ints:
        """The cells where each part is surest, one per image, (N, count, 2): image and cell, best first."""
        peak, cell = self.scores.max(axis=2), self.scores.argmax(axis=2)
        images = np.argsort(-peak, axis=0, kind="stable")[:count].T
        return np.stack([images, np.take_along_axis(cell.T, images, axis=1)], axis=2)


@torch.no_grad()
def occurrence(run: Run, encoder: nn.Module, images: Images) -> tuple[Occurrence, Grid]:
    """Of the parts of an encoder in images (n, S, S, 3), and the grid of its maps."""
    scaling = Scaling(run.config.input_scaling, run.device)
    found, grid = [], (0, 0)
    for batch in batches(images, run.device):
        with autocast(run.device, run.precision):
            logits = encoder(scaling(batch)).occurrence_logits
        grid = tuple(logits.shape[2:])
        found.append(logits.flatten(2).float().cpu())
    scores = torch.cat(found)
    return Occurrence(scores.numpy(), scores.sigmoid().numpy()), grid


def cut(images: Images, places: Ints, grid: Grid, crop_cells: float) -> Images:
    """The crops (k, s, s, 3) around places (k, 2), each an image and a cell."""
    return np.stack([crop(images[image], int(cell), grid, crop_cells) for image, cell in places])


def random_places(images: int, cells: int, count: int, generator: np.random.Generator) -> Ints:
    """Random cells, one per image, (count, 2)."""
    return np.stack(
        [generator.choice(images, count, replace=False), generator.integers(cells, size=count)], axis=1
    ).astype(np.int64)


def cluster_occurrence(
    fitted: Images, images: Images, grid: Grid, crop_cells: float, clusters: int, seed: int
) -> Floats:
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
    best: Floats = (np.arange(scores.shape[1])[:, None] == scores.argmax(axis=1)[:, None]).astype(np.float32)
    return best


class Space:
    """The features of crops under one phi, as the linear probe has them: averaged to a grid, then standardised."""

    def __init__(self, run: Run, phi: nn.Module, pool: int) -> None:
        self.run, self.pool, self.phi = run, pool, for_measuring(phi, run.device)
        self.scaling = Scaling(run.config.input_scaling, run.device)
        self.mean, self.scale = torch.zeros(()), torch.ones(())

    @torch.no_grad()
    def features(self, crops: Images) -> Tensor:
        """Crops (k, s, s, 3) -> (k, D) in float64."""
        found = []
        for batch in batches(crops, self.run.device):
            with autocast(self.run.device, self.run.precision):
                maps = self.phi(self.scaling(batch)).float()
            side = min(self.pool, *maps.shape[2:])
            found.append(F.adaptive_avg_pool2d(maps, side).flatten(1).double().cpu())
        return (torch.cat(found) - self.mean) * self.scale

    def standardise(self, crops: Images) -> None:
        """Make the features of these crops have mean 0 and deviation 1; a constant one becomes 0."""
        features = self.features(crops)
        variance, self.mean = features.var(dim=0, unbiased=False), features.mean(dim=0)
        varies = variance > CONSTANT**2 * (variance + self.mean**2)
        self.scale = torch.where(varies, variance.rsqrt(), 0.0)

    def distances(self, crops: Images) -> Floats:
        """The mean distance between two of the crops (k, s, s, 3) by each of DISTANCES.

        `euclidean` grows with the length of the features, so with the contrast of a crop; `cosine`, one minus the
        cosine of the angle between two features, does not depend on it.
        """
        features = self.features(crops)
        angles = F.normalize(features) @ F.normalize(features).T
        pairs = len(crops) * (len(crops) - 1)
        cosine = 1 - (angles.sum() - angles.trace()) / pairs
        return np.array([float(torch.pdist(features).mean()), float(cosine)])


class Ruler:
    """Distances between crops of a set in one space, over those between random crops of the same images."""

    def __init__(self, space: Space, sets: Sequence[Images]) -> None:
        """sets: of random crops, each as many as are compared."""
        self.space = space
        space.standardise(np.concatenate(list(sets)))
        distances = np.stack([space.distances(crops) for crops in sets])
        self.unit = distances.mean(axis=0)
        self.error = distances.std(axis=0, ddof=1) / self.unit

    def __call__(self, crops: Images) -> dict[str, float]:
        """By distance: 1 where crops are as unlike as random ones, 0 where all are the same."""
        return named(self.space.distances(crops) / self.unit)

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
        told = {kind: information(bins, labels, self.orders) for kind, labels in self.labels.items()}
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
                    **{kind: one.record([part]) for kind, one in told.items()},
                    "distance": {name: ruler(crops) for name, ruler in self.rulers.items()},
                    "strongest": [int(image) * cells + int(cell) for image, cell in strongest[:SHOWN]],
                }
            )
        every, live = range(len(parts)), [part for part, one in enumerate(parts) if not one["dead"]]
        return {"parts": parts, "mean": {"all": means(told, [*every]), "live": means(told, live)}}


def means(told: Mapping[str, Information], parts: list[int]) -> dict[str, Any] | None:
    """The mean information of some parts by kind of label; None without a part."""
    return {kind: one.record(parts) for kind, one in told.items()} if parts else None


def labels_by_kind(data: Path, labels: Ints) -> dict[str, Ints]:
    """The labels (n,) of images as `class`, and as `superclass` where the data set has those."""
    manifest = load_manifest(data)
    of_class = superclasses(manifest["format"], manifest["classes"])
    return {"class": labels} | ({} if of_class is None else {"superclass": of_class[labels]})


def measure_parts(
    config: RealParts,
    data: Path,
    pretrained: Path,
    reference: Path,
    metrics: Path,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Measure the parts of one PatchVAE on the test images of a labelled data set, beside controls; write the metrics.

    For each part: the share of cells in which its probability is above OCCURS, and whether that makes it dead; the
    mutual information of its occurrence in an image with the class and the superclass, less its mean under permuted
    labels; and the distance between the crops where it is surest, over that between random crops. Occurrence in an
    image is the mean probability over its cells, the share of the image that the model expects the part to fill, in
    bins of equal count. Only its order counts, so that no method gains by the scale of its probabilities.

    `untrained` is the same model at its initial weights with BatchNorm statistics of the training images; `kmeans` as
    many clusters of raw crops, where each cell's crop is of one cluster; `shuffled` the model's own maps, dealt out
    among the images. Distances are taken in the features of two phi that are not the PatchVAE's: `pretrained`, that of
    the reference, and `random`, one at the initial weights of another seed, so that it is not the untrained model's.

    data: a packed data set; pretrained, reference: checkpoints of pretrainings, or their encoders as `export` writes
    them.
    Raises PatchVAEError for broken inputs, a model without parts, and checkpoints of other data.
    """
    run = start("real_parts", __name__, config, data, device, threads, "patchvae")
    content = checkpoint.load_identified(pretrained, config, run.digests)
    block = content["config"]["model"]
    if block["name"] != "patchvae":
        raise PatchVAEError(f"{config.variant} is a {block['name']}, this needs a patchvae")
    other = load_reference(reference, config, run)
    phi = Backbone(other["config"]["model"]["backbone"])
    load_weights(phi, backbone_weights(other), config.reference)
    training, split = load_split(data, "train"), load_split(data, "test")
    images = np.array(split.images)
    began = time.perf_counter()
    untrained, random = (with_statistics(run, block, seed) for seed in (config.seed, seed_for(config.seed, "space")))
    encoder = for_measuring(restored_encoder(pretrained, content), run.device)
    trained, grid = occurrence(run, encoder, images)
    cells, count = grid[0] * grid[1], min(config.crops, len(images))

    generator = np.random.default_rng(seed_for(config.seed, "real parts"))
    orders = np.stack([generator.permutation(len(images)) for _ in range(config.permutations)])
    dealt = generator.permutation(len(images))
    fitted = random_places(len(training.images), cells, min(FITTED, len(training.images)), generator)
    sets = [
        cut(images, random_places(len(images), cells, count, generator), grid, config.crop_cells)
        for _ in range(RANDOM_SETS)
    ]
    spaces = dict(zip(SPACES, (phi, random.encoder.backbone), strict=True))
    rulers = {name: Ruler(Space(run, network, config.pool), sets) for name, network in spaces.items()}
    measures = Measures(config, images, labels_by_kind(data, split.labels), orders, grid, rulers)

    clusters = cluster_occurrence(
        cut(training.images, fitted, grid, config.crop_cells),
        images,
        grid,
        config.crop_cells,
        block["num_parts"],
        config.seed,
    )
    found = {
        "trained": trained,
        "untrained": occurrence(run, untrained.encoder, images)[0],
        "kmeans": Occurrence(clusters, one_hot(clusters)),
        "shuffled": Occurrence(trained.scores[dealt], trained.probabilities[dealt]),
    }
    record = {
        "pretraining": origin(content),
        "reference": origin(other),
        "split": "test",
        "count": len(images),
        "grid": list(grid),
        "random_crops": {name: ruler.record() for name, ruler in rulers.items()},
        **{name: measures.record(found[name]) for name in METHODS},
    }
    run.finish(RealPartsResult, metrics, record, time.perf_counter() - began, len(images))


def load_reference(path: Path, config: RealParts, run: Run) -> dict[str, Any]:
    """The checkpoint in whose features crops are compared; errors as `load_pretrained`."""
    expected = {key: getattr(config, key) for key in ("dataset", "seed", "image_size", "input_scaling")}
    expected |= {"variant": config.reference}
    return checkpoint.load_pretrained(path, expected, run.digests)


def with_statistics(run: Run, block: Mapping[str, Any], seed: int) -> Any:
    """A PatchVAE at the initial weights of a seed, with BatchNorm statistics of the training images."""
    model = seeded_model(network_of(block), run.config.image_size, seed)
    # Without them, most of the difference to a trained model would be normalisation.
    estimate_statistics(model, open_array(run.data / "train_images.npy", run.device), run)
    return for_measuring(model, run.device)


def origin(content: dict[str, Any]) -> dict[str, Any]:
    """`pretraining_record`; of an encoder that was exported, with the digest of the checkpoint that it is from."""
    record = checkpoint.pretraining_record(content)
    return record | {"checkpoint_sha256": content.get("checkpoint_sha256", record["checkpoint_sha256"])}
