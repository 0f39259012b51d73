"""Where the parts of a trained PatchVAE fire, from which Figures 1, 3, 4 and 5 pick what they show."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from patchvae.data.crops import crop
from patchvae.data.packed import load_split
from patchvae.models.patchvae import PatchVAE
from patchvae.models.scaling import Scaling
from patchvae.params.measuring import FigureParts
from patchvae.pretrained import load_model
from patchvae.report.figures.canvas import Floats, Images, Ints

BATCH_PIXELS = 2**20  # pixels that go through the encoder at once
# Mean probability of a part that fires neither nowhere nor everywhere; with a prior of 1/64 it would be 0.016
MEAN_RANGE = (0.005, 0.6)
SAME = 0.8  # correlation, over images, of the highest logits of two parts that show the same thing


class Survey(NamedTuple):
    """Where N parts fire in n images of a split; the maps would not fit into memory."""

    images: Images  # (m, S, S, 3): all of the split, maybe memory-mapped
    places: Ints  # (n,): which images of the split
    peak: Floats  # (n, N): highest logit; high probabilities would all be rounded to 1
    cell: Ints  # (n, N): where, counted row by row
    coverage: Floats  # (n, N): mean probability over the cells
    mean: npt.NDArray[np.float64]  # (N, h, w): over the images
    variance: npt.NDArray[np.float64]  # (N, h, w): over the images


def network_input(images: Images, input_scaling: str) -> Tensor:
    """uint8 images (n, S, S, 3) as the float32 input (n, 3, S, S) of the encoder."""
    return Scaling(input_scaling, torch.device("cpu"))(torch.from_numpy(np.array(images)))


def spread(count: int, most: int) -> Ints:
    """At most `most` of `count` places, evenly spaced, as files may be sorted by class."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)


@torch.no_grad()
def occurrence_logits(model: PatchVAE, images: Images, index: Ints, input_scaling: str) -> Iterator[Floats]:
    """Logits of Q^O (b, N, h, w) of images[index], in batches of bounded size; images may be memory-mapped."""
    batch = max(1, BATCH_PIXELS // images.shape[1] ** 2)
    for first in range(0, len(index), batch):
        chosen = np.array(images[index[first : first + batch]])
        yield model.encoder(network_input(chosen, input_scaling)).occurrence_logits.numpy()


def sigmoid(logits: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Probabilities of logits, without overflow."""
    return torch.from_numpy(logits).sigmoid().numpy()


def survey(model: PatchVAE, images: Images, input_scaling: str, max_images: int) -> Survey:
    """Survey at most `max_images` of the images (n, S, S, 3), keeping a few numbers of each."""
    index = spread(len(images), max_images)
    found = []
    total, squares = 0.0, 0.0
    for logits in occurrence_logits(model, images, index, input_scaling):
        flat, probabilities = logits.reshape(*logits.shape[:2], -1), sigmoid(logits)
        found.append((flat.max(axis=2), flat.argmax(axis=2), probabilities.mean(axis=(2, 3))))
        total = total + probabilities.sum(axis=0, dtype=np.float64)
        squares = squares + np.square(probabilities, dtype=np.float64).sum(axis=0)
    mean = np.asarray(total) / len(index)
    variance = np.maximum(np.asarray(squares) / len(index) - mean**2, 0)
    peak, cell, coverage = map(np.concatenate, zip(*found, strict=True))
    return Survey(images, index, peak, cell, coverage, mean, variance)


def survey_of(config: FigureParts, data: Path, path: Path, split: str) -> tuple[PatchVAE, Survey]:
    """The PatchVAE of a checkpoint at `path`, and its survey of a split of packed data.

    Raises PatchVAEError for a checkpoint of another model, and files that cannot be used.
    """
    model, _ = load_model(path, config, ["patchvae"])
    return model, survey(model, load_split(data, split).images, config.input_scaling, config.max_images)


def informative_parts(mean: npt.NDArray[Any], variance: npt.NDArray[Any], count: int) -> list[int]:
    """The parts worth a picture, best first: those whose probability at a cell differs most between images.

    mean, variance: (N, h, w), of the probability over images. The variance, averaged over cells, is 0 for a part that
    depends on the position alone. Parts with a mean probability outside MEAN_RANGE come last.
    """
    overall = mean.mean(axis=(1, 2))
    outside = (overall < MEAN_RANGE[0]) | (overall > MEAN_RANGE[1])
    return [int(part) for part in np.lexsort((-variance.mean(axis=(1, 2)), outside))[:count]]


def distinct_parts(seen: Survey, count: int) -> list[int]:
    """Informative parts of a survey, best first; those correlated above SAME with a better one come last."""
    order = informative_parts(seen.mean, seen.variance, len(seen.mean))
    with np.errstate(invalid="ignore"):  # a constant part has no correlation
        alike = np.nan_to_num(np.atleast_2d(np.corrcoef(seen.peak, rowvar=False))) > SAME
    chosen: list[int] = []
    for part in order:
        if not alike[part, chosen].any():
            chosen.append(part)
    return (chosen + [part for part in order if part not in chosen])[:count]


def ranked(peak: Floats, coverage: Floats) -> Ints:
    """Images (n,) by how strongly a part fires in them; those where it fires nearly everywhere come last."""
    return np.lexsort((-peak, coverage > MEAN_RANGE[1]))


def crops(seen: Survey, part: int, rows: Ints, crop_cells: float) -> list[Images]:
    """One crop (s, s, 3) per image around the cell where a part fires: rows of a survey (k,)."""
    grid = (seen.mean.shape[1], seen.mean.shape[2])
    return [crop(seen.images[seen.places[row]], seen.cell[row, part], grid, crop_cells) for row in rows]
