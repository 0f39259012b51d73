"""Crops of all parts that were measured on photographs, beside the same of the untrained model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

from patchvae.data.crops import crop
from patchvae.data.packed import load_manifest, load_split
from patchvae.errors import PatchVAEError
from patchvae.params.measuring import FigureRealParts
from patchvae.records.digests import AGAIN
from patchvae.records.metrics_files import read_metrics
from patchvae.report.figures.canvas import EDGE, GAP, LINE, PAGE, STYLE, Canvas, Images

HEADINGS = {"trained": "trained", "untrained": "untrained: initial weights"}
LABEL, BETWEEN = 0.62, 0.1  # inches


def in_order(parts: Sequence[Mapping[str, Any]]) -> list[int]:
    """The parts by what they say of the class, most bits first, those that are dead last."""
    return sorted(range(len(parts)), key=lambda part: (parts[part]["dead"], -parts[part]["class"]["bits"]))


def label(part: int, block: Mapping[str, Any]) -> str:
    """What stands beside the crops of a part."""
    return f"part {part}{', dead' if block['dead'] else ''}\n{block['class']['bits']:.3f} bits"


def draw_parts(images: Images, content: Mapping[str, Any], crop_cells: float) -> Canvas:
    """The strongest crops of every part, one part per row: trained to the left, untrained to the right.

    images: the test images (n, S, S, 3) that were measured; content: the metrics.
    """
    grid = (content["grid"][0], content["grid"][1])
    shown = len(content["trained"]["parts"][0]["strongest"])
    block = (PAGE - 2 * EDGE - BETWEEN) / 2 - LABEL
    side = (block - (shown - 1) * GAP) / shown
    step = side + 2 * GAP
    rows = len(content["trained"]["parts"])
    canvas = Canvas(LABEL, PAGE - 2 * EDGE - LABEL, LINE + rows * step - 2 * GAP)
    for column, (name, heading) in enumerate(HEADINGS.items()):
        x, parts = column * (block + BETWEEN + LABEL), content[name]["parts"]
        canvas.heading(heading, x, LINE, block)
        for row, part in enumerate(in_order(parts)):
            y = LINE + row * step
            canvas.label(label(part, parts[part]), y, side, x)
            places = (divmod(place, grid[0] * grid[1]) for place in parts[part]["strongest"])
            crops = [crop(images[image], cell, grid, crop_cells) for image, cell in places]
            canvas.pictures(crops, shown, x, y, side, GAP)
    return canvas


@matplotlib.rc_context(STYLE | {"font.size": 6})
def draw(config: FigureRealParts, data: Path, measured: Path, png: Path, pdf: Path) -> None:
    """Draw the crops that a metrics file of rule "real_parts" names.

    data: the packed data set that was measured. Raises PatchVAEError for a file of another kind, other images or
    another size of crops than the measured ones.
    """
    content, split = read_metrics(measured, "real_parts"), load_split(data, "test")
    digest = load_manifest(data)["splits"]["test"]["sha256"]
    if content["data_sha256"]["test"] != digest:
        raise PatchVAEError(f"{measured} was measured on other images than {data} holds: {AGAIN}")
    if content["config"].get("crop_cells") != config.crop_cells:
        raise PatchVAEError(f"{measured} was measured on crops of another size: {AGAIN}")
    draw_parts(split.images, content, config.crop_cells).save(png, pdf)
