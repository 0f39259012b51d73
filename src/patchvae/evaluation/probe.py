"""A linear probe in closed form, beside the paper's regimes: ridge regression on the features of a frozen phi.

It has no learning rate, dropout or epochs. Its one free number is chosen on training images.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from patchvae.data.tensors import open_array
from patchvae.errors import PatchVAEError
from patchvae.evaluation.bits import recorded_bits
from patchvae.evaluation.ridge import Ridge, accuracies, choose, moments
from patchvae.hardware import autocast
from patchvae.jobs.run import Run, start
from patchvae.models.resnet import Backbone
from patchvae.models.scaling import Scaling
from patchvae.models.weights import backbone_weights, load_weights
from patchvae.params.measuring import OnFeatures, Probe
from patchvae.pretrained import for_measuring
from patchvae.records import checkpoint
from patchvae.records.results import ProbeResult
from patchvae.seeding import seed_for

BATCH = 250


class FrozenFeatures:
    """The features of packed images, batch by batch: all of ImageNet's would take 84 GB."""

    def __init__(self, run: Run, config: OnFeatures, pretrained: dict[str, Any]) -> None:
        self.run, self.pool = run, config.pool
        backbone = Backbone(config.backbone)
        weights = backbone_weights(pretrained, config.pretrained.snapshot)
        load_weights(backbone, weights, config.pretrained.variant)
        self.phi = for_measuring(backbone, run.device)
        self.scaling = Scaling(config.input_scaling, run.device)
        self.pixels = {split: open_array(run.data / f"{split}_images.npy", run.device) for split in ("train", "test")}
        self.labels = {split: open_array(run.data / f"{split}_labels.npy", run.device) for split in ("train", "test")}

    @torch.no_grad()
    def batches(self, split: str, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Features (B, D) in float64 and labels (B,) of the images of these rows (n,), in their order."""
        pixels, labels = self.pixels[split], self.labels[split]
        for index in rows.split(BATCH):
            images = pixels[index.to(pixels.device)].to(self.run.device)
            with autocast(self.run.device, self.run.precision):
                maps = self.phi(self.scaling(images))
            yield self.pooled(maps), labels[index.to(labels.device)].to(self.run.device)

    def pooled(self, maps: Tensor) -> Tensor:
        """Maps (B, C, h, w) averaged to a grid of side `pool`, if theirs is not smaller: (B, D)."""
        side = min(self.pool, *maps.shape[2:])
        return F.adaptive_avg_pool2d(maps.float(), side).flatten(1).double()


def parted(labels: Tensor, holdout: float, seed: int) -> tuple[Tensor, Tensor]:
    """The rows of labelled images to fit on while lambda is chosen, and of those held out to choose it, ascending.

    labels: (n,) of the training images, below 0 without a label. Raises PatchVAEError for fewer than two labels.
    """
    rows = (labels >= 0).nonzero().flatten().cpu()
    if len(rows) < 2:
        raise PatchVAEError(f"a probe needs two labelled training images or more, not {len(rows)}")
    generator = torch.Generator().manual_seed(seed_for(seed, "probe"))
    shuffled = rows[torch.randperm(len(rows), generator=generator)]
    held = min(max(round(holdout * len(rows)), 1), len(rows) - 1)
    return shuffled[held:].sort().values, shuffled[:held].sort().values


def probe(
    config: Probe,
    data: Path,
    pretrained: Path,
    metrics: Path,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Fit ridge regression to the features of one pretrained phi and write its accuracies on the test split.

    config: `pool` is the side of the grid of features, `holdout` the share of the labelled training images that lambda
    is chosen on, and `lambdas` (two or more above 0) its initial range, in the units of `Ridge`. The final fit is to
    all labelled training images. data: a packed data set; pretrained: a pretraining checkpoint of the same variant;
    Raises PatchVAEError for broken inputs, a checkpoint of another model, and features that are not finite.
    """
    run = start("probe", __name__, config, data, device, threads)
    content = checkpoint.load_phi(pretrained, config, run.digests)
    features, classes = FrozenFeatures(run, config, content), config.num_classes
    fitted, held = parted(features.labels["train"], config.holdout, config.seed)
    began = time.perf_counter()
    sums = moments(features.batches("train", fitted), classes)
    rest = moments(features.batches("train", held), classes, sums.pivot)
    for part in (sums, rest):
        if not part.gram.diagonal().isfinite().all():
            raise PatchVAEError(f"{pretrained}: its phi gives features that are not finite")
    part_fit = Ridge(sums)
    choice = choose(lambda some: accuracies(part_fit, features.batches("train", held), some), config.lambdas)
    sums += rest
    ridge = Ridge(sums)
    weights = ridge.weights(choice.penalty)
    labelled = torch.cat([fitted, held]).sort().values
    on_train = ridge.right(features.batches("train", labelled), weights)
    on_test = ridge.right(features.batches("test", torch.arange(run.counts["test"])), weights, min(5, classes))
    record = {
        "pretraining": checkpoint.pretraining_record(content, config.pretrained.snapshot),
        "split": "test",
        "count": len(on_test),
        "top1": percent(on_test[:, 0]),
        "top5": percent(on_test.any(1)),
        "train_top1": percent(on_train[:, 0]),
        "train_count": len(labelled),
        "held_out": len(held),
        "lambda": choice.penalty,
        "lambdas": [{"lambda": penalty, "held_out_top1": top1} for penalty, top1 in sorted(choice.tried.items())],
        "at_edge": choice.at_edge,
        "features": len(ridge.mean),
        "constant_features": int((ridge.scale == 0).sum()),
        **recorded_bits(on_test[:, 0].cpu().numpy(), run.data),
    }
    run.finish(ProbeResult, metrics, record, time.perf_counter() - began, len(labelled) + len(on_test))


def percent(right: Tensor) -> float:
    """The share of True in (n,) bool, in percent."""
    return 100 * int(right.sum()) / len(right)
