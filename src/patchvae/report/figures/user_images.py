"""Occurrence maps of a user's images, all parts beside each image (as Fig. 3)."""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from patchvae.data.archives import read_file
from patchvae.data.photos import Undecodable, decode
from patchvae.errors import PatchVAEError
from patchvae.features import load
from patchvae.report.figures.canvas import CELL, FORMATS, GAP, LINE, STEP, Canvas, Floats, Images, styled
from patchvae.report.figures.occurrence_maps import probability_bar

COLUMNS = 8  # maps beside an image; further ones go below
IMAGE = CELL + LINE + STEP  # as high as two rows of maps
BETWEEN = 0.09  # inches: image and maps, two images
TALLEST = 200  # inches, of a page in a PDF
NAME = 17  # characters over an image


def file_heading(name: str) -> str:
    """A file's name as a heading, cut at its beginning: a camera's names differ at their end."""
    name = " ".join(name.encode(errors="replace").decode().split())
    name = name if len(name) <= NAME else "…" + name[1 - NAME :]
    return name.replace("$", r"\$")  # two would enclose a formula


@styled
def draw_maps(names: Sequence[str], images: Images, probabilities: Floats, out: Path) -> None:
    """Draw images (n, S, S, 3), each with its name and beside its occurrence maps (n, N, h, w), as grey levels.

    out: .png or .pdf. Raises PatchVAEError for more images than a page holds, and a file that cannot be written.
    """
    parts = probabilities.shape[1]
    columns = min(COLUMNS, parts)
    maps = math.ceil(parts / columns) * (LINE + STEP) - GAP
    block = max(LINE + IMAGE, maps) + BETWEEN
    most = int(TALLEST / block)
    if len(images) > most:
        raise PatchVAEError(f"{len(images)} images do not fit into one picture, at most {most} do")
    left = IMAGE + BETWEEN
    width = columns * STEP - GAP
    canvas = Canvas(0, left + width, len(images) * block + 0.22)
    for row, name in enumerate(names):
        y = row * block + LINE
        canvas.heading(file_heading(name), 0, y, IMAGE)
        canvas.picture(images[row], 0, y, IMAGE)
        for part in range(parts):
            line, column = divmod(part, columns)
            x, top = left + column * STEP, y + line * (LINE + STEP)
            canvas.heading(f"part {part}", x, top, CELL)
            canvas.picture(probabilities[row, part], x, top)
    # Its last number is centred at its end.
    probability_bar(canvas, left, len(images) * block + 0.01, min(2 * STEP, width) - GAP)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the font lacks some scripts, which become boxes
        canvas.save(out)


def read(path: Path, size: int) -> Images:
    """The pixels (size, size, 3) of an image file, resized and cropped as for packing; smaller ones are enlarged.

    Raises PatchVAEError for a file that is missing or no image.
    """
    try:
        return decode(read_file(path), size, enlarge=True)
    except Undecodable as error:
        raise PatchVAEError(f"the image {path} cannot be decoded: {error}") from error


def draw(checkpoint: Path, paths: Sequence[Path], out: Path) -> None:
    """Draw the occurrence maps of a PatchVAE's checkpoint for image files of any size.

    Raises PatchVAEError for a checkpoint that is no PatchVAE's, an image that cannot be decoded, and an `out` that is
    neither .png nor .pdf, is one of the images, or cannot be written.
    """
    if out.suffix.lower()[1:] not in FORMATS:
        raise PatchVAEError(f"--out: {out} is neither .png nor .pdf")
    if out.resolve() in [path.resolve() for path in paths]:
        raise PatchVAEError(f"--out: {out} is one of the images and would be overwritten")
    phi = load(checkpoint)
    images = np.stack([read(path, phi.image_size) for path in paths])
    # One by one: the memory does not grow with their number
    maps = [phi.occurrence(torch.from_numpy(image[None]).permute(0, 3, 1, 2))[0].numpy() for image in images]
    draw_maps([path.name for path in paths], images, np.stack(maps), out)
