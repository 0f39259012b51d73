"""The backbone phi: ResNet-18, whole (Table 2) or cut after its second stage ("ResNet-9", Table 12).

Layer by layer the same as torchvision's, as a test checks; importing torchvision takes longer than a small job.
"""

import torch
from torch import Tensor, nn

from patchvae.models.sizes import CHANNELS, STAGES, STRIDES


def initialise(module: nn.Module, init: str) -> None:
    """Initialise in place: `kaiming` (Conv2d normal fan-out, Linear N(0, 0.01^2), zero bias) or `torch` (no change).

    deviation E36: transposed convolutions keep PyTorch's own initialisation, as in the authors' code.
    """
    for child in module.modules():
        if not isinstance(child, (nn.Conv2d, nn.Linear)):
            continue
        if init == "torch":
            child.reset_parameters()
            continue
        if isinstance(child, nn.Linear):
            nn.init.normal_(child.weight, std=0.01)
        else:
            nn.init.kaiming_normal_(child.weight, mode="fan_out", nonlinearity="relu")
        if child.bias is not None:
            nn.init.zeros_(child.bias)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut: (B, C_in, H, W) -> (B, C_out, H/stride, W/stride)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.downsample: nn.Module | None = None
        if stride != 1:
            projection = nn.Conv2d(channels_in, channels_out, 1, stride, bias=False)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(channels_out))

    def forward(self, features: Tensor) -> Tensor:
        shortcut = features if self.downsample is None else self.downsample(features)
        output = self.relu(self.bn1(self.conv1(features)))
        output = self.bn2(self.conv2(output))
        output += shortcut
        return self.relu(output)


def residual_stage(channels_in: int, channels_out: int) -> nn.Sequential:
    """Two residual blocks; the first halves the side if it changes the number of channels."""
    stride = 1 if channels_in == channels_out else 2
    return nn.Sequential(BasicBlock(channels_in, channels_out, stride), BasicBlock(channels_out, channels_out, 1))


class Backbone(nn.Sequential):
    """phi: images (B, 3, H, W) -> features: (B, 128, H/8, W/8) for `resnet9`, (B, 512, H/32, W/32) for `resnet18`.

    `conv1` is the first convolution with its BatchNorm, ReLU and max-pooling; `conv2_3`, `conv4_5`, `conv6_7` and
    `conv8_9` are stages of two residual blocks. A regime freezes the first stages. 683,072 and 11,176,512 parameters.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.channels, self.stride = CHANNELS[name], STRIDES[name]
        first = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.conv1 = nn.Sequential(first, nn.BatchNorm2d(64), nn.ReLU(inplace=True), pool)
        self.conv2_3 = residual_stage(64, 64)
        self.conv4_5 = residual_stage(64, 128)
        if STAGES[name] == 5:
            self.conv6_7 = residual_stage(128, 256)
            self.conv8_9 = residual_stage(256, 512)


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


def count_parameters(module: nn.Module) -> int:
    """Number of weights and biases, trainable or not."""
    return sum(p.numel() for p in module.parameters())


def all_finite(tensors: list[Tensor]) -> bool:
    """Whether no tensor of the list holds NaN or infinity."""
    return bool(torch.stack([t.isfinite().all() for t in tensors]).all())
