"""Settings of ridge regression on few labels."""

from typing import Annotated, Literal

from pydantic import Field

from patchvae.evaluation.probe_config import OnFeatures, RidgeResult, Strength
from patchvae.result import Count, Percent, Positive, Whole
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


class Fit(Strict):
    per_class: Literal["all"] | Count  # labelled training images of each class: so many, or all
    draw: Whole  # number of the draw of these images, from 0
    images: Annotated[int, Field(ge=2)]  # number of labelled training images
    top1: Percent  # top-1 accuracy on the test images, percent
    left_out_top1: Percent  # top-1 accuracy on the labelled images, each left out of its fit, percent
    penalty: Positive = Field(alias="lambda")  # the strength at which that is best, relative to the number of images
    at_edge: bool  # whether the chosen strength ends the range that was tried


class FewLabelsResult(RidgeResult):
    rule: Literal["few_labels"]  # the workflow's rule that wrote the file
    fits: Annotated[list[Fit], Field(min_length=1)]  # one fit per draw of each number of labels
