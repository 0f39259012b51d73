"""Fréchet inception distance between test images and their reconstructions (Table 7)."""

import math
import pickle

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from patchvae.errors import PatchVAEError
from patchvae.evaluation.reconstruction import reconstructions, temperature_of
from patchvae.hardware import Place
from patchvae.params.measuring import Reconstruct

FEATURES = 2048  # of the last block, the FID's usual one


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

    def moments(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The mean (D,) and the unbiased covariance (D, D) of at least two vectors."""
        scatter = self.products - torch.outer(self.sum, self.sum) / self.count
        return (self.sum / self.count).cpu().numpy(), (scatter / (self.count - 1)).cpu().numpy()


def frechet_distance(one: MeanAndCovariance, other: MeanAndCovariance) -> float:
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), by pytorch-fid; raises PatchVAEError where it is not real."""
    from pytorch_fid.fid_score import calculate_frechet_distance  # type: ignore[import-untyped]  # heavy, as below

    try:
        distance = float(calculate_frechet_distance(*one.moments(), *other.moments()))
    except ValueError as error:  # an imaginary root, or features that are not finite
        raise PatchVAEError(f"the FID cannot be computed: {error}") from error
    if not math.isfinite(distance):
        raise PatchVAEError(f"the FID cannot be computed: it is {distance}")
    return distance


def load_inception(device: torch.device) -> nn.Module:
    """pytorch-fid's network up to its 2048 features, in evaluation mode; its weights must lie where it looks.

    Raises PatchVAEError where they are others.
    """
    # Imported here: torchvision takes longer than a whole job without weights.
    from pytorch_fid.inception import InceptionV3  # type: ignore[import-untyped]

    try:
        network: nn.Module = InceptionV3([InceptionV3.BLOCK_INDEX_BY_DIM[FEATURES]])
    except (RuntimeError, EOFError, TypeError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise PatchVAEError(f"not the weights of pytorch-fid's Inception: {reason}") from error
    return network.to(device).eval()


@torch.no_grad()
def features(network: nn.Module, images: Tensor) -> Tensor:
    """Images (B, 3, S, S) in [0, 1] -> (B, 2048); rounded to 8 bits first, as in the image files of pytorch-fid."""
    images = (images * 255).round().clamp(0, 255) / 255
    return network(images)[0].flatten(1)


def measure(
    config: Reconstruct, model: nn.Module, steps: int, images: npt.NDArray[np.uint8], inception: nn.Module, on: Place
) -> dict[str, float]:
    """The FID between images (n, S, S, 3), n > 1, and their reconstructions, which are those of `reconstruction`.

    steps: of the model's pretraining; inception: see `load_inception`. deviation E62: all test images against all their
    reconstructions, enlarged to 299 x 299. Raises PatchVAEError where there is no FID.
    """
    temperature = temperature_of(config, model, steps)
    real, fake = MeanAndCovariance(FEATURES, on.device), MeanAndCovariance(FEATURES, on.device)
    for originals, copies in reconstructions(config, model, images, temperature, on):
        real.add(features(inception, originals))
        fake.add(features(inception, copies))
    return {"fid": frechet_distance(real, fake), "temperature": temperature}
