"""The features of images under a frozen phi: those of the linear probe, and those in which crops are compared."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from patchvae.hardware import Place
from patchvae.models.resnet import Backbone
from patchvae.models.scaling import Scaling
from patchvae.models.weights import load_weights
from patchvae.pretrained import for_measuring

BATCH = 250


def phi_of(backbone: str, weights: dict[str, Tensor], variant: str) -> Backbone:
    """phi with the weights of a variant; raises PatchVAEError where they do not fit."""
    phi = Backbone(backbone)
    load_weights(phi, weights, variant)
    return phi


class FrozenFeatures:
    """uint8 images (B, S, S, 3) on a device -> features (B, D) in float64: phi's maps, averaged to a grid."""

    def __init__(self, phi: nn.Module, input_scaling: str, pool: int, on: Place) -> None:
        """pool: side of the grid."""
        self.phi, self.scaling, self.pool = for_measuring(phi, on.device), Scaling(input_scaling, on.device), pool
        self.on = on

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        with self.on.autocast():
            maps = self.phi(self.scaling(images))
        return pooled(maps, self.pool)

    def batches(self, images: Tensor, rows: Tensor) -> Iterator[Tensor]:
        """The features of the images of these rows (n,), batch by batch: all of ImageNet's would take 84 GB."""
        for index in rows.split(BATCH):
            yield self(images[index.to(images.device)].to(self.on.device))


def pooled(maps: Tensor, pool: int) -> Tensor:
    """Maps (B, C, h, w) averaged to a grid of side `pool`, if theirs is not smaller: (B, D) in float64."""
    return F.adaptive_avg_pool2d(maps.float(), min(pool, *maps.shape[2:])).flatten(1).double()
