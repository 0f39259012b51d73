"""A linear probe in closed form, beside the paper's regimes: ridge regression on the features of a frozen phi.

It has no learning rate, dropout or epochs. Its one free number is chosen on training images.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from patchvae.errors import NotFinite
from patchvae.evaluation.frozen import BATCH, FrozenFeatures, phi_of
from patchvae.evaluation.ridge import Ridge, accuracies, choose, moments
from patchvae.hardware import Place
from patchvae.params.measuring import Probe
from patchvae.training.labelled import Labelled, labelled_rows, parted


def fit(config: Probe, phi: dict[str, Tensor], data: Labelled, on: Place) -> tuple[dict[str, Any], Tensor]:
    """Fit ridge regression to the features of one pretrained phi.

    config: `pool` is the side of the grid of features, `holdout` the share of the labelled training images that lambda
    is chosen on, and `lambdas` (two or more above 0) its initial range, in the units of `Ridge`. The final fit is to
    all labelled training images. phi: its weights.
    Returns what is recorded, and which test images were right, (n,) bool.
    Raises PatchVAEError for weights of another phi, fewer than two labels, and features that are not finite.
    """
    network = phi_of(config.backbone, phi, config.pretrained.variant)
    frozen = FrozenFeatures(network, config.input_scaling, config.pool, on)
    fitted, held = split_labelled(data.labels["train"], config.holdout, config.seed)
    classes = config.num_classes

    def batches(split: str, rows: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
        """Features (B, D) and labels (B,) of the images of these rows (n,), in their order."""
        labels = data.labels[split][rows.to(data.labels[split].device)].to(on.device)
        return zip(frozen.batches(data.images[split], rows), labels.split(BATCH), strict=True)

    sums = moments(batches("train", fitted), classes)
    rest = moments(batches("train", held), classes, sums.pivot)
    for part in (sums, rest):
        if not part.gram.diagonal().isfinite().all():
            raise NotFinite("its phi gives features that are not finite")
    part_fit = Ridge(sums)
    choice = choose(lambda some: accuracies(part_fit, batches("train", held), some), config.lambdas)
    sums += rest
    ridge = Ridge(sums)
    weights = ridge.weights(choice.penalty)
    rows = torch.cat([fitted, held]).sort().values
    on_train = ridge.right(batches("train", rows), weights)
    on_test = ridge.right(batches("test", torch.arange(len(data.labels["test"]))), weights, min(5, classes))
    record = {
        "top1": percent(on_test[:, 0]),
        "top5": percent(on_test.any(1)),
        "train_top1": percent(on_train[:, 0]),
        "train_count": len(rows),
        "held_out": len(held),
        "lambda": choice.penalty,
        "lambdas": [{"lambda": penalty, "held_out_top1": top1} for penalty, top1 in sorted(choice.tried.items())],
        "at_edge": choice.at_edge,
        "features": len(ridge.mean),
        "constant_features": int((ridge.scale == 0).sum()),
    }
    return record, on_test[:, 0]


def split_labelled(labels: Tensor, holdout: float, seed: int) -> tuple[Tensor, Tensor]:
    """The rows of labelled images to fit on while lambda is chosen, and of those held out to choose it, ascending.

    labels: (n,) of the training images, below 0 without a label. Raises PatchVAEError for fewer than two labels.
    """
    rows = labelled_rows(labels, least=2)
    return parted(rows, min(max(round(holdout * len(rows)), 1), len(rows) - 1), seed, "probe")


def percent(right: Tensor) -> float:
    """The share of True in (n,) bool, in percent."""
    return 100 * int(right.sum()) / len(right)
