"""Settings of jobs that measure pretrained models."""

from typing import Annotated, Literal

from pydantic import Field

from patchvae.params.types import (
    AS_WRITTEN,
    Backbone,
    Classes,
    Epochs,
    Heat,
    ImageSize,
    InputScaling,
    Location,
    Name,
    Precision,
    RowName,
    Seed,
    Some,
    Strict,
    said,
)


class Images(Strict):
    dataset: Name
    image_size: ImageSize
    stand_in: bool
    input_scaling: InputScaling
    precision: Precision
    deterministic: bool = True  # on a GPU; left out where it is


class Measured(Images):
    variant: RowName
    seed: Seed


class Pretrained(Strict):
    """The pretraining that phi comes from."""

    dataset: Name
    variant: RowName
    snapshot: Epochs | None  # the epoch after which phi is taken; None: the last


class OnPhi(Measured):
    pretrained: Pretrained
    num_classes: Classes
    backbone: Backbone


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


class Sampling(Strict):
    sample: bool  # reconstruct from sampled latents or from their means
    temperature: Literal["last"] | Heat  # of the relaxed Bernoulli, last or a number from 0.001 to 1000


class Reconstruct(Measured, Sampling):
    pass


class Inception(Strict):
    location: Location  # URL or local file
    checksum: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$"), said("sha256:HEX")]  # sha256:HEX


class PartMeasures(Strict):
    bins: Annotated[int, Field(ge=2, le=1000)]  # equal-count bins of a part's occurrence in an image
    permutations: Annotated[int, Field(ge=20, le=100_000)]  # of the labels, for the information of meaningless parts
    crops: Annotated[int, Field(ge=2, le=10_000)]  # of each part, one per image, whose likeness is measured


class RealParts(Measured, PartMeasures):
    reference: RowName  # in whose features crops are compared
    crop_cells: Annotated[int, Field(ge=1, le=128)]  # side of a crop in cells of the grid
    pool: Annotated[int, Field(ge=1, le=64)]  # side of the grid that features are averaged to
