"""Colours as a network sees them (deviation E38)."""

import torch
from torch import Tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Scaling:
    """uint8 images (B, S, S, 3) -> float32 network input (B, 3, S, S) in channels-last memory."""

    def __init__(self, name: str, device: torch.device) -> None:
        mean, std = ((0.5,) * 3, (0.5,) * 3) if name == "symmetric" else (IMAGENET_MEAN, IMAGENET_STD)
        self.std = torch.tensor(std, device=device).view(1, 3, 1, 1)
        self.mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self.scale, self.shift = 1 / (255 * self.std), -self.mean / self.std  # of values from 0 to 255

    def __call__(self, images: Tensor) -> Tensor:
        # The permuted view of an NHWC array already is a channels-last tensor.
        return torch.addcmul(self.shift, images.permute(0, 3, 1, 2).float(), self.scale)

    def to_unit(self, images: Tensor) -> Tensor:
        """Network values (B, 3, S, S) -> colours in [0, 1]."""
        return images * self.std + self.mean
