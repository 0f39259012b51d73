"""PatchVAE (Sec. 3.2-3.3, eq. 4-11): N parts, each an occurrence map and one appearance per image."""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from patchvae.losses import EPSILON, bernoulli_kl, gaussian_kl
from patchvae.models.generators import Decoder, Output
from patchvae.models.resnet import Backbone, initialise
from patchvae.params.model_kinds import PatchVAENetwork, Temperature

CLAMP = 1e7  # E16: bounds of a cell's variance


class Posterior(NamedTuple):
    """What the encoder says of a batch on its h x w grid, in float32."""

    occurrence_logits: Tensor  # (B, N, h, w)
    mean: Tensor  # (B, N, d_p), pooled over the grid
    variance: Tensor  # (B, N, d_p)


def pool_appearance(logits: Tensor, mean: Tensor, log_variance: Tensor, detach: bool = True) -> tuple[Tensor, Tensor]:
    """Average the appearance over the cells, weighted by occurrence probability (Sec. 3.2, "constructing z_app").

    logits: (B, N, h, w); mean, log_variance: (B, N, d_p, h, w). Returns mean and variance (B, N, d_p).
    The variances, not their logarithms, are averaged (E11); `detach` stops the gradient into the weights (E12).
    """
    weights = torch.sigmoid(logits.detach() if detach else logits).flatten(2)
    total = weights.sum(-1)[..., None] + EPSILON
    variance = log_variance.exp().clamp(1 / CLAMP, CLAMP)
    # Products and sums, not einsum: autocast would turn that into a bf16 matrix product.
    weights = weights[:, :, None]
    pooled_mean = (weights * mean.flatten(3)).sum(-1) / total
    pooled_variance = ((weights * variance.flatten(3)).sum(-1) + EPSILON) / total
    return pooled_mean, pooled_variance


def sample_occurrence(logits: Tensor, temperature: float | Tensor, hard: bool = False) -> Tensor:
    """Draw from the relaxed Bernoulli: logits (B, N, h, w) -> z_occ in (0, 1) of the same shape (Sec. 3.3).

    deviation E9: `hard` gives 1 where the logit is above 0 and else 0, with the gradient of the relaxed draw, noise
    included: at low temperatures it is large only where the draw is near 1/2, and its mean stays near p (1 - p).
    """
    uniform = torch.rand_like(logits).clamp(EPSILON, 1 - EPSILON)
    soft = torch.sigmoid((logits + torch.logit(uniform)) / temperature)
    return (logits > 0).to(soft.dtype) + (soft - soft.detach()) if hard else soft


def patch_code(occurrence: Tensor, appearance: Tensor) -> Tensor:
    """Place each part's appearance where it occurs: (B, N, h, w), (B, N, d_p) -> z_hat (B, N d_p, h, w) (Sec. 3.2)."""
    return (occurrence[:, :, None] * appearance[..., None, None]).flatten(1, 2)


class PatchEncoder(nn.Module):
    """phi with the heads Q^O and Q^A: images (B, 3, S, S) -> Posterior (Tables 8, 9)."""

    def __init__(self, backbone: str, num_parts: int, part_dim: int, detach_occurrence: bool) -> None:
        super().__init__()
        self.num_parts, self.part_dim, self.detach_occurrence = num_parts, part_dim, detach_occurrence
        self.backbone = Backbone(backbone)
        channels = self.backbone.channels
        self.occurrence = nn.Conv2d(channels, num_parts, 3, padding=1)
        self.appearance_mean = nn.Conv2d(channels, num_parts * part_dim, 3, padding=1)
        self.appearance_log_variance = nn.Conv2d(channels, num_parts * part_dim, 3, padding=1)

    def forward(self, images: Tensor) -> Posterior:
        features = self.backbone(images)
        parts = (self.num_parts, self.part_dim)
        logits = self.occurrence(features).float()
        mean = self.appearance_mean(features).float().unflatten(1, parts)
        log_variance = self.appearance_log_variance(features).float().unflatten(1, parts)
        return Posterior(logits, *pool_appearance(logits, mean, log_variance, self.detach_occurrence))


class PatchVAE(nn.Module):
    """Encoder, patch code, decoder, and the KL terms of eq. 11 (deviation E1: beta_occ weights the occurrence KL)."""

    def __init__(self, config: PatchVAENetwork, image_size: int) -> None:
        """image_size: of no meaning, as the model is the same for images of any side."""
        super().__init__()
        self.config, self.hard_occurrence = config, config.hard_occurrence
        self.prior = 1 / config.num_parts if config.occurrence_prior == "1/N" else float(config.occurrence_prior)
        self.encoder = PatchEncoder(config.backbone, config.num_parts, config.part_dim, config.detach_occurrence)
        self.decoder = Decoder(config.num_parts * config.part_dim, self.encoder.backbone.stride)
        initialise(self, config.init)

    def temperature_at(self, step: int) -> float:
        """Temperature at optimiser step `step` = 0, 1, ..., see the function of this name."""
        return temperature_at(step, self.config.temperature)

    def forward(self, images: Tensor, temperature: float | Tensor) -> Output:
        """Encode, sample, decode: images (B, 3, S, S); temperature (scalar) of the relaxed Bernoulli > 0."""
        logits, mean, variance = self.encoder(images)
        occurrence = sample_occurrence(logits, temperature, self.hard_occurrence)
        # deviation E14: sampled in evaluation as in training
        appearance = mean + variance.sqrt() * torch.randn_like(mean)
        kl = {
            "kl_occ": self.config.beta_occ * bernoulli_kl(logits, self.prior, self.config.occurrence_kl),
            "kl_app": self.config.beta_app * gaussian_kl(mean, variance),
        }
        return Output(self.decoder(patch_code(occurrence, appearance)), kl)


def temperature_at(step: int, config: Temperature) -> float:
    """Temperature of the relaxed Bernoulli at optimiser step `step` = 0, 1, ... (Appendix, deviation E10).

    `exponential`: max(start exp(-rate t), floor) with t = step rounded down to a multiple of `interval`.
    `compounding`: each update multiplies the current value by exp(-rate step), as the authors' code does.
    """
    start, rate, interval = config.start, config.rate, config.interval
    if config.schedule == "exponential":
        return max(start * math.exp(-rate * (step // interval * interval)), config.floor)
    # The authors count steps from 1 and update after steps 1, interval + 1, 2 interval + 1, ...: the exponents add up.
    updates = 0 if step == 0 else (step - 1) // interval + 1
    return max(start * math.exp(-rate * (interval * updates * (updates - 1) // 2 + updates)), config.floor)


build = PatchVAE
