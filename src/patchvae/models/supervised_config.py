"""Settings of a network that is pretrained with labels."""

from typing import Literal

from patchvae.models.network_config import Network
from patchvae.types import Classes, HeadPool, Width


class SupervisedNetwork(Network):
    name: Literal["supervised"]
    hidden_dim: Width
    head_pool: HeadPool
    num_classes: Classes
