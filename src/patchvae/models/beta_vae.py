"""The beta-VAE baseline (eq. 1-3)."""

import torch
from torch import Tensor, nn

from patchvae.losses import gaussian_kl
from patchvae.models.generators import GlobalDecoder, Output
from patchvae.models.global_encoder import GlobalEncoder
from patchvae.models.resnet import initialise
from patchvae.params.model_kinds import BetaVAENetwork


class BetaVAE(nn.Module):
    """Encoder with one Gaussian latent per image, decoder, and beta x KL (eq. 3)."""

    def __init__(self, config: BetaVAENetwork, image_size: int) -> None:
        super().__init__()
        self.beta = config.beta
        # deviation E13: the table's "sigma^2" head holds the logarithm of the variance
        self.encoder = GlobalEncoder(config.backbone, image_size, config.latent_dim, heads=2)
        stride = self.encoder.backbone.stride
        self.decoder = GlobalDecoder(config.latent_dim, image_size // stride, stride)
        initialise(self, config.init)

    def temperature_at(self, step: int) -> float:
        """Unused: there is no relaxed Bernoulli."""
        return 1.0

    def forward(self, images: Tensor, temperature: float | Tensor) -> Output:
        """Encode, sample, decode: images (B, 3, S, S); the temperature, which PatchVAE needs, is ignored."""
        mean, log_variance = self.encoder(images)
        variance = log_variance.exp()
        latent = mean + variance.sqrt() * torch.randn_like(mean)
        return Output(self.decoder(latent), {"kl": self.beta * gaussian_kl(mean, variance)})


build = BetaVAE
