"""The controls: phi without any pretraining."""

from typing import Any

from torch import nn

from patchvae.models.resnet import Backbone, initialise


class Random(nn.Module):
    """The control: phi at its initial weights; `statistics` tells its BatchNorm statistics.

    `initial`: those it was born with (0 and 1). `data`: those of the training images, as every pretrained phi has;
    who makes the model has to estimate them.
    """

    def __init__(self, backbone: str, init: str, statistics: str) -> None:
        super().__init__()
        self.statistics = statistics
        self.encoder = nn.ModuleDict({"backbone": Backbone(backbone)})
        initialise(self, init)


def build(image_size: int, **config: Any) -> Random:
    """The model of a `model` block; phi is the same for images of any side."""
    return Random(**config)
