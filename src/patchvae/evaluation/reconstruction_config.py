"""Settings of a measurement of reconstructions."""

from typing import Literal

from patchvae.run_config import Measured
from patchvae.types import Heat, Strict


class Sampling(Strict):
    sample: bool  # reconstruct from sampled latents or from their means
    temperature: Literal["last"] | Heat  # of the relaxed Bernoulli, last or a number from 0.001 to 1000


class Reconstruct(Measured, Sampling):
    pass
