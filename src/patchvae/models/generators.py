"""Decoders (Tables 10, 11) and discriminators (Appendix A.2); s is the stride of phi, 8 or 32."""

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

REDUCED = 64  # channels on the 1x1 side of the global latent


def deconv(channels_in: int, channels_out: int, kernel: int, stride: int = 1, padding: int = 0) -> list[nn.Module]:
    """A bias-free transposed convolution with BatchNorm and LeakyReLU(0.2)."""
    return [
        nn.ConvTranspose2d(channels_in, channels_out, kernel, stride, padding, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.LeakyReLU(0.2, inplace=True),
    ]


class Decoder(nn.Module):
    """G: patch code (B, C, S/s, S/s) -> reconstruction (B, 3, S, S) in [-1, 1].

    Each of log2(s) transposed convolutions doubles the side and halves the channels, which start at 32 s and end at 64.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        # deviation E32: the 1x1 layer is in Tables 10-11 but not in the appendix's prose
        width = 32 * stride
        layers = deconv(channels, width, 1)
        while width > 64:
            layers += deconv(width, width // 2, 4, 2, 1)
            width //= 2
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, 3, 4, 2, 1, bias=False), nn.Tanh())

    def forward(self, code: Tensor) -> Tensor:
        images: Tensor = self.layers(code)
        return images


class GlobalDecoder(nn.Module):
    """G of the beta-VAE and BiGAN: latent (B, latent_dim) -> images (B, 3, S, S) in [-1, 1]; `grid` is S/s."""

    def __init__(self, latent_dim: int, grid: int, stride: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(*deconv(latent_dim, REDUCED, grid))
        self.decoder = Decoder(REDUCED, stride)

    def forward(self, latent: Tensor) -> Tensor:
        images: Tensor = self.decoder(self.expand(latent[:, :, None, None]))
        return images


class Discriminator(nn.Module):
    """D of the -GAN rows: images (B, 3, S, S) -> one logit each (B,).

    deviation E24: the last layer takes 256 channels at every size; the authors' code crashes at 32 and 224.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 64, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(64, 128, 4, 2, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(128, 256, 4, 2, 1, bias=False),
            nn.BatchNorm2d(256),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Conv2d(256, 1, 1, bias=False),
        )

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layers(images).float().mean(dim=(1, 2, 3))
        return logits


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
