"""The encoder of one latent per image, the beta-VAE's and BiGAN's (Tables 8, 9)."""

from torch import Tensor, nn

from patchvae.models.generators import REDUCED
from patchvae.models.resnet import Backbone


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
