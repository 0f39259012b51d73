"""The controls: phi without any pretraining."""

from torch import nn

from patchvae.models.random_config import RandomNetwork
from patchvae.models.resnet import Backbone, initialise


class Random(nn.Module):
    """The control: phi at its initial weights; `statistics` tells its BatchNorm statistics.

    `initial`: those it was born with (0 and 1). `data`: those of the training images, as every pretrained phi has;
    who makes the model has to estimate them.
    """

    def __init__(self, config: RandomNetwork) -> None:
        super().__init__()
        self.encoder = nn.ModuleDict({"backbone": Backbone(config.backbone)})
        initialise(self, config.init)


def build(config: RandomNetwork, image_size: int) -> Random:
    """The model of a `model` block; phi is the same for images of any side."""
    return Random(config)
