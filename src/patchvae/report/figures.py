"""The paper's figures of weight masks (Fig. 6) and occurrence maps (Fig. 3)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure

from patchvae.data.masks import laplacian, weight_masks
from patchvae.data.packed import load_array
from patchvae.files import atomic

CELL = 0.435  # inches; six pictures and the labels make a column of a two-column page, 3.3 inches
GAP = 0.03
STEP = CELL + GAP
EDGE = 0.01  # keeps the outermost frames whole
PAIRS = 3  # images per part, as in Fig. 3
POOL = 50  # strongest images among which the differing ones are chosen
MEAN_RANGE = (0.02, 0.6)  # mean probability of a part that neither sleeps nor fires everywhere
STYLE: Any = {"font.size": 7, "font.family": "sans-serif", "pdf.fonttype": 42, "axes.linewidth": 0.4}


class Sheet:
    """A figure of square pictures at fixed places in inches, measured from the upper left one; labels left of them."""

    def __init__(self, label: float, width: float, height: float) -> None:
        self.left, self.width, self.height = label, label + width + EDGE, height + 2 * EDGE
        self.figure = Figure(figsize=(self.width, self.height))

    def axes(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes of a size in inches."""
        left, bottom = (self.left + x) / self.width, 1 - (EDGE + y + height) / self.height
        return self.figure.add_axes((left, bottom, width / self.width, height / self.height))

    def picture(self, pixels: npt.NDArray[Any], x: float, y: float) -> None:
        """Show (h, w, 3) or (h, w) values in [0, 1] without smoothing."""
        axes = self.axes(x, y, CELL, CELL)
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        axes.set(xticks=[], yticks=[])

    def label(self, text: str, y: float) -> None:
        """A label left of the row of pictures that starts at y."""
        place = ((self.left - 0.04) / self.width, 1 - (EDGE + y + CELL / 2) / self.height)
        self.figure.text(*place, text, ha="right", va="center", linespacing=1.1)

    def save(self, png: Path | str, pdf: Path | str) -> None:
        """Write both formats, with nothing in them that changes from run to run."""
        with atomic(png) as partial:
            self.figure.savefig(partial, format="png", dpi=200, metadata={"Software": None})
        with atomic(pdf) as partial:
            # Pictures in a PDF are resampled to this resolution; a low one would blur the edges of patches.
            self.figure.savefig(partial, format="pdf", dpi=600, metadata={"CreationDate": None})


def stretch(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Scale each of (n, h, w, c) to fill [0, 1] for display; a flat one becomes 0."""
    values = pixels.astype(np.float32)
    low, high = (bound(values, axis=(1, 2, 3), keepdims=True) for bound in (np.min, np.max))
    scaled: npt.NDArray[np.float32] = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
    return scaled


def draw_weight_masks(images_path: Path | str, config: Mapping[str, Any], png: Path | str, pdf: Path | str) -> None:
    """Draw images, their Laplacian, weight mask and mask x image, as Fig. 6.

    images_path: .npy, uint8 (n, H, W, 3); config: masks block of params.yaml and `rows`, the number of images, which
    are taken at equal distances from the file. All but the images are scaled to fill [0, 1], each by itself.
    Raises PatchVAEError for a file that cannot be read or written, or masks that do not fit the images.
    """
    stored = load_array(images_path)
    chosen = np.linspace(0, len(stored) - 1, min(config["rows"], len(stored))).round().astype(int)
    images = np.array(stored[chosen])
    masks = weight_masks(images, config["patch_size"], config["per_channel"], config["normalise"]).astype(np.float32)
    edges = laplacian(images)
    if not config["per_channel"]:
        edges = edges.mean(axis=-1, keepdims=True)
    upsampled = masks.repeat(config["patch_size"], axis=1).repeat(config["patch_size"], axis=2)
    rows: dict[str, npt.NDArray[Any]] = {
        "image": images / np.float32(255),
        "Laplacian": stretch(edges),
        "weight\nmask": stretch(upsampled),
        "mask ×\nimage": stretch(upsampled * images),
    }
    with matplotlib.rc_context(STYLE):
        sheet = Sheet(0.51, len(images) * STEP - GAP, len(rows) * STEP - GAP)
        for row, (label, pictures) in enumerate(rows.items()):
            sheet.label(label, row * STEP)
            for column, pixels in enumerate(np.broadcast_to(pictures, images.shape)):
                sheet.picture(pixels, column * STEP, row * STEP)
        sheet.save(png, pdf)


def informative_parts(probabilities: npt.NDArray[np.float32], count: int) -> list[int]:
    """The parts worth a picture, best first: those whose probability at a cell differs most between images.

    probabilities: (n, N, h, w). The variance over images, averaged over cells, is 0 for a part that tells only the
    position. Parts with a mean probability outside MEAN_RANGE come after all others.
    """
    spread = probabilities.var(axis=0).mean(axis=(1, 2))
    mean = probabilities.mean(axis=(0, 2, 3))
    outside = (mean < MEAN_RANGE[0]) | (mean > MEAN_RANGE[1])
    return [int(part) for part in np.lexsort((-spread, outside))[:count]]


def strongest_images(images: npt.NDArray[np.uint8], maps: npt.NDArray[np.float32], used: set[int]) -> list[int]:
    """PAIRS images in which a part fires, unlike each other: images (n, S, S, 3), maps (n, h, w) of the part.

    Among the POOL images with the highest probability (at most a twentieth of all), the first is the strongest and
    each next one the farthest in pixels from those chosen. Images in `used`, and those where the part fires nearly
    everywhere (mean above MEAN_RANGE), serve only when no others are left.
    """
    peak, everywhere = maps.max(axis=(1, 2)), maps.mean(axis=(1, 2)) > MEAN_RANGE[1]
    order = sorted(range(len(maps)), key=lambda image: (image in used, everywhere[image], -peak[image]))
    pool = order[: max(PAIRS, min(POOL, len(order) // 20))]
    pixels = images[pool].reshape(len(pool), -1).astype(np.float32)
    chosen = [0]
    while len(chosen) < min(PAIRS, len(pool)):
        distances = np.min([np.square(pixels - pixels[image]).sum(axis=1) for image in chosen], axis=0)
        distances[chosen] = -1
        chosen.append(int(distances.argmax()))
    return [pool[image] for image in chosen]


def draw_occurrence_maps(
    images: npt.NDArray[np.uint8],
    probabilities: npt.NDArray[np.float32],
    rows: int,
    png: Path | str,
    pdf: Path | str,
) -> None:
    """Draw images beside the occurrence maps of a part, one part per row, as Fig. 3.

    images: (n, S, S, 3); probabilities: Q^O of the same images, (n, N, h, w) in [0, 1], shown as grey levels.
    Parts and images are picked by `informative_parts` and `strongest_images`. Raises PatchVAEError for a full disk.
    """
    parts = informative_parts(probabilities, rows)
    parts = informative_parts(probabilities, rows)
    pair = 2 * STEP + GAP
    used: set[int] = set()
    with matplotlib.rc_context(STYLE):
        sheet = Sheet(0.42, PAIRS * pair - 2 * GAP, len(parts) * STEP + 0.22)
        for row, part in enumerate(parts):
            sheet.label(f"part {part}", row * STEP)
            chosen = strongest_images(images, probabilities[:, part], used)
            used.update(chosen)
            for column, image in enumerate(chosen):
                sheet.picture(images[image] / np.float32(255), column * pair, row * STEP)
                sheet.picture(probabilities[image, part], column * pair + STEP, row * STEP)
        axes = sheet.axes(pair, len(parts) * STEP + 0.01, 2 * STEP - GAP, 0.07)
        colorbar = sheet.figure.colorbar(ScalarMappable(cmap="gray"), cax=axes, orientation="horizontal", ticks=[0, 1])
        colorbar.ax.tick_params(length=1.5, width=0.4, pad=1)
        colorbar.ax.text(0.5, -0.45, "probability", ha="center", va="top", transform=colorbar.ax.transAxes)
        sheet.save(png, pdf)
