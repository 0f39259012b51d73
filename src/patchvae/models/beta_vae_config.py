"""Settings of a beta-VAE."""

from typing import Literal

from patchvae.models.network_config import Network
from patchvae.types import Strict, Weight, Width


class BetaVAETerms(Strict):
    beta: Weight  # weight of the KL


class BetaVAENetwork(Network, BetaVAETerms):
    name: Literal["beta-vae"]
    latent_dim: Width
