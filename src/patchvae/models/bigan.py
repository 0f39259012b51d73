"""BiGAN's encoder, generator and discriminator (Tables 8-11, deviation E34)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from patchvae.models.generators import GlobalDecoder
from patchvae.models.global_encoder import GlobalEncoder
from patchvae.models.resnet import initialise


class BiGAN(nn.Module):
    """A deterministic encoder and a generator, trained against a joint discriminator (deviation E34)."""

    def __init__(self, backbone: str, image_size: int, latent_dim: int, init: str) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = GlobalEncoder(backbone, image_size, latent_dim, heads=1)
        stride = self.encoder.backbone.stride
        self.decoder = GlobalDecoder(latent_dim, image_size // stride, stride)
        initialise(self, init)


class JointDiscriminator(nn.Module):
    """D of BiGAN: image (B, 3, S, S) and latent (B, latent_dim) -> one logit per pair (B,).

    deviation E34: the paper prints none. The same pyramid as `Discriminator`; the latent is replicated over the grid
    and joined by two 1x1 layers. Spectral normalisation in place of BatchNorm keeps the game stable.
    """

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.image = nn.Sequential(
            spectral_norm(nn.Conv2d(3, 64, 4, 2, 1)),
            nn.LeakyReLU(0.2, inplace=True),
            spectral_norm(nn.Conv2d(64, 128, 4, 2, 1)),
            nn.LeakyReLU(0.2, inplace=True),
            spectral_norm(nn.Conv2d(128, 256, 4, 2, 1)),
            nn.LeakyReLU(0.2, inplace=True),
        )
        self.joint = nn.Sequential(
            spectral_norm(nn.Conv2d(256 + latent_dim, 256, 1)),
            nn.LeakyReLU(0.2, inplace=True),
            spectral_norm(nn.Conv2d(256, 256, 1)),
            nn.LeakyReLU(0.2, inplace=True),
            spectral_norm(nn.Conv2d(256, 1, 1)),
        )

    def forward(self, images: Tensor, latent: Tensor) -> Tensor:
        features = self.image(images)
        grid = latent[:, :, None, None].to(features.dtype).expand(-1, -1, *features.shape[2:])
        logits: Tensor = self.joint(torch.cat([features, grid], dim=1)).float().mean(dim=(1, 2, 3))
        return logits


def build(image_size: int, **config: Any) -> BiGAN:
    """The model of a `model` block for images of this side."""
    return BiGAN(image_size=image_size, **config)
