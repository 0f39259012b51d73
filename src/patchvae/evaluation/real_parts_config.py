"""Settings of the measures of parts on photographs."""

from typing import Annotated, Literal

from pydantic import Field

from patchvae.result import Count, Measurement, Number, Pretraining, Size, UnitShare, Whole
from patchvae.run_config import Measured
from patchvae.types import ABSENT, RowName, Strict

OCCURS = 0.5  # probability above which a part occurs in a cell
DEAD = 0.001  # a part that occurs in a smaller share of the cells is dead
METHODS = ("trained", "untrained", "kmeans", "shuffled")
SPACES = ("pretrained", "random")  # whose features crops are compared in: those of `reference`, and of a random phi
DISTANCES = ("euclidean", "cosine")


class PartMeasures(Strict):
    bins: Annotated[int, Field(ge=2, le=1000)]  # equal-count bins of a part's occurrence in an image
    permutations: Annotated[int, Field(ge=20, le=100_000)]  # of the labels, for the information of meaningless parts
    crops: Annotated[int, Field(ge=2, le=10_000)]  # of each part, one per image, whose likeness is measured


class RealParts(Measured, PartMeasures):
    reference: RowName  # in whose features crops are compared
    crop_cells: Annotated[int, Field(ge=1, le=128)]  # side of a crop in cells of the grid
    pool: Annotated[int, Field(ge=1, le=64)]  # side of the grid that features are averaged to


class Distances(Strict):
    euclidean: Size  # Euclidean distance of the features
    cosine: Size  # one minus the cosine of the angle between them


class InSpaces(Strict):
    pretrained: Distances  # in the features of the reference
    random: Distances  # in the features of a random phi of another seed


class RandomCrops(Strict):
    distance: Distances  # mean over pairs of random crops
    error: Distances  # its standard deviation from one random set to the next, as a share of it


class RandomInSpaces(Strict):
    pretrained: RandomCrops  # in the features of the reference
    random: RandomCrops  # in the features of a random phi of another seed


class Information(Strict):
    bits: Number  # mutual information with the label less `chance`, in bits; may be below 0
    chance: Size  # its mean over permutations of the labels, in bits
    error: Size  # its standard deviation over those, in bits


class OfLabels(Strict):
    of_class: Information = Field(alias="class")  # with the classes
    superclass: Information = ABSENT  # with the superclasses, where the data set has those


class Part(OfLabels):
    dead: bool  # whether its share is below 0.001
    share: UnitShare  # share of the cells in which its probability is above 0.5
    probability: UnitShare  # its mean probability over images and cells
    deviation: Size  # the standard deviation of its probability over images and cells
    distance: InSpaces  # between its strongest crops, one per image, over that between random ones
    strongest: Annotated[list[Whole], Field(min_length=1)]  # best first: image x cells of the grid + cell, row by row


class PartMeans(Strict):
    all: OfLabels | None  # of all parts
    live: OfLabels | None  # of those that are not dead; null without one


class Parts(Strict):
    parts: Annotated[list[Part], Field(min_length=1)]  # one by one
    mean: PartMeans  # mean information


class RealPartsResult(Measurement):
    rule: Literal["real_parts"]  # the workflow's rule that wrote the file
    reference: Pretraining  # the pretraining in whose features crops are compared
    grid: Annotated[list[Count], Field(min_length=2, max_length=2)]  # rows and columns of the occurrence maps
    random_crops: RandomInSpaces  # random crops of the same images, whose distances all others are divided by
    trained: Parts  # the parts of the model
    untrained: Parts  # those of the model before training, with BatchNorm statistics of the training images
    kmeans: Parts  # as many clusters of raw crops
    shuffled: Parts  # the model's maps, dealt out among the images
