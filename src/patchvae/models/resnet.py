"""The backbone phi: torchvision's ResNet-18 cut after its second stage ("ResNet-9", Table 12)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

BACKBONE_CHANNELS = 128  # d_e
STRIDE = 8  # deviation E27: the paper's table lists stride 1 for Conv4-5, its counts need 2

# deviation E28, E55: "Conv k" counts residual blocks; a regime freezes phi up to and with this child
REGIMES = {"conv1": 1, "conv1-3": 2, "conv1-5": 3}


def initialise(module: nn.Module, init: str) -> None:
    """Initialise in place: `kaiming` (Conv2d normal fan-out, Linear N(0, 0.01^2), zero bias) or `torch` (no change).

    deviation E36: transposed convolutions keep PyTorch's own initialisation, as in the authors' code.
    """
    if init == "torch":
        for child in module.modules():
            if isinstance(child, (nn.Conv2d, nn.Linear)):
                child.reset_parameters()
        return
    for child in module.modules():
        if isinstance(child, nn.Conv2d):
            nn.init.kaiming_normal_(child.weight, mode="fan_out", nonlinearity="relu")
            if child.bias is not None:
                nn.init.zeros_(child.bias)
        elif isinstance(child, nn.Linear):
            nn.init.normal_(child.weight, std=0.01)
            nn.init.zeros_(child.bias)


class Backbone(nn.Module):
    """phi: images (B, 3, H, W) -> features (B, 128, H/8, W/8); 683,072 parameters.

    `conv1` is the first convolution with its BatchNorm, ReLU and max-pooling; `conv2_3` and `conv4_5` are stages of
    two residual blocks.
    """

    def __init__(self) -> None:
        super().__init__()
        net = resnet18(weights=None)
        self.conv1 = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.conv2_3 = net.layer1
        self.conv4_5 = net.layer2

    def stages(self) -> Iterator[nn.Module]:
        """The three pieces that a regime freezes from the left."""
        yield from (self.conv1, self.conv2_3, self.conv4_5)

    def forward(self, images: Tensor) -> Tensor:
        for stage in self.stages():
            images = stage(images)
        return images


class Classifier(nn.Module):
    """phi -> flatten -> FC `hidden_dim` -> FC `num_classes` (Table 12): images (B, 3, S, S) -> logits (B, classes).

    deviation E52: the ReLU between the two layers, and dropout before the first, are not in the paper's table.
    """

    def __init__(
        self,
        image_size: int,
        num_classes: int,
        hidden_dim: int = 512,
        relu: bool = True,
        dropout: float = 0.0,
        init: str = "kaiming",
    ) -> None:
        super().__init__()
        self.backbone = Backbone()
        features = BACKBONE_CHANNELS * (image_size // STRIDE) ** 2
        layers: list[nn.Module] = [nn.Flatten()]
        if dropout:
            layers.append(nn.Dropout(dropout))
        layers.append(nn.Linear(features, hidden_dim))
        if relu:
            layers.append(nn.ReLU())
        layers.append(nn.Linear(hidden_dim, num_classes))
        self.head = nn.Sequential(*layers)
        initialise(self, init)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.head(self.backbone(images))
        return logits


def count_parameters(module: nn.Module) -> int:
    """Number of weights and biases, trainable or not."""
    return sum(p.numel() for p in module.parameters())


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether no tensor of the list holds NaN or infinity."""
    return bool(torch.stack([t.isfinite().all() for t in tensors]).all())
