"""Top-1 accuracy with few labels, in closed form: ridge regression on the features of a frozen phi, and on pixels.

The pixels, raw or whitened, are floors without any network.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from patchvae.errors import NotFinite
from patchvae.evaluation.frozen import FrozenFeatures, phi_of
from patchvae.evaluation.leave_one_out import CHUNK, LeaveOneOut
from patchvae.evaluation.ridge import CONSTANT, choose, inverse_deviation
from patchvae.hardware import Place
from patchvae.models.scaling import Scaling
from patchvae.models.weights import Weights
from patchvae.params.measuring import FewLabels, FewLabelsOfPixels
from patchvae.training.labelled import Labelled, labelled_rows, of_each_class


def features_of_phi(config: FewLabels, phi: Weights, pixels: Mapping[str, Tensor], on: Place) -> dict[str, Tensor]:
    """The probe's features (n, D) in float32 of the images (n, S, S, 3) of each split, in memory.

    phi: its weights. Raises PatchVAEError for weights of another phi, and features that are not finite.
    """
    network = phi_of(config.backbone, phi, config.pretrained.variant)
    frozen = FrozenFeatures(network, config.input_scaling, config.pool, on)
    found = {
        split: torch.cat([part.float() for part in frozen.batches(images, torch.arange(len(images)))])
        for split, images in pixels.items()
    }
    if not all(features.isfinite().all() for features in found.values()):
        raise NotFinite("its phi gives features that are not finite")
    return found


def features_of_pixels(config: FewLabelsOfPixels, pixels: Mapping[str, Tensor], on: Place) -> dict[str, Tensor]:
    """The pixels (n, D) in float32 of each split: raw, or on their principal components, each of variance 1.

    The components are those of all training images, with or without a label, by falling variance, up to the share
    `whitened_variance` of the whole. pixels: images (n, S, S, 3).
    """
    scaling = Scaling(config.input_scaling, on.device)
    found = {
        split: torch.cat([scaling(part.to(on.device)).flatten(1) for part in images.split(CHUNK)])
        for split, images in pixels.items()
    }
    if config.variant == "pixels":
        return found
    mean = found["train"].mean(0, dtype=torch.float64)
    values, vectors = principal(found["train"], mean)
    kept = int((values.cumsum(0) < config.whitened_variance * values.sum()).sum()) + 1
    kept = min(kept, int((values > CONSTANT**2 * values[0]).sum()))  # the rest is rounding
    whiten = vectors[:, :kept] * values[:kept].rsqrt()
    return {
        split: torch.cat([((part - mean) @ whiten).float() for part in images.split(CHUNK)])
        for split, images in found.items()
    }


def principal(images: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The variances (r,), falling, and the directions (D, r) of the principal components of images (n, D)."""
    count, size = images.shape
    if count <= size:
        _, singular, directions = torch.linalg.svd(images - mean, full_matrices=False)
        return singular.square() / count, directions.T
    gram = mean.new_zeros(size, size)
    for part in images.split(CHUNK):
        centred = part - mean
        gram.addmm_(centred.T, centred)
    values, vectors = torch.linalg.eigh(gram / count)
    return values.flip(0), vectors.flip(1)


def standardised(features: dict[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """Features less their means over their deviations, both of all training images, and how many are constant.

    Constant ones become 0. No label is looked at, so all draws have the same features, whichever images they label.
    """
    variance, mean = torch.var_mean(features["train"].double(), 0, correction=0)
    scale = inverse_deviation(variance, mean)
    found = {
        split: torch.cat([((part - mean) * scale).float() for part in values.split(CHUNK)])
        for split, values in features.items()
    }
    return found, int((scale == 0).sum())


def drawn(labels: Tensor, per_class: int | str, classes: int, seed: int, draw: int) -> Tensor:
    """The rows of the labelled training images of one draw, ascending: all, or `per_class` of each class.

    labels: (n,), below 0 without a label. A draw depends on the seed and its number alone, so every row of a table
    sees the same images. Within a draw more labels include the fewer; draws are independent of each other.
    Raises PatchVAEError for a class that has fewer images, and for fewer than two labels.
    """
    if per_class == "all":
        return labelled_rows(labels, least=2)
    return of_each_class(labels, int(per_class), classes, "few_labels.per_class", seed, "few labels", draw)


def fit(config: FewLabels | FewLabelsOfPixels, phi: Weights | None, data: Labelled, on: Place) -> dict[str, Any]:
    """Fit ridge regression to every draw of every number of labels, and measure its accuracy on the test split.

    Each fit has the lambda of the best top-1 accuracy of its left-out images, see `LeaveOneOut` and `choose`. With one
    label per class none is right, as the left-out image was its class's only one; the largest lambda is taken then.

    phi: its weights, None for pixels. All features are kept in memory in float32. Returns what is recorded.
    Raises PatchVAEError as `features_of_phi` and `drawn`.
    """
    if isinstance(config, FewLabels):
        assert phi is not None
        found = features_of_phi(config, phi, data.images, on)
    else:
        found = features_of_pixels(config, data.images, on)
    features, constant = standardised(found)
    labels = {split: values.to(on.device).long() for split, values in data.labels.items()}
    fits = []
    for per_class in config.per_class:
        for draw in range(1 if per_class == "all" else config.draws):
            rows = drawn(labels["train"], per_class, config.num_classes, config.seed, draw).to(on.device)
            regression = LeaveOneOut(features["train"][rows], labels["train"][rows], config.num_classes)
            choice = choose(regression.left_out_top1, config.lambdas)
            right = regression.guesses(features["test"], choice.penalty) == labels["test"]
            fits.append(
                {
                    "per_class": per_class,
                    "draw": draw,
                    "images": len(rows),
                    "top1": 100 * int(right.sum()) / len(right),
                    "left_out_top1": choice.tried[choice.penalty],
                    "lambda": choice.penalty,
                    "at_edge": choice.at_edge,
                }
            )
    return {"features": features["train"].shape[1], "constant_features": constant, "fits": fits}
