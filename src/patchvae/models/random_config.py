"""What makes a control."""

from typing import Literal

from patchvae.models.network_config import Network
from patchvae.types import Strict


class Born(Strict):
    statistics: Literal["initial", "data"]  # BatchNorm statistics of the untrained network


class RandomNetwork(Network, Born):
    name: Literal["random"]
