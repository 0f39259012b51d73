"""From a resolved configuration to its model."""

import importlib
from typing import Any

from torch import nn

from patchvae.errors import PatchVAEError
from patchvae.models.kinds import KINDS


def build_model(config: dict[str, Any], image_size: int) -> nn.Module:
    """Build the model of a `model` block (its `name` and arguments) for images of side `image_size`.

    Every model keeps phi under `encoder.backbone`. Raises PatchVAEError for an unknown name or argument.
    """
    arguments = {key: value for key, value in config.items() if key != "name"}
    name = config.get("name")
    if name not in KINDS:
        raise PatchVAEError(f"model.name: unknown model {name!r}, known are {', '.join(sorted(KINDS))}")
    try:
        model: nn.Module = importlib.import_module(KINDS[name].model).build(image_size=image_size, **arguments)
    except TypeError as error:
        raise PatchVAEError(f"model: {error}") from error
    return model
