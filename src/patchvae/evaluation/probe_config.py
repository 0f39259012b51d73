"""Settings of a linear probe."""

from typing import Annotated

from pydantic import Field

from patchvae.run_config import OnPhi
from patchvae.types import AS_WRITTEN, Some, Strict

Strength = Annotated[float, Field(ge=1e-12, le=1e12), AS_WRITTEN]


class Pooled(Strict):
    pool: Annotated[int, Field(ge=1, le=64)]  # side of the grid that features are averaged to


class Ridge(Pooled):
    holdout: Annotated[
        float, Field(ge=0.01, le=0.9), AS_WRITTEN
    ]  # share of the training images that the strength is chosen on
    lambdas: Annotated[Some[Strength], Field(min_length=2)]  # strengths of the ridge


class OnFeatures(OnPhi, Pooled):
    """A job on the features of a frozen phi."""


class Probe(OnFeatures, Ridge):
    pass
