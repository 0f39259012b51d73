"""Parts at a glance: one image, the map of one part in it, and crops of several parts (Fig. 1)."""

from pathlib import Path

import numpy as np

from patchvae.params.measuring import FigureParts
from patchvae.report.figures.canvas import COLUMN, EDGE, LINE, Canvas, Floats, styled
from patchvae.report.figures.survey import Survey, crops, distinct_parts, occurrence_logits, ranked, sigmoid, survey_of

FURTHER = 4  # parts below the first one
TOP, BELOW = 4, 3  # crops along a side of the contact sheets
POOL = 50  # strongest images among which the shown one is chosen
WIDTH = COLUMN - 2 * EDGE


def most_local(seen: Survey, part: int) -> int:
    """The row of the survey to show: among the POOL strongest (at most a twentieth), the one with least lit around."""
    order = ranked(seen.peak[:, part], seen.coverage[:, part])
    pool = order[: max(1, min(POOL, len(order) // 20))]
    return int(pool[np.argmax(sigmoid(seen.peak[pool, part]) - seen.coverage[pool, part])])


def draw_teaser(seen: Survey, shown: int, probabilities: Floats, parts: list[int], crop_cells: float) -> Canvas:
    """Fig. 1: row `shown` of the survey, the map (h, w) of parts[0] in it, and the strongest crops of all parts."""
    side, gap = (WIDTH - 0.2) / 3, 0.02
    small = (WIDTH - 0.1 * (FURTHER - 1)) / FURTHER
    second = LINE + side + 0.05 + LINE
    canvas = Canvas(0, WIDTH, second + small if parts[1:] else LINE + side)

    def sheet(part: int, columns: int, x: float, y: float, width: float) -> None:
        order = ranked(seen.peak[:, part], seen.coverage[:, part])
        found = crops(seen, part, order[order != shown][: columns**2], crop_cells)
        canvas.pictures(found, columns, x, y, (width - (columns - 1) * gap) / columns, gap)

    for column, text in enumerate(("image", f"map of part {parts[0]}", f"crops of part {parts[0]}")):
        canvas.heading(text, column * (side + 0.1), LINE, side)
    canvas.picture(seen.images[seen.places[shown]], 0, LINE, side)
    canvas.picture(probabilities, side + 0.1, LINE, side)
    sheet(parts[0], TOP, 2 * (side + 0.1), LINE, side)
    for column, part in enumerate(parts[1:]):
        canvas.heading(f"part {part}", column * (small + 0.1), second, small)
        sheet(part, BELOW, column * (small + 0.1), second, small)
    return canvas


@styled
def draw(config: FigureParts, data: Path, path: Path, png: Path, pdf: Path) -> None:
    """Draw Fig. 1 for one checkpoint, from its training images; raises PatchVAEError as `survey_of`."""
    model, seen = survey_of(config, data, path, "train")
    parts = distinct_parts(seen, 1 + FURTHER)
    shown = most_local(seen, parts[0])
    logits = next(occurrence_logits(model, seen.images, seen.places[[shown]], config.input_scaling))
    draw_teaser(seen, shown, sigmoid(logits[0, parts[0]]), parts, config.crop_cells).save(png, pdf)
