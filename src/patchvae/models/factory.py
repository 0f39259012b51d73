"""From a resolved configuration to its model."""

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from torch import nn

from patchvae.errors import PatchVAEError
from patchvae.params.model_kinds import KINDS, Network


def network_of(block: Mapping[str, Any]) -> Network:
    """The settings in the `model` block of a checkpoint; raises PatchVAEError for any other block."""
    name = block.get("name")
    if name not in KINDS:
        raise PatchVAEError(f"model.name: unknown model {name!r}, known are {', '.join(sorted(KINDS))}")
    try:
        return KINDS[name].network.model_validate(block)
    except ValidationError as error:
        first = error.errors()[0]
        raise PatchVAEError(f"{'.'.join(map(str, ('model', *first['loc'])))}: {first['msg']}") from error


def build_model(network: Network, image_size: int) -> nn.Module:
    """The model for images of side `image_size`, which keeps phi under `encoder.backbone`."""
    return importlib.import_module(KINDS[network.name].model).build(network, image_size)
