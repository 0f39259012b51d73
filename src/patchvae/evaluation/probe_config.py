"""Settings of a linear probe."""

from typing import Annotated, Literal

from pydantic import Field

from patchvae.result import Bits, Count, Measurement, Percent, Positive, RightOrder, Whole
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


class TriedStrength(Strict):
    penalty: Positive = Field(alias="lambda")  # strength of the ridge
    held_out_top1: Percent  # top-1 accuracy on the images held out, percent


class RidgeResult(Measurement):
    """What both kinds of ridge regression say of their features."""

    features: Count  # number of features of an image
    constant_features: Whole  # how many of them are the same for all training images


class ProbeResult(RidgeResult):
    rule: Literal["probe"]  # the workflow's rule that wrote the file
    top1: Percent  # top-1 accuracy on the test images, percent
    top5: Percent  # top-5 accuracy on the test images, percent
    train_top1: Percent  # top-1 accuracy on all labelled training images, percent
    train_count: Annotated[int, Field(ge=2)]  # number of labelled training images, all of which are fitted in the end
    held_out: Count  # how many of them the strength of the ridge was chosen on
    penalty: Positive = Field(alias="lambda")  # the chosen strength of the ridge, relative to the number of images
    lambdas: Annotated[list[TriedStrength], Field(min_length=2)]  # every strength that was tried, smallest first
    at_edge: bool  # whether the chosen strength ends the range that was tried
    right: Bits  # whether each test image was right, in the order that right_order names
    right_order: RightOrder  # ascending by the SHA-256 of each image's pixels and label
