"""A figure of square pictures at fixed places, and how every figure is written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from patchvae.files import atomic

Images = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

COLUMN, PAGE = 3.3, 6.9  # inches: one column of a two-column page, and both
CELL = 0.435  # inches; six pictures and the labels make a column
GAP = 0.03
STEP = CELL + GAP
LINE = 0.13  # height of a line of text
EDGE = 0.01  # keeps the outermost frames whole
STYLE: Any = {"font.size": 7, "font.family": "sans-serif", "pdf.fonttype": 42}
STYLE |= {"axes.linewidth": 0.4, "axes.titlesize": 7, "axes.titlepad": 3, "figure.labelsize": 7, "grid.linewidth": 0.3}
STYLE |= {"xtick.major.size": 2, "xtick.major.width": 0.4, "xtick.major.pad": 2}
STYLE |= {"ytick.major.size": 2, "ytick.major.width": 0.4, "ytick.major.pad": 2}
STYLE |= {"lines.linewidth": 0.9, "lines.markeredgewidth": 0.8, "errorbar.capsize": 1.5}
STYLE |= {"legend.frameon": False, "legend.borderaxespad": 0}
styled = matplotlib.rc_context(STYLE)  # decorates what draws a figure and saves it

# Okabe and Ito's, which colour-blind readers can tell apart
BLUE, VERMILION, GREEN, PURPLE, SKY, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"

FORMATS: dict[str, Any] = {
    "png": {"dpi": 200, "metadata": {"Software": None}},
    # Pictures in a PDF are resampled to this resolution; a low one would blur the edges of patches.
    "pdf": {"dpi": 600, "metadata": {"CreationDate": None}},
}


def save(figure: Figure, *paths: Path) -> None:
    """Write a figure to files in the formats that their endings name, the same bytes every time."""
    for path in paths:
        kind = path.suffix.lower()[1:]
        with atomic(path) as partial:
            figure.savefig(partial, format=kind, **FORMATS[kind])


class Canvas:
    """A figure measured in inches from the upper left corner of its first picture; labels are to the left."""

    def __init__(self, label: float, width: float, height: float) -> None:
        self.left, self.width, self.height = label + EDGE, label + width + 2 * EDGE, height + 2 * EDGE
        self.figure = Figure(figsize=(self.width, self.height))

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes of a size in inches."""
        left, bottom = (self.left + x) / self.width, 1 - (EDGE + y + height) / self.height
        return self.figure.add_axes((left, bottom, width / self.width, height / self.height))

    def picture(self, pixels: npt.NDArray[Any], x: float, y: float, side: float = CELL) -> None:
        """Show (h, w, 3) or (h, w) values in [0, 1], or (h, w, 3) uint8, without smoothing."""
        axes = self.axes(x, y, side, side)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])

    def pictures(self, crops: Sequence[Any], columns: int, x: float, y: float, side: float, gap: float) -> None:
        """Show pictures (s, s, 3) in rows of `columns`."""
        for place, crop in enumerate(crops):
            row, column = divmod(place, columns)
            self.picture(crop, x + column * (side + gap), y + row * (side + gap), side)

    def heading(self, text: str, x: float, y: float, width: float) -> None:
        """A line of text centred over `width`, just above y."""
        self._text(text, x + width / 2, y - 0.045, ha="center", va="baseline")

    def label(self, text: str, y: float, side: float = CELL, x: float = 0) -> None:
        """A label left of the row of pictures that starts at (x, y)."""
        self._text(text, x - 0.04, y + side / 2, ha="right", va="center")

    def _text(self, text: str, x: float, y: float, **alignment: Any) -> None:
        place = ((self.left + x) / self.width, 1 - (EDGE + y) / self.height)
        self.figure.text(*place, text, linespacing=1.1, **alignment)

    def save(self, *paths: Path) -> None:
        """Write the figure as `save` does."""
        save(self.figure, *paths)
