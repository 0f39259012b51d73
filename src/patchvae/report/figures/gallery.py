"""Crops of every part under the classes in which it fires most strongly (Fig. 4)."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import numpy as np
import numpy.typing as npt

from patchvae.data.packed import load_manifest, load_split
from patchvae.params.drawing import FigureParts
from patchvae.pretrained import load_model
from patchvae.report.figures.canvas import EDGE, LINE, PAGE, STYLE, Canvas
from patchvae.report.figures.survey import Survey, crops, distinct_parts, ranked, survey

CLASSES = 7  # per part
SIDE = 2  # crops along a side of a class's contact sheet
NAME = 14  # characters over a contact sheet
LABEL, BETWEEN, GAP = 0.3, 0.09, 0.02  # inches


def class_heading(name: str) -> str:
    """A class name as a heading: `great_white_shark, man-eater` -> `great white s…`."""
    name = name.split(",")[0].replace("_", " ").strip()
    return name if len(name) <= NAME else name[: NAME - 1].rstrip() + "…"


def strongest_classes(
    peak: npt.NDArray[np.float32], coverage: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]
) -> list[tuple[int, npt.NDArray[np.int64]]]:
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


def draw_gallery(
    images: npt.NDArray[np.uint8],
    labels: npt.NDArray[np.int64],
    classes: Sequence[str],
    seen: Survey,
    parts: Sequence[int],
    crop_cells: float,
    png: Path | str,
    pdf: Path | str,
) -> None:
    """Draw Fig. 4, one part per row: images (n, S, S, 3) and labels (n,) are those the survey went through.

    Raises PatchVAEError for a full disk.
    """
    width = PAGE - 2 * EDGE - LABEL
    block = (width - (CLASSES - 1) * BETWEEN) / CLASSES
    side, step = (block - (SIDE - 1) * GAP) / SIDE, LINE + block + 0.06
    with matplotlib.rc_context(STYLE):
        canvas = Canvas(LABEL, width, len(parts) * step - 0.06)
        for row, part in enumerate(parts):
            y = row * step + LINE
            canvas.label(f"part\n{part}", y, block)
            found = strongest_classes(seen.peak[:, part], seen.coverage[:, part], labels[seen.places])
            for column, (label, rows) in enumerate(found):
                x = column * (block + BETWEEN)
                canvas.heading(class_heading(classes[label]), x, y, block)
                canvas.pictures(crops(images, seen, part, rows, crop_cells), SIDE, x, y, side, GAP)
        canvas.save(png, pdf)


def draw(config: FigureParts, data: Path, path: Path, png: Path, pdf: Path) -> None:
    """Draw Fig. 4 for one checkpoint, from its training images.

    Raises PatchVAEError for a checkpoint of another model, and files that cannot be used.
    """
    model, _ = load_model(path, config, ["patchvae"], "cpu")
    split, classes = load_split(data, "train"), load_manifest(data)["classes"]
    seen = survey(model, split.images, config.input_scaling, config.max_images)
    parts = distinct_parts(seen, config.rows)
    draw_gallery(split.images, split.labels, classes, seen, parts, config.crop_cells, png, pdf)
