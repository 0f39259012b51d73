"""Settings of a figure of parts."""

from typing import Annotated

from pydantic import Field

from patchvae.run_config import Measured
from patchvae.types import FigureRows, Strict

CropCells = Annotated[int, Field(ge=1, le=128)]  # side of a crop in cells of the grid


class Shown(Strict):
    rows: FigureRows  # images or parts in a figure
    crop_cells: CropCells  # side of a crop in cells of the grid
    max_images: Annotated[int, Field(ge=10, le=100_000_000)]  # training images searched for crops


class FigureParts(Measured, Shown):
    pass


class FigureRealParts(Strict):
    crop_cells: CropCells
