"""Settings of the measures of parts on photographs."""

from typing import Annotated

from pydantic import Field

from patchvae.run_config import Measured
from patchvae.types import RowName, Strict

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
