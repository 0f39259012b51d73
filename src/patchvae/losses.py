"""Loss terms, each summed over everything but the batch and divided by the batch size (Sec. 3, deviation E5, E6)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

EPSILON = 1e-7  # E16


def squared_error(images: Tensor, reconstruction: Tensor, weights: Tensor | None = None) -> Tensor:
    """Sum of M (x - x_hat)^2 per image, averaged over the batch: scalar (eq. 2; L_w of Sec. 3.4 with weights).

    images, reconstruction: (B, 3, S, S); weights: (B, C, S/p, S/p) with C = 3 or 1, one value per patch, or None.
    """
    error = (images - reconstruction.float()).square()
    if weights is None:
        return error.sum() / len(images)
    patch = images.shape[-1] // weights.shape[-1]
    # Summing the error inside each patch first leaves 1 / p^2 of the products and needs no upsampled mask.
    per_patch = F.avg_pool2d(error, patch) * patch**2
    return (weights * per_patch).sum() / len(images)


def gaussian_kl(mean: Tensor, variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) summed over all but the batch, averaged over it: scalar (eq. 3, 11)."""
    return 0.5 * (mean.square() + variance - 1 - variance.log()).sum() / len(mean)


def bernoulli_kl(logits: Tensor, prior: float, reduction: str = "sum") -> Tensor:
    """KL(Bern(sigmoid(logits)) || Bern(prior)), summed or averaged over all but the batch: scalar (eq. 11, E5, E8)."""
    # logsigmoid stays exact where log(p + epsilon) saturates.
    probability = torch.sigmoid(logits)
    positive = probability * (F.logsigmoid(logits) - math.log(prior))
    negative = (1 - probability) * (F.logsigmoid(-logits) - math.log1p(-prior))
    total = (positive + negative).sum() / len(logits)
    return total / logits[0].numel() if reduction == "mean" else total


def real_loss(logits: Tensor) -> Tensor:
    """Binary cross-entropy of logits (B,) against "real": scalar."""
    return F.softplus(-logits).mean()


def fake_loss(logits: Tensor) -> Tensor:
    """Binary cross-entropy of logits (B,) against "fake": scalar."""
    return F.softplus(logits).mean()
