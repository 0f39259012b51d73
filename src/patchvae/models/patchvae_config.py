"""Settings of a PatchVAE."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from patchvae.models.network_config import Network
from patchvae.types import AS_WRITTEN, Heat, Strict, Weight, Width

NumParts = Annotated[int, Field(ge=2, le=4096)]  # the prior 1/N of a single one would be 1
# The logarithms of the prior and of what is left of 1 are numbers of float32.
Probability = Annotated[float, Field(ge=1e-6, le=0.999999), AS_WRITTEN]


class Temperature(Strict):
    start: Heat  # temperature at step 0
    rate: Annotated[float, Field(ge=0, le=1), AS_WRITTEN]  # exponential decay per step
    floor: Heat  # smallest temperature
    schedule: Literal["exponential", "compounding"]  # form of the decay
    interval: Annotated[int, Field(ge=1, le=1_000_000_000)]  # steps between updates

    @model_validator(mode="after")
    def it_falls(self) -> Self:
        if self.floor > self.start:
            raise ValueError(f"floor: {self.floor} is above start = {self.start}")
        return self


class PatchVAETerms(Strict):
    beta_app: Weight  # weight of the appearance KL
    beta_occ: Weight  # weight of the occurrence KL
    occurrence_prior: (
        Literal["1/N"] | Probability
    )  # 1/N or a number from 0.000001 to 0.999999, whose logarithms float32 can hold
    occurrence_kl: Literal["sum", "mean"]  # reduction over cells and parts
    hard_occurrence: bool  # threshold z_occ with a straight-through gradient
    detach_occurrence: bool  # no gradient through the pooling weights
    temperature: Temperature  # of the relaxed Bernoulli


class PatchVAENetwork(Network, PatchVAETerms):
    name: Literal["patchvae"]
    num_parts: NumParts
    part_dim: Width
