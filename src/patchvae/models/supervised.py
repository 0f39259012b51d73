"""The row that is pretrained with the labels of another data set (deviation E35)."""

from typing import Any

from torch import Tensor, nn

from patchvae.models.resnet import Backbone, head, initialise


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


def build(image_size: int, **config: Any) -> Supervised:
    """The model of a `model` block for images of this side."""
    return Supervised(image_size=image_size, **config)
