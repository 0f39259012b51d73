"""Decoders (Tables 10, 11), and what a VAE returns; s is the stride of phi, 8 or 32."""

from typing import NamedTuple

from torch import Tensor, nn

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
        return self.layers(code)


class GlobalDecoder(nn.Module):
    """G of the beta-VAE and BiGAN: latent (B, latent_dim) -> images (B, 3, S, S) in [-1, 1]; `grid` is S/s."""

    def __init__(self, latent_dim: int, grid: int, stride: int) -> None:
        super().__init__()
        self.expand = nn.Sequential(*deconv(latent_dim, REDUCED, grid))
        self.decoder = Decoder(REDUCED, stride)

    def forward(self, latent: Tensor) -> Tensor:
        return self.decoder(self.expand(latent[:, :, None, None]))


class Output(NamedTuple):
    """What a VAE makes of a batch: x_hat (B, 3, S, S) and its weighted KL terms, one scalar per name."""

    reconstruction: Tensor
    kl: dict[str, Tensor]
