"""From a resolved configuration to its model."""

from collections.abc import Callable
from typing import Any

from torch import nn

from patchvae.errors import PatchVAEError
from patchvae.models.patchvae import PatchVAE
from patchvae.models.vae import BetaVAE, BiGAN, Random, Supervised

MODELS: dict[str, Callable[..., nn.Module]] = {
    "beta-vae": BetaVAE,
    "patchvae": lambda image_size, temperature, **config: PatchVAE(**config),
    "bigan": BiGAN,
    "supervised": Supervised,
    "random": lambda image_size, **config: Random(**config),
}


def build_model(config: dict[str, Any], image_size: int) -> nn.Module:
    """Build the model of a `model` block (its `name` and arguments) for images of side `image_size`.

    Every model keeps phi under `encoder.backbone`. Raises PatchVAEError for an unknown name or argument.
    """
    arguments = {key: value for key, value in config.items() if key != "name"}
    name = config.get("name")
    if name not in MODELS:
        raise PatchVAEError(f"model.name: unknown model {name!r}, known are {', '.join(sorted(MODELS))}")
    try:
        return MODELS[name](image_size=image_size, **arguments)
    except TypeError as error:
        raise PatchVAEError(f"model: {error}") from error
