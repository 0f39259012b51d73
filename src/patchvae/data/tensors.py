"""Packed arrays as tensors."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from patchvae.errors import PatchVAEError


def open_array(path: Path, device: torch.device) -> Tensor:
    """A packed array as a tensor: on the GPU where it takes less than half of the free memory, else memory-mapped."""
    try:
        # Copy-on-write: PyTorch has no read-only tensors, and warns when it is handed one.
        array = np.load(path, mmap_mode="c")
    except (OSError, ValueError) as error:
        raise PatchVAEError(f"cannot read {path}: {error}") from error
    tensor = torch.from_numpy(array)
    fits = device.type == "cpu" or array.nbytes < torch.cuda.mem_get_info(device)[0] / 2
    return tensor.to(device) if fits else tensor
