"""The row that is pretrained with the labels of another data set (deviation E35)."""

from torch import Tensor, nn

from patchvae.models.resnet import Backbone, head, initialise
from patchvae.params.model_kinds import SupervisedNetwork


class Supervised(nn.Module):
    """phi with a classifier's head, trained with labels (deviation E35): images (B, 3, S, S) -> logits."""

    def __init__(self, config: SupervisedNetwork, image_size: int) -> None:
        super().__init__()
        phi = Backbone(config.backbone)
        self.encoder = nn.ModuleDict({"backbone": phi})
        self.head = head(
            phi, image_size, config.num_classes, config.hidden_dim, relu=True, dropout=0.0, pool=config.head_pool
        )
        initialise(self, config.init)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.encoder["backbone"](images))


build = Supervised
