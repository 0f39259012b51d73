"""The beta-VAE baseline (eq. 1-3), BiGAN's encoder and generator (Tables 8-11), the controls."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from patchvae.losses import gaussian_kl
from patchvae.models.generators import REDUCED, GlobalDecoder
from patchvae.models.resnet import Backbone, head, initialise


class Output(NamedTuple):
    """What a VAE makes of a batch: x_hat (B, 3, S, S) and its weighted KL terms, one scalar per name."""

    reconstruction: Tensor
    kl: dict[str, Tensor]


class GlobalEncoder(nn.Module):
    """phi, a 1x1 reduction and `heads` valid convolutions: images (B, 3, S, S) -> heads x (B, latent_dim)."""

    def __init__(self, backbone: str, image_size: int, latent_dim: int, heads: int) -> None:
        super().__init__()
        self.backbone = Backbone(backbone)
        grid = image_size // self.backbone.stride
        self.reduce = nn.Sequential(
            nn.Conv2d(self.backbone.channels, REDUCED, 1, bias=False), nn.BatchNorm2d(REDUCED), nn.ReLU()
        )
        self.heads = nn.ModuleList(nn.Conv2d(REDUCED, latent_dim, grid) for _ in range(heads))

    def forward(self, images: Tensor) -> list[Tensor]:
        features = self.reduce(self.backbone(images))
        return [head(features).flatten(1).float() for head in self.heads]


class BetaVAE(nn.Module):
    """Encoder with one Gaussian latent per image, decoder, and beta x KL (eq. 3)."""

    def __init__(self, backbone: str, image_size: int, latent_dim: int, beta: float, init: str) -> None:
        super().__init__()
        self.beta = beta
        # deviation E13: the table's "sigma^2" head holds the logarithm of the variance
        self.encoder = GlobalEncoder(backbone, image_size, latent_dim, heads=2)
        stride = self.encoder.backbone.stride
        self.decoder = GlobalDecoder(latent_dim, image_size // stride, stride)
        initialise(self, init)

    def forward(self, images: Tensor, temperature: float) -> Output:
        """Encode, sample, decode: images (B, 3, S, S); the temperature is PatchVAE's and has no part here."""
        mean, log_variance = self.encoder(images)
        variance = log_variance.exp()
        latent = mean + variance.sqrt() * torch.randn_like(mean)
        return Output(self.decoder(latent), {"kl": self.beta * gaussian_kl(mean, variance)})


class BiGAN(nn.Module):
    """A deterministic encoder and a generator, trained against a joint discriminator (deviation E34)."""

    def __init__(self, backbone: str, image_size: int, latent_dim: int, init: str) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.encoder = GlobalEncoder(backbone, image_size, latent_dim, heads=1)
        stride = self.encoder.backbone.stride
        self.decoder = GlobalDecoder(latent_dim, image_size // stride, stride)
        initialise(self, init)


class Random(nn.Module):
    """The control: phi at its initial weights; `statistics` says whose its BatchNorm statistics are.

    `initial`: those it was born with (0 and 1). `data`: those of the training images, as every pretrained phi has;
    who makes the model has to estimate them.
    """

    def __init__(self, backbone: str, init: str, statistics: str) -> None:
        super().__init__()
        self.statistics = statistics
        self.encoder = nn.ModuleDict({"backbone": Backbone(backbone)})
        initialise(self, init)


class Supervised(nn.Module):
    """phi with a classifier's head, to be trained with labels (deviation E35): images (B, 3, S, S) -> logits."""

    def __init__(
        self, backbone: str, image_size: int, num_classes: int, hidden_dim: int, head_pool: str, init: str
    ) -> None:
        super().__init__()
        phi = Backbone(backbone)
        self.encoder = nn.ModuleDict({"backbone": phi})
        self.head = head(phi, image_size, num_classes, hidden_dim, relu=True, dropout=0.0, pool=head_pool)
        initialise(self, init)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder["backbone"](images))
        return logits
