"""Crops of an image around one cell of a grid."""

import numpy as np
import numpy.typing as npt


def crop(image: npt.NDArray[np.uint8], cell: int, grid: tuple[int, int], crop_cells: float) -> npt.NDArray[np.uint8]:
    """The square of `crop_cells` cells centred on one cell of an image (S, S, 3); deviation E37b.

    cell: counted row by row on the grid (h, w). At the border the square is shifted to lie inside the image.
    """
    height, width = image.shape[:2]
    side = min(max(1, round(crop_cells * height / grid[0])), height, width)
    row, column = divmod(int(cell), grid[1])
    top = int((row + 0.5) * height / grid[0] - side / 2)
    left = int((column + 0.5) * width / grid[1] - side / 2)
    top, left = min(max(top, 0), height - side), min(max(left, 0), width - side)
    return image[top : top + side, left : left + side]
