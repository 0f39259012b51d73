"""Top-1 accuracy with few labels, in closed form: ridge regression on the features of a frozen phi, and on pixels.

The pixels, raw or whitened, are floors without any network.
"""

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from patchvae.data.tensors import open_array
from patchvae.errors import PatchVAEError
from patchvae.evaluation.leave_one_out import CHUNK, LeaveOneOut
from patchvae.evaluation.probe import FrozenFeatures
from patchvae.evaluation.ridge import CONSTANT, choose
from patchvae.jobs.run import Run, start
from patchvae.models.scaling import Scaling
from patchvae.params.measuring import FewLabels, FewLabelsOfPixels
from patchvae.records import checkpoint
from patchvae.records.results import FewLabelsResult
from patchvae.seeding import seed_for

SPLITS = ("train", "test")


def features_of_phi(run: Run, config: FewLabels, content: dict[str, Any]) -> dict[str, Tensor]:
    """The probe's features (n, D) in float32 of all images of each split, in memory."""
    frozen = FrozenFeatures(run, config, content)
    rows = {split: torch.arange(run.counts[split]) for split in SPLITS}
    return {split: torch.cat([part.float() for part, _ in frozen.batches(split, rows[split])]) for split in SPLITS}


def features_of_pixels(run: Run, config: FewLabelsOfPixels) -> dict[str, Tensor]:
    """The pixels (n, D) in float32 of each split: raw, or on their principal components, each of variance 1.

    The components are those of all training images, with or without a label, by falling variance, up to the share
    `whitened_variance` of the whole.
    """
    scaling, found = Scaling(config.input_scaling, run.device), {}
    for split in SPLITS:
        pixels = open_array(run.data / f"{split}_images.npy", run.device)
        index = torch.arange(run.counts[split], device=pixels.device)
        found[split] = torch.cat([scaling(pixels[part].to(run.device)).flatten(1) for part in index.split(CHUNK)])
    if config.variant == "pixels":
        return found
    mean = found["train"].mean(0, dtype=torch.float64)
    values, vectors = principal(found["train"], mean)
    kept = int((values.cumsum(0) < config.whitened_variance * values.sum()).sum()) + 1
    kept = min(kept, int((values > CONSTANT**2 * values[0]).sum()))  # the rest is rounding
    whiten = vectors[:, :kept] * values[:kept].rsqrt()
    return {
        split: torch.cat([((part - mean) @ whiten).float() for part in found[split].split(CHUNK)]) for split in SPLITS
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
    varies = variance > CONSTANT**2 * (variance + mean**2)
    scale = torch.where(varies, variance.rsqrt(), 0.0)
    found = {
        split: torch.cat([((part - mean) * scale).float() for part in values.split(CHUNK)])
        for split, values in features.items()
    }
    return found, int((~varies).sum())


def drawn(labels: Tensor, per_class: int | str, classes: int, seed: int, draw: int) -> Tensor:
    """The rows of the labelled training images of one draw, ascending: all, or `per_class` of each class.

    labels: (n,), below 0 without a label. A draw depends on the seed and its number alone, so every row of a table
    sees the same images. Within a draw more labels include the fewer; draws are independent of each other.
    Raises PatchVAEError for a class that has fewer images, and for fewer than two labels.
    """
    rows = (labels >= 0).nonzero().flatten().cpu()
    if per_class != "all":
        generator = torch.Generator().manual_seed(seed_for(seed, "few labels", draw))
        rows = rows[torch.randperm(len(rows), generator=generator)]
        members = [rows[labels.cpu()[rows] == label] for label in range(classes)]
        for label, images in enumerate(members):
            if len(images) < int(per_class):
                raise PatchVAEError(f"few_labels.per_class: {per_class}, but class {label} has {len(images)} images")
        rows = torch.cat([images[: int(per_class)] for images in members])
    if len(rows) < 2:
        raise PatchVAEError(f"ridge regression needs two labelled training images or more, not {len(rows)}")
    return rows.sort().values


def few_labels(
    config: FewLabels | FewLabelsOfPixels,
    data: Path,
    pretrained: Path | None,
    metrics: Path,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Fit ridge regression to every draw of every number of labels, and write the accuracies on the test split.

    Each fit has the lambda of the best top-1 accuracy of its left-out images, see `LeaveOneOut` and `choose`. With one
    label per class none is right, as the left-out image was its class's only one; the largest lambda is taken then.

    data: a packed data set; pretrained: a pretraining checkpoint of the same variant, None for pixels.
    All features are kept in memory in float32.
    Raises PatchVAEError for broken inputs, a checkpoint of another model, and features that are not finite.
    """
    if (pretrained is None) == isinstance(config, FewLabels):
        raise PatchVAEError("--pretrained: needed for the features of a phi, and only for these")
    run = start("few_labels", __name__, config, data, device, threads)
    began = time.perf_counter()
    record: dict[str, Any] = {}
    if isinstance(config, FewLabels) and pretrained is not None:
        content = checkpoint.load_phi(pretrained, config, run.digests)
        record["pretraining"] = checkpoint.pretraining_record(content, config.pretrained.snapshot)
        features = features_of_phi(run, config, content)
        if not all(values.isfinite().all() for values in features.values()):
            raise PatchVAEError(f"{pretrained}: its phi gives features that are not finite")
    elif isinstance(config, FewLabelsOfPixels):
        features = features_of_pixels(run, config)
    features, constant = standardised(features)
    labels = {split: open_array(run.data / f"{split}_labels.npy", run.device).to(run.device).long() for split in SPLITS}
    fits = []
    for per_class in config.per_class:
        for draw in range(1 if per_class == "all" else config.draws):
            rows = drawn(labels["train"], per_class, config.num_classes, config.seed, draw).to(run.device)
            fit = LeaveOneOut(features["train"][rows], labels["train"][rows], config.num_classes)
            choice = choose(fit.left_out_top1, config.lambdas)
            right = fit.guesses(features["test"], choice.penalty) == labels["test"]
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
    record |= {
        "split": "test",
        "count": run.counts["test"],
        "features": features["train"].shape[1],
        "constant_features": constant,
        "fits": fits,
    }
    run.finish(
        FewLabelsResult, metrics, record, time.perf_counter() - began, sum(run.counts[split] for split in SPLITS)
    )
