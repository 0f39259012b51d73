"""Packed arrays as tensors, whole or batch by batch."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from patchvae.data.packed import load_array

BATCH = 50  # images that are measured at a time


def open_array(path: Path, device: torch.device) -> Tensor:
    """A packed array as a tensor: on the GPU where it takes less than half of the free memory, else memory-mapped."""
    array = load_array(path, "c")  # copy-on-write: PyTorch has no read-only tensors, and warns when it is handed one
    tensor = torch.from_numpy(array)
    fits = device.type == "cpu" or array.nbytes < torch.cuda.mem_get_info(device)[0] / 2
    return tensor.to(device) if fits else tensor


def batches(images: npt.NDArray[np.uint8], device: torch.device) -> Iterator[Tensor]:
    """Images (n, S, S, 3), of which only a batch at a time is read: uint8 (B, S, S, 3) on the device, in order."""
    for first in range(0, len(images), BATCH):
        yield torch.from_numpy(np.array(images[first : first + BATCH])).to(device)
