"""The backbone phi: torchvision's ResNet-18, whole (Table 2) or cut after its second stage ("ResNet-9", Table 12)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torchvision.models import resnet18

from patchvae.models.sizes import CHANNELS, STAGES, STRIDES


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
    """phi: images (B, 3, H, W) -> features: (B, 128, H/8, W/8) for `resnet9`, (B, 512, H/32, W/32) for `resnet18`.

    `conv1` is the first convolution with its BatchNorm, ReLU and max-pooling; `conv2_3`, `conv4_5`, `conv6_7` and
    `conv8_9` are stages of two residual blocks. 683,072 and 11,176,512 parameters.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.channels, self.stride = CHANNELS[name], STRIDES[name]
        net = resnet18(weights=None)
        self.conv1 = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
        self.conv2_3 = net.layer1
        self.conv4_5 = net.layer2
        if STAGES[name] == 5:
            self.conv6_7 = net.layer3
            self.conv8_9 = net.layer4

    def stages(self) -> Iterator[nn.Module]:
        """The pieces that a regime freezes from the left."""
        yield from self.children()

    def forward(self, images: Tensor) -> Tensor:
        for stage in self.stages():
            images = stage(images)
        return images


def head(
    backbone: Backbone, image_size: int, num_classes: int, hidden_dim: int, relu: bool, dropout: float, pool: str
) -> nn.Sequential:
    """Flatten (or average over the grid) -> FC `hidden_dim` -> FC `num_classes` on the features of phi (Table 12).

    deviation E52: the ReLU between the two layers, and dropout before the first, are not in the paper's table.
    deviation E31: `pool` is `flatten` or `average`; the paper does not say how ImageNet's 7 x 7 grid enters the head.
    """
    features = backbone.channels * (1 if pool == "average" else (image_size // backbone.stride) ** 2)
    layers: list[nn.Module] = [nn.AdaptiveAvgPool2d(1)] if pool == "average" else []
    layers.append(nn.Flatten())
    if dropout:
        layers.append(nn.Dropout(dropout))
    layers.append(nn.Linear(features, hidden_dim))
    if relu:
        layers.append(nn.ReLU())
    layers.append(nn.Linear(hidden_dim, num_classes))
    return nn.Sequential(*layers)


class Classifier(nn.Module):
    """phi and a head of two layers (Table 12): images (B, 3, S, S) -> logits (B, classes)."""

    def __init__(
        self,
        backbone: str,
        image_size: int,
        num_classes: int,
        hidden_dim: int = 512,
        relu: bool = True,
        dropout: float = 0.0,
        pool: str = "flatten",
        init: str = "kaiming",
    ) -> None:
        super().__init__()
        self.backbone = Backbone(backbone)
        self.head = head(self.backbone, image_size, num_classes, hidden_dim, relu, dropout, pool)
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
