"""Settings of a control."""

from typing import Literal

from patchvae.models.network_config import Network
from patchvae.types import Strict


class BatchNormStatistics(Strict):
    statistics: Literal["initial", "data"]  # BatchNorm statistics of the untrained network


class RandomNetwork(Network, BatchNormStatistics):
    name: Literal["random"]
