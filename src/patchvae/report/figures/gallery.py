"""Crops of every part under the classes in which it fires most strongly (Fig. 4)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from patchvae.data.packed import load_manifest, load_split
from patchvae.params.measuring import FigureParts
from patchvae.report.figures.canvas import EDGE, LINE, PAGE, Canvas, Floats, Ints, styled
from patchvae.report.figures.survey import Survey, crops, distinct_parts, ranked, survey_of

CLASSES = 7  # per part
SIDE = 2  # crops along a side of a class's contact sheet
NAME = 14  # characters over a contact sheet
LABEL, BETWEEN, GAP = 0.3, 0.09, 0.02  # inches


def class_heading(name: str) -> str:
    """A class name as a heading: `great_white_shark, man-eater` -> `great white s…`."""
    name = name.split(",")[0].replace("_", " ").strip()
    return name if len(name) <= NAME else name[: NAME - 1].rstrip() + "…"


def strongest_classes(peak: Floats, coverage: Floats, labels: Ints) -> list[tuple[int, Ints]]:
    """The CLASSES classes in which a part fires most strongly, best first, each with its strongest images.

    peak, coverage, labels: (n,), of one part; images without a label (-1) are skipped. Classes are ranked by the
    weakest of their SIDE x SIDE strongest images; those with fewer images come last.
    """
    order = ranked(peak, coverage)
    order = order[labels[order] >= 0]
    candidates = []
    for label in np.unique(labels[order]):
        places = np.flatnonzero(labels[order] == label)[: SIDE**2]
        candidates.append((-len(places), int(places[-1]), int(label), order[places]))
    return [(label, rows) for _, _, label, rows in sorted(candidates, key=lambda found: found[:3])[:CLASSES]]


def draw_gallery(seen: Survey, labels: Ints, classes: Sequence[str], parts: Sequence[int], crop_cells: float) -> Canvas:
    """Fig. 4, one part per row; labels: (m,), of all images of the split."""
    width = PAGE - 2 * EDGE - LABEL
    block = (width - (CLASSES - 1) * BETWEEN) / CLASSES
    side, step = (block - (SIDE - 1) * GAP) / SIDE, LINE + block + 0.06
    canvas = Canvas(LABEL, width, len(parts) * step - 0.06)
    for row, part in enumerate(parts):
        y = row * step + LINE
        canvas.label(f"part\n{part}", y, block)
        found = strongest_classes(seen.peak[:, part], seen.coverage[:, part], labels[seen.places])
        for column, (label, rows) in enumerate(found):
            x = column * (block + BETWEEN)
            canvas.heading(class_heading(classes[label]), x, y, block)
            canvas.pictures(crops(seen, part, rows, crop_cells), SIDE, x, y, side, GAP)
    return canvas


@styled
def draw(config: FigureParts, data: Path, path: Path, png: Path, pdf: Path) -> None:
    """Draw Fig. 4 for one checkpoint, from its training images; raises PatchVAEError as `survey_of`."""
    _, seen = survey_of(config, data, path, "train")
    labels, classes = load_split(data, "train").labels, load_manifest(data)["classes"]
    draw_gallery(seen, labels, classes, distinct_parts(seen, config.rows), config.crop_cells).save(png, pdf)
