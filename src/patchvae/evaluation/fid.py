"""Fréchet inception distance between test images and their reconstructions (Table 7)."""

import logging
import math
import pickle
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from patchvae.data.packed import load_split
from patchvae.errors import PatchVAEError
from patchvae.evaluation.inception import weights_or_reason
from patchvae.evaluation.reconstruction import KINDS, reconstructions, temperature_of
from patchvae.jobs.run import Run, start
from patchvae.params.measuring import Reconstruct
from patchvae.pretrained import load_model
from patchvae.records.checkpoint import pretraining_record
from patchvae.records.results import FidResult

FEATURES = 2048  # of the last block, the FID's usual one

logger = logging.getLogger(__name__)


class MeanAndCovariance:
    """Mean and covariance of features, from float64 sums over batches that are not kept."""

    def __init__(self, features: int, device: torch.device) -> None:
        self.count = 0
        self.sum = torch.zeros(features, dtype=torch.float64, device=device)
        self.products = torch.zeros(features, features, dtype=torch.float64, device=device)

    def add(self, features: Tensor) -> None:
        """Take in a batch (B, D)."""
        features = features.double()
        self.count += len(features)
        self.sum += features.sum(0)
        self.products += features.T @ features

    def mean(self) -> npt.NDArray[np.float64]:
        """The mean (D,)."""
        return (self.sum / self.count).cpu().numpy()

    def covariance(self) -> npt.NDArray[np.float64]:
        """The unbiased covariance (D, D) of at least two vectors."""
        scatter = self.products - torch.outer(self.sum, self.sum) / self.count
        return (scatter / (self.count - 1)).cpu().numpy()


def frechet_distance(one: MeanAndCovariance, other: MeanAndCovariance) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), by pytorch-fid; raises PatchVAEError where it is not real."""
    from pytorch_fid.fid_score import calculate_frechet_distance  # type: ignore[import-untyped]  # heavy, as below

    try:
        distance = float(calculate_frechet_distance(one.mean(), one.covariance(), other.mean(), other.covariance()))
    except ValueError as error:  # an imaginary root, or features that are not finite
        raise PatchVAEError(f"the FID cannot be computed: {error}") from error
    if not math.isfinite(distance):
        raise PatchVAEError(f"the FID cannot be computed: it is {distance}")
    return distance


def load_inception(weights: Path, device: torch.device) -> torch.nn.Module:
    """pytorch-fid's network up to its 2048 features, in evaluation mode; its weights must be there already.

    Raises PatchVAEError when the file holds other weights.
    """
    # Imported here: torchvision takes longer than a whole job without weights.
    from pytorch_fid.inception import InceptionV3  # type: ignore[import-untyped]

    try:
        network: torch.nn.Module = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[FEATURES]])
    except (RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise PatchVAEError(f"{weights} does not hold the weights of pytorch-fid's Inception: {reason}") from error
    return network.to(device).eval()


@torch.no_grad()
def features(network: torch.nn.Module, images: Tensor) -> Tensor:
    """Images (B, 3, S, S) in [0, 1] -> (B, 2048); rounded to 8 bits first, as in the image files of pytorch-fid."""
    images = (images * 255).round().clamp(0, 255) / 255
    output: Tensor = network(images)[0]
    return output.flatten(1)


def measure(
    run: Run, config: Reconstruct, model: nn.Module, images: npt.NDArray[np.uint8], temperature: float, weights: Path
) -> float:
    """The FID between images (n, S, S, 3), n > 1, and what the model makes of them at a temperature."""
    network = load_inception(weights, run.device)
    real, fake = MeanAndCovariance(FEATURES, run.device), MeanAndCovariance(FEATURES, run.device)
    for originals, copies in reconstructions(run, config, model, images, temperature):
        real.add(features(network, originals))
        fake.add(features(network, copies))
    return frechet_distance(real, fake)


def fid(
    config: Reconstruct,
    data: Path,
    checkpoint: Path,
    inception: Path,
    metrics: Path,
    device: str = "auto",
    threads: int | None = None,
) -> None:
    """Measure the FID of one pretrained model's reconstructions of all test images and write the metrics (Table 7).

    config: as for `reconstruct`, which measures the same reconstructions; data: a packed data set; checkpoint: a
    pretraining checkpoint; inception: what `fetch_inception` wrote. Without Inception weights `fid` is null, and `why`
    is the reason. deviation E62: all test images against all their reconstructions, enlarged to 299 x 299.
    Raises PatchVAEError for broken inputs, and for weights that were fetched and are gone or altered.
    """
    run = start("fid", __name__, config, data, device, threads)
    model, pretrained = load_model(checkpoint, config, KINDS, run.device)
    run = run.of_kind(pretrained["config"]["model"]["name"])
    images = load_split(data, "test").images
    record: dict[str, Any] = {"split": "test", "count": len(images), "fid": None}
    record["pretraining"] = pretraining_record(pretrained)
    weights = weights_or_reason(inception)
    began, seen = time.perf_counter(), 0
    if isinstance(weights, str):
        logger.warning("%s: no FID: %s", run.label, weights)
        record["why"] = weights
    else:
        record["temperature"] = temperature_of(config, model, pretrained)
        record["fid"] = measure(run, config, model, images, record["temperature"], weights)
        seen = len(images)
    run.finish(FidResult, metrics, record, time.perf_counter() - began, seen)
