"""Occurrence maps of a trained PatchVAE on test images (Fig. 3)."""

from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable

from patchvae.data.packed import load_split
from patchvae.params.measuring import FigureParts
from patchvae.pretrained import load_model
from patchvae.report.figures.canvas import GAP, STEP, Canvas, Floats, Images, styled
from patchvae.report.figures.survey import MEAN_RANGE, informative_parts, occurrence_logits, sigmoid, spread

MAX_IMAGES = 2000  # enough to find where each part fires
PAIRS = 3  # images per part, as in Fig. 3
POOL = 50  # strongest images among which the differing ones are chosen


def strongest_images(images: Images, maps: Floats, used: set[int]) -> list[int]:
    """PAIRS images in which a part fires, unlike each other: images (n, S, S, 3), maps (n, h, w) of the part.

    They are among the POOL images with the highest probability (at most a twentieth of all). The first is the
    strongest, each next one the farthest in pixels from those chosen. Images in `used`, and those where the part fires
    nearly everywhere (mean above MEAN_RANGE), are taken only when no others are left.
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


def probability_bar(canvas: Canvas, x: float, y: float, width: float) -> None:
    """A scale of the grey levels of occurrence maps, 0.21 inches high with its text."""
    axes = canvas.axes(x, y, width, 0.07)
    colorbar = canvas.figure.colorbar(ScalarMappable(cmap="gray"), cax=axes, orientation="horizontal", ticks=[0, 1])
    colorbar.ax.tick_params(length=1.5, width=0.4, pad=1)
    colorbar.ax.text(0.5, -0.45, "probability", ha="center", va="top", transform=colorbar.ax.transAxes)


def draw_occurrence_maps(images: Images, probabilities: Floats, rows: int) -> Canvas:
    """Images beside the occurrence maps of a part, one part per row, as Fig. 3.

    images: (n, S, S, 3); probabilities: Q^O of the same images, (n, N, h, w) in [0, 1], shown as grey levels.
    Parts and images are picked by `informative_parts` and `strongest_images`.
    """
    parts = informative_parts(probabilities.mean(axis=0), probabilities.var(axis=0), rows)
    pair = 2 * STEP + GAP
    used: set[int] = set()
    canvas = Canvas(0.42, PAIRS * pair - 2 * GAP, len(parts) * STEP + 0.22)
    for row, part in enumerate(parts):
        canvas.label(f"part {part}", row * STEP)
        chosen = strongest_images(images, probabilities[:, part], used)
        used.update(chosen)
        for column, image in enumerate(chosen):
            canvas.picture(images[image], column * pair, row * STEP)
            canvas.picture(probabilities[image, part], column * pair + STEP, row * STEP)
    probability_bar(canvas, pair, len(parts) * STEP + 0.01, 2 * STEP - GAP)
    return canvas


@styled
def draw(config: FigureParts, data: Path, path: Path, png: Path, pdf: Path) -> None:
    """Draw Fig. 3 for one checkpoint.

    Raises PatchVAEError for a checkpoint of another model, and files that cannot be used.
    """
    model, _ = load_model(path, config, ["patchvae"])
    images = load_split(data, "test").images
    index = spread(len(images), MAX_IMAGES)
    logits = np.concatenate(list(occurrence_logits(model, images, index, config.input_scaling)))
    draw_occurrence_maps(np.array(images[index]), sigmoid(logits), config.rows).save(png, pdf)
