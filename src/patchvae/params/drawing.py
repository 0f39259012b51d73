"""Settings of figures of images and parts."""

from typing import Annotated

from pydantic import Field

from patchvae.params.measuring import Measured
from patchvae.params.preparing import MaskOptions, PatchSize
from patchvae.params.types import FigureRows, Strict

CropCells = Annotated[int, Field(ge=1, le=128)]  # side of a crop in cells of the grid


class Shown(Strict):
    rows: FigureRows  # images or parts in a figure
    crop_cells: CropCells  # side of a crop in cells of the grid
    max_images: Annotated[int, Field(ge=10, le=100_000_000)]  # training images searched for crops


class FigureParts(Measured, Shown):
    pass


class FigureRealParts(Strict):
    crop_cells: CropCells


class FigureMasks(MaskOptions):
    patch_size: PatchSize
    rows: FigureRows
