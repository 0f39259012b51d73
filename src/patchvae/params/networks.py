"""Settings of networks, by kind of model."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from patchvae.models.sizes import STRIDES
from patchvae.params.types import AS_WRITTEN, Backbone, Classes, HeadPool, Heat, Init, Strict, Weight, Width


class Network(Strict):
    name: str  # of its kind
    backbone: Backbone
    init: Init


def refuse_stride(image_size: int, backbone: str) -> None:
    """Raise ValueError for images whose grid of features would not be whole."""
    if image_size % STRIDES[backbone]:
        raise ValueError(f"image_size: {image_size} is not a multiple of {backbone}'s stride {STRIDES[backbone]}")


class BetaVAETerms(Strict):
    beta: Weight  # weight of the KL


class BetaVAENetwork(Network, BetaVAETerms):
    name: Literal["beta-vae"]
    latent_dim: Width


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


class BiGANNetwork(Network):
    name: Literal["bigan"]
    latent_dim: Width


class SupervisedNetwork(Network):
    name: Literal["supervised"]
    hidden_dim: Width
    head_pool: HeadPool
    num_classes: Classes


class BatchNormStatistics(Strict):
    statistics: Literal["initial", "data"]  # BatchNorm statistics of the untrained network


class RandomNetwork(Network, BatchNormStatistics):
    name: Literal["random"]
