"""Parts at a glance: one image, the map of one part in it, and crops of several parts (Fig. 1)."""

from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt

from patchvae.data.packed import load_split
from patchvae.params.drawing import FigureParts
from patchvae.pretrained import load_model
from patchvae.report.figures.canvas import COLUMN, EDGE, LINE, STYLE, Canvas
from patchvae.report.figures.survey import (
    Survey,
    crops,
    distinct_parts,
    occurrence_logits,
    ranked,
    sigmoid,
    survey,
)

FURTHER = 4  # parts below the first one
TOP, BELOW = 4, 3  # crops along a side of the contact sheets
POOL = 50  # strongest images among which the shown one is chosen
WIDTH = COLUMN - 2 * EDGE


def most_local(seen: Survey, part: int) -> int:
    """The row of the survey to show: among the POOL strongest (at most a twentieth), the one with least lit around."""
    order = ranked(seen.peak[:, part], seen.coverage[:, part])
    pool = order[: max(1, min(POOL, len(order) // 20))]
    return int(pool[np.argmax(sigmoid(seen.peak[pool, part]) - seen.coverage[pool, part])])


def strongest_crops(
    images: npt.NDArray[np.uint8], seen: Survey, part: int, count: int, crop_cells: float, without: int
) -> list[npt.NDArray[np.uint8]]:
    """`count` crops (s, s, 3) of the images in which a part fires most strongly, except row `without` of the survey."""
    order = ranked(seen.peak[:, part], seen.coverage[:, part])
    return crops(images, seen, part, order[order != without][:count], crop_cells)


def draw_teaser(
    images: npt.NDArray[np.uint8],
    seen: Survey,
    shown: int,
    probabilities: npt.NDArray[np.float32],
    parts: list[int],
    crop_cells: float,
    png: Path | str,
    pdf: Path | str,
) -> None:
    """Draw Fig. 1: row `shown` of the survey, the map (h, w) of parts[0] in it, and crops of all parts.

    images: (n, S, S, 3), those the survey went through. Raises PatchVAEError for a full disk.
    """
    side, gap = (WIDTH - 0.2) / 3, 0.02
    small = (WIDTH - 0.1 * (FURTHER - 1)) / FURTHER
    second = LINE + side + 0.05 + LINE
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(0, WIDTH, second + small if parts[1:] else LINE + side)
        for column, text in enumerate(("image", f"map of part {parts[0]}", f"crops of part {parts[0]}")):
            canvas.heading(text, column * (side + 0.1), LINE, side)
        canvas.picture(images[seen.places[shown]], 0, LINE, side)
        canvas.picture(probabilities, side + 0.1, LINE, side)
        found = strongest_crops(images, seen, parts[0], TOP**2, crop_cells, shown)
        canvas.pictures(found, TOP, 2 * (side + 0.1), LINE, (side - (TOP - 1) * gap) / TOP, gap)
        for column, part in enumerate(parts[1:]):
            x = column * (small + 0.1)
            canvas.heading(f"part {part}", x, second, small)
            found = strongest_crops(images, seen, part, BELOW**2, crop_cells, shown)
            canvas.pictures(found, BELOW, x, second, (small - (BELOW - 1) * gap) / BELOW, gap)
        canvas.save(png, pdf)


def draw(config: FigureParts, data: Path, path: Path, png: Path, pdf: Path) -> None:
    """Draw Fig. 1 for one checkpoint, from its training images.

    Raises PatchVAEError for a checkpoint of another model, and files that cannot be used.
    """
    model, _ = load_model(path, config, ["patchvae"], "cpu")
    images = load_split(data, "train").images
    seen = survey(model, images, config.input_scaling, config.max_images)
    parts = distinct_parts(seen, 1 + FURTHER)
    shown = most_local(seen, parts[0])
    logits = next(occurrence_logits(model, images, seen.places[[shown]], config.input_scaling))
    draw_teaser(images, seen, shown, sigmoid(logits[0, parts[0]]), parts, config.crop_cells, png, pdf)
