"""Weights of a checkpoint, and networks that take them."""

from typing import Any

import torch
from torch import nn

from patchvae.errors import PatchVAEError


def load_weights(module: nn.Module, weights: dict[str, torch.Tensor], of: str) -> None:
    """Put the weights of `of` into a network; raises PatchVAEError naming it where they do not fit."""
    try:
        module.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise PatchVAEError(f"the weights of {of} do not fit the network: {reason[:200]}") from error


def backbone_weights(content: dict[str, Any], snapshot: int | None = None) -> dict[str, torch.Tensor]:
    """The weights of phi in a pretraining checkpoint: the last ones, or those after the epoch `snapshot`.

    Raises PatchVAEError for an epoch that was not kept.
    """
    if snapshot is not None:
        if snapshot not in content["snapshots"]:
            known = ", ".join(map(str, content["snapshots"])) or "none"
            raise PatchVAEError(f"the checkpoint has no snapshot of epoch {snapshot}, only of {known}")
        weights: dict[str, torch.Tensor] = content["snapshots"][snapshot]
        return weights
    prefix = "encoder.backbone."
    return {key.removeprefix(prefix): value for key, value in content["model"].items() if key.startswith(prefix)}
