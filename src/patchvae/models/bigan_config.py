"""Settings of a BiGAN."""

from typing import Literal

from patchvae.models.network_config import Network
from patchvae.types import Width


class BiGANNetwork(Network):
    name: Literal["bigan"]
    latent_dim: Width
