"""Settings of ridge regression on few labels."""

from typing import Annotated, Literal

from pydantic import Field

from patchvae.evaluation.probe_config import OnFeatures, Strength
from patchvae.run_config import Measured
from patchvae.types import AS_WRITTEN, Classes, Some, Strict

PerClass = Literal["all"] | Annotated[int, Field(ge=1, le=1_000_000)]


class Draws(Strict):
    per_class: Some[PerClass]  # labelled training images of each class: so many, or all
    draws: Annotated[int, Field(ge=1, le=100)]  # how often each number of labels is drawn
    lambdas: Annotated[Some[Strength], Field(min_length=2)]  # strengths of the ridge


class Whitening(Strict):
    whitened_variance: Annotated[
        float, Field(gt=0, le=1), AS_WRITTEN
    ]  # share of the pixels' variance that the whitened components have


class FewLabels(OnFeatures, Draws):
    pass


class FewLabelsOfPixels(Measured, Draws, Whitening):
    variant: Literal["pixels", "pixels-whitened"]
    num_classes: Classes
