"""The discriminator of the -GAN rows (Appendix A.2)."""

from torch import Tensor, nn


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
        return self.layers(images).float().mean(dim=(1, 2, 3))
