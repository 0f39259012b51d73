"""Weights of a checkpoint, and networks that take them."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from patchvae.errors import PatchVAEError

Weights = dict[str, torch.Tensor]  # by name, as in a `state_dict`


def load_weights(module: nn.Module, weights: Weights, of: str) -> None:
    """Put the weights of `of` into a network; raises PatchVAEError naming it where they do not fit."""
    try:
        module.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise PatchVAEError(f"the weights of {of} do not fit the network: {reason[:200]}") from error


def backbone_weights(content: dict[str, Any], snapshot: int | None = None) -> Weights:
    """The weights of phi in a pretraining checkpoint: the last ones, or those after the epoch `snapshot`.

    Raises PatchVAEError for an epoch that was not kept.
    """
    if snapshot is not None:
        if snapshot not in content["snapshots"]:
            known = ", ".join(map(str, content["snapshots"])) or "none"
            raise PatchVAEError(f"the checkpoint has no snapshot of epoch {snapshot}, only of {known}")
        return content["snapshots"][snapshot]
    return weights_of("encoder.backbone.", content["model"])


def weights_of(prefix: str, model: Mapping[str, torch.Tensor]) -> Weights:
    """The weights of the part of a model whose names begin so, by the part's own names."""
    return {key.removeprefix(prefix): value for key, value in model.items() if key.startswith(prefix)}
