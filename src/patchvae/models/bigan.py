"""BiGAN's encoder, generator and discriminator (Tables 8-11, deviation E34)."""

import math

from torch import Tensor, nn

from patchvae.models.generators import GlobalDecoder
from patchvae.models.global_encoder import GlobalEncoder
from patchvae.models.resnet import initialise
from patchvae.params.model_kinds import BiGANNetwork


class BiGAN(nn.Module):
    """A deterministic encoder and a generator, trained against a joint discriminator (deviation E34).

    `encode` standardises each output of the encoder over the batch, like the prior, without weights.
    """

    def __init__(self, config: BiGANNetwork, image_size: int) -> None:
        super().__init__()
        self.latent_dim = config.latent_dim
        self.encoder = GlobalEncoder(config.backbone, image_size, config.latent_dim, heads=1)
        stride = self.encoder.backbone.stride
        self.decoder = GlobalDecoder(config.latent_dim, image_size // stride, stride)
        self.standardise = nn.BatchNorm1d(config.latent_dim, affine=False)
        initialise(self, config.init)

    def encode(self, images: Tensor) -> Tensor:
        """E: images (B, 3, S, S) -> latents (B, latent_dim)."""
        return self.standardise(self.encoder(images)[0])


class JointDiscriminator(nn.Module):
    """D of BiGAN: image (B, 3, S, S) and latent (B, latent_dim) -> one logit per pair (B,).

    deviation E34: the paper prints none. Image and latent each get `WIDTH` features and a logit of their own; the
    pair's logit is the sum of both and of the features' product. A gradient penalty stands in for normalisation.
    """

    WIDTH, GRID = 512, 4

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.image = nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(64, 128, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(128, 256, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.AdaptiveAvgPool2d(self.GRID),  # does nothing at 32 x 32
            nn.Flatten(),
            *self.layers(256 * self.GRID**2),
        )
        self.latent = nn.Sequential(*self.layers(latent_dim))

    def layers(self, inputs: int) -> list[nn.Module]:
        return [nn.Linear(inputs, self.WIDTH), nn.LeakyReLU(0.2), nn.Linear(self.WIDTH, self.WIDTH + 1)]

    def forward(self, images: Tensor, latent: Tensor) -> Tensor:
        a, b = self.image(images).float(), self.latent(latent).float()
        return a[:, 0] + b[:, 0] + (a[:, 1:] * b[:, 1:]).sum(dim=1) / math.sqrt(self.WIDTH)


build = BiGAN
