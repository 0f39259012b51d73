"""The controls: phi without any pretraining."""

from torch import nn

from patchvae.models.resnet import Backbone, initialise
from patchvae.params.model_kinds import RandomNetwork


class Random(nn.Module):
    """The control: phi at its initial weights.

    `statistics` says which BatchNorm statistics it has. `initial`: means 0 and variances 1. `data`: those of the
    training images, as in every pretrained phi; the caller estimates them. image_size: of no meaning for phi.
    """

    def __init__(self, config: RandomNetwork, image_size: int) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"backbone": Backbone(config.backbone)})
        initialise(self, config.init)


build = Random
