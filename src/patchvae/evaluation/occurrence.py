"""The occurrence maps of a PatchVAE that is measured, and of the same model before training."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from patchvae.data.tensors import batches
from patchvae.hardware import Place
from patchvae.models.scaling import Scaling
from patchvae.params.measuring import Measured
from patchvae.params.model_kinds import Network
from patchvae.pretrained import for_measuring
from patchvae.training.pretrain import estimate_statistics, seeded_model


@torch.no_grad()
def occurrence_logits(encoder: nn.Module, images: npt.NDArray[np.uint8], input_scaling: str, on: Place) -> Tensor:
    """The logits of Q^O in images (n, S, S, 3): (n, N, h, w) in float32 on the CPU."""
    scaling, found = Scaling(input_scaling, on.device), []
    for batch in batches(images, on.device):
        with on.autocast():
            logits = encoder(scaling(batch)).occurrence_logits
        found.append(logits.float().cpu())
    return torch.cat(found).contiguous()


def with_statistics(network: Network, seed: int, pixels: Tensor, config: Measured, on: Place) -> Any:
    """A model at the initial weights of a seed, with BatchNorm statistics of training images (n, S, S, 3).

    Without them, most of the difference to a trained model would be normalisation.
    """
    model = seeded_model(network, config.image_size, seed)
    estimate_statistics(model, pixels, config, on)
    return for_measuring(model, on.device)
