"""Settings of jobs that measure pretrained models, and of figures of images and parts."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from patchvae.params import types
from patchvae.params.preparing import MaskOptions, PatchSize


class Images(types.Strict):
    dataset: types.Name
    image_size: types.ImageSize
    stand_in: bool
    input_scaling: types.InputScaling
    precision: types.Precision
    deterministic: bool = True  # on a GPU; left out where it is


class Measured(Images):
    variant: types.RowName
    seed: types.Seed


class Pretrained(types.Strict):
    """The pretraining that phi comes from."""

    dataset: types.Name
    variant: types.RowName
    snapshot: types.Epochs | None  # the epoch after which phi is taken; None: the last


class OnPhi(Measured):
    pretrained: Pretrained
    num_classes: types.Classes
    backbone: types.Backbone


Strength = Annotated[float, Field(ge=1e-12, le=1e12), types.AS_WRITTEN]


class Pooled(types.Strict):
    pool: Annotated[int, Field(ge=1, le=64)]  # side of the grid that features are averaged to


class Ridge(Pooled):
    holdout: Annotated[
        float, Field(ge=0.01, le=0.9), types.AS_WRITTEN
    ]  # share of the training images that the strength is chosen on
    lambdas: Annotated[types.Some[Strength], Field(min_length=2)]  # strengths of the ridge


class Probe(OnPhi, Ridge):
    pass


PerClass = Literal["all"] | Annotated[int, Field(ge=1, le=1_000_000)]


class Draws(types.Strict):
    per_class: types.Some[PerClass]  # labelled training images of each class: so many, or all
    draws: Annotated[int, Field(ge=1, le=100)]  # how often each number of labels is drawn
    lambdas: Annotated[types.Some[Strength], Field(min_length=2)]  # strengths of the ridge


class Whitening(types.Strict):
    whitened_variance: Annotated[
        float, Field(gt=0, le=1), types.AS_WRITTEN
    ]  # share of the pixels' variance that the whitened components have


class FewLabels(OnPhi, Pooled, Draws):
    pass


Floor = Literal["pixels", "pixels-whitened"]
FLOORS: tuple[str, ...] = get_args(Floor)  # rows of the tables of few labels that have no network


class FewLabelsOfPixels(Measured, Draws, Whitening):
    variant: Floor
    num_classes: types.Classes


class Sampling(types.Strict):
    sample: bool  # reconstruct from sampled latents or from their means
    temperature: Literal["last"] | types.Heat  # of the relaxed Bernoulli, last or a number from 0.001 to 1000


class Reconstruct(Measured, Sampling):
    pass


class Inception(types.Strict):
    location: types.Location  # URL or local file
    checksum: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$"), types.said("sha256:HEX")]  # sha256:HEX


CropCells = Annotated[int, Field(ge=1, le=128)]  # side of a crop in cells of the grid


class PartMeasures(types.Strict):
    bins: Annotated[int, Field(ge=2, le=1000)]  # equal-count bins of a part's occurrence in an image
    permutations: Annotated[int, Field(ge=20, le=100_000)]  # of the labels, for the information of meaningless parts
    crops: Annotated[int, Field(ge=2, le=10_000)]  # of each part, one per image, whose likeness is measured


class RealParts(Measured, PartMeasures):
    reference: types.RowName  # in whose features crops are compared
    crop_cells: CropCells  # side of a crop in cells of the grid
    pool: Annotated[int, Field(ge=1, le=64)]  # side of the grid that features are averaged to


class Shown(types.Strict):
    rows: types.FigureRows  # images or parts in a figure
    crop_cells: CropCells  # side of a crop in cells of the grid
    max_images: Annotated[int, Field(ge=10, le=100_000_000)]  # training images searched for crops


class FigureParts(Measured, Shown):
    pass


class FigureRealParts(types.Strict):
    crop_cells: CropCells


class FigureMasks(MaskOptions):
    patch_size: PatchSize
    rows: types.FigureRows
