"""What the measuring jobs share: a pretrained model in evaluation mode, and packed images batch by batch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from patchvae import checkpoint
from patchvae.data.packed import PackedSplit, load_split
from patchvae.errors import PatchVAEError
from patchvae.models.factory import build_model, network_of
from patchvae.models.scaling import Scaling
from patchvae.run_config import Measured

BATCH = 50


def load_model(
    path: Path, config: Measured, kinds: tuple[str, ...], device: torch.device
) -> tuple[nn.Module, dict[str, Any]]:
    """The model of a pretraining checkpoint in evaluation mode, on a device, and the checkpoint's content.

    kinds: the values of `model.name` that the job can measure.
    Raises PatchVAEError for a model of another kind, and for a checkpoint that is broken or of another model.
    """
    content = checkpoint.load_identified(path, config, {})
    block = content["config"].get("model")
    if not isinstance(block, dict) or "name" not in block:
        raise PatchVAEError(f"checkpoint {path} is of no pretraining: its config has no model")
    if block["name"] not in kinds:
        raise PatchVAEError(f"{config.variant} is a {block['name']}, this needs a {' or '.join(kinds)}")
    model = build_model(network_of(block), config.image_size)
    checkpoint.load_weights(model, content["model"], config.variant)
    return for_measuring(model, device), content


def for_measuring(model: nn.Module, device: torch.device) -> nn.Module:
    """The model on the device in channels-last memory, in evaluation mode (BatchNorm with its running statistics)."""
    return model.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def open_split(data: Path, split: str, config: Measured) -> PackedSplit:
    """One split mapped into memory; raises PatchVAEError when it is broken or its images have another side."""
    opened = load_split(data, split)
    size = opened.images.shape[1]
    if size != config.image_size:
        raise PatchVAEError(f"{data}: images of side {size}, but image_size is {config.image_size}")
    return opened


def batches(images: npt.NDArray[np.uint8], device: torch.device) -> Iterator[Tensor]:
    """Images (n, S, S, 3), of which only a batch at a time is read: uint8 (B, S, S, 3) on the device, in order."""
    for first in range(0, len(images), BATCH):
        yield torch.from_numpy(np.array(images[first : first + BATCH])).to(device)


def to_unit(images: Tensor, scaling: Scaling) -> Tensor:
    """The inverse of a Scaling: network values (B, 3, S, S) -> colours in [0, 1]."""
    return images * scaling.std + scaling.mean
