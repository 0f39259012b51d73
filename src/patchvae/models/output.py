"""What every VAE returns."""

from typing import NamedTuple

from torch import Tensor


class Output(NamedTuple):
    """What a VAE makes of a batch: x_hat (B, 3, S, S) and its weighted KL terms, one scalar per name."""

    reconstruction: Tensor
    kl: dict[str, Tensor]
