"""The controls: phi without any pretraining."""

from torch import nn

from patchvae.models.resnet import Backbone, initialise
from patchvae.params.networks import RandomNetwork


class Random(nn.Module):
    """The control: phi at its initial weights.

    `statistics` says which BatchNorm statistics it has. `initial`: means 0 and variances 1. `data`: those of the
    training images, as in every pretrained phi; the caller estimates them.
    """

    def __init__(self, config: RandomNetwork) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"backbone": Backbone(config.backbone)})
        initialise(self, config.init)


def build(config: RandomNetwork, image_size: int) -> Random:
    """The model of a `model` block; phi is the same for images of any side."""
    return Random(config)
