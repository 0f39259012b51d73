"""Weight masks of L_w (Fig. 6)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from patchvae.data.masks import laplacian, weight_masks
from patchvae.data.packed import load_array
from patchvae.report.figures.canvas import GAP, STEP, Canvas, styled


def stretch(pixels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Scale each of (n, h, w, c) to fill [0, 1] for display; a flat one becomes 0."""
    values = pixels.astype(np.float32)
    low, high = (bound(values, axis=(1, 2, 3), keepdims=True) for bound in (np.min, np.max))
    scaled: npt.NDArray[np.float32] = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
    return scaled


@styled
def draw_weight_masks(images_path: Path, config: Mapping[str, Any], png: Path, pdf: Path) -> None:
    """Draw images, their Laplacian, weight mask and mask x image, as Fig. 6.

    images_path: .npy, uint8 (n, H, W, 3); config: masks block of params.yaml and `rows`, the number of images, which
    are evenly spaced in the file. Everything but the images is scaled to fill [0, 1], each picture by itself.
    Raises PatchVAEError for a file that cannot be read or written.
    """
    stored = load_array(images_path)
    chosen = np.linspace(0, len(stored) - 1, min(config["rows"], len(stored))).round().astype(int)
    images = np.array(stored[chosen])
    masks = weight_masks(images, config).astype(np.float32)
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
    canvas = Canvas(0.51, len(images) * STEP - GAP, len(rows) * STEP - GAP)
    for row, (label, pictures) in enumerate(rows.items()):
        canvas.label(label, row * STEP)
        for column, pixels in enumerate(np.broadcast_to(pictures, images.shape)):
            canvas.picture(pixels, column * STEP, row * STEP)
    canvas.save(png, pdf)
