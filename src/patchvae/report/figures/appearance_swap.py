"""Reconstructions in which a part has its appearance from another image (Fig. 5)."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from patchvae.errors import PatchVAEError
from patchvae.models.patchvae import PatchVAE, patch_code
from patchvae.models.scaling import Scaling
from patchvae.params.measuring import FigureParts
from patchvae.report.figures.canvas import COLUMN, EDGE, LINE, Canvas, Images, Ints, styled
from patchvae.report.figures.survey import Survey, informative_parts, network_input, sigmoid, survey_of

TARGETS = 3  # rows of Fig. 5
PARTS = 6  # informative parts that are tried
POOL = 12  # images per part that are tried as sources and as targets


class Coded(NamedTuple):
    """Images and their codes, without noise."""

    images: Images  # (n, S, S, 3)
    occurrence: Tensor  # (n, N, h, w), probabilities
    appearance: Tensor  # (n, N, d_p), posterior means


class Swap(NamedTuple):
    """One source and its targets, as places among coded images, and the part that is swapped."""

    part: int
    source: int
    targets: list[int]


@torch.no_grad()
def encode(model: PatchVAE, images: Images, input_scaling: str) -> Coded:
    """Occurrence probabilities and appearance means of images (n, S, S, 3)."""
    posterior = model.encoder(network_input(images, input_scaling))
    return Coded(images, torch.sigmoid(posterior.occurrence_logits), posterior.mean)


@torch.no_grad()
def decoded(model: PatchVAE, occurrence: Tensor, appearance: Tensor, input_scaling: str) -> Tensor:
    """Reconstructions (n, 3, S, S) in [0, 1] of z_occ (n, N, h, w) and z_app (n, N, d_p)."""
    scaling = Scaling(input_scaling, torch.device("cpu"))
    # deviation E38: with ImageNet's mean and std, the decoder's tanh reaches only a part of [0, 1]
    return scaling.to_unit(model.decoder(patch_code(occurrence, appearance))).clamp(0, 1)


def with_appearance(appearance: Tensor, part: int, of: Tensor) -> Tensor:
    """z_app (n, N, d_p) with one part's vector replaced by `of` (d_p,) everywhere."""
    return appearance.select_scatter(of.expand(len(appearance), -1), dim=1, index=part)


def effect(before: Tensor, after: Tensor, maps: Tensor) -> Tensor:
    """How much more a picture changes where a map is lit than elsewhere: (n, 3, S, S) twice, (n, h, w) -> (n,)."""
    change = (after - before).abs().mean(dim=1)
    lit = F.interpolate(maps[:, None], size=change.shape[1:], mode="nearest")[:, 0]

    def average(weights: Tensor) -> Tensor:
        return (change * weights).sum(dim=(1, 2)) / weights.sum(dim=(1, 2)).clamp(min=1e-7)

    return average(lit) - average(1 - lit)


def local_images(seen: Survey, part: int) -> Ints:
    """The POOL images of a split in which a part fires strongly, but in few cells."""
    contrast = sigmoid(seen.peak[:, part]) - seen.coverage[:, part]
    return seen.places[np.argsort(-contrast, kind="stable")[:POOL]]


def strongest_swap(model: PatchVAE, coded: Coded, part: int, input_scaling: str) -> tuple[float, Swap]:
    """The source and the TARGETS targets with the greatest effect, and the sum of their effects."""
    before = decoded(model, coded.occurrence, coded.appearance, input_scaling)
    best = (-np.inf, Swap(part, 0, []))
    for source, appearance in enumerate(coded.appearance[:, part]):
        after = decoded(model, coded.occurrence, with_appearance(coded.appearance, part, appearance), input_scaling)
        effects = effect(before, after, coded.occurrence[:, part])
        order = [int(image) for image in effects.argsort(descending=True, stable=True) if image != source][:TARGETS]
        total = float(effects[order].sum())
        if total > best[0]:
            best = total, Swap(part, source, order)
    return best


def draw_swap(coded: Coded, swap: Swap, before: npt.NDArray[Any], after: npt.NDArray[Any]) -> Canvas:
    """Fig. 5; before, after: reconstructions (targets, S, S, 3) in [0, 1]."""
    near, far = 0.03, 0.1
    side = (COLUMN - 2 * EDGE - 3 * near - 2 * far) / 6
    columns = np.cumsum([0, *[side + gap for gap in (near, far, near, far, near)]])
    rows = [LINE + row * (side + near) for row in range(len(swap.targets))]
    middle = rows[0] + (rows[-1] - rows[0]) / 2
    maps = coded.occurrence[:, swap.part].numpy()
    part = f"part {swap.part}"
    canvas = Canvas(0, COLUMN - 2 * EDGE, rows[-1] + side)
    for column, text in enumerate(("source", part, "target", part, "before", "after")):
        canvas.heading(text, columns[column], middle if column < 2 else rows[0], side)
    canvas.picture(coded.images[swap.source], columns[0], middle, side)
    canvas.picture(maps[swap.source], columns[1], middle, side)
    for row, target in enumerate(swap.targets):
        for column, pixels in enumerate((coded.images[target], maps[target], before[row], after[row]), 2):
            canvas.picture(pixels, columns[column], rows[row], side)
    return canvas


@styled
def draw(config: FigureParts, data: Path, path: Path, png: Path, pdf: Path) -> None:
    """Draw Fig. 5 for one checkpoint, from test images; raises PatchVAEError as `survey_of`, and for a single image.

    The part, the source and the targets are those whose pictures change most where the part is lit, among PARTS
    informative parts and POOL images each.
    """
    model, seen = survey_of(config, data, path, "test")
    if len(seen.places) < 2:
        raise PatchVAEError(f"{data}: an appearance swap needs at least two test images")
    scaling = config.input_scaling
    found = []
    for part in informative_parts(seen.mean, seen.variance, PARTS):
        coded = encode(model, np.array(seen.images[local_images(seen, part)]), scaling)
        found.append((*strongest_swap(model, coded, part, scaling), coded))
    _, swap, coded = max(found, key=lambda candidate: candidate[0])
    occurrence, appearance = coded.occurrence[swap.targets], coded.appearance[swap.targets]
    swapped = with_appearance(appearance, swap.part, coded.appearance[swap.source, swap.part])
    pictures = (decoded(model, occurrence, code, scaling) for code in (appearance, swapped))
    before, after = (pixels.permute(0, 2, 3, 1).numpy() for pixels in pictures)
    draw_swap(coded, swap, before, after).save(png, pdf)
