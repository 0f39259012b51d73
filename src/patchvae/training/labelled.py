"""Labelled images, and random parts of those in a training split."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from patchvae.errors import PatchVAEError
from patchvae.seeding import permuted


class Labelled(NamedTuple):
    """Packed images, memory-mapped or on the device, and their labels: by split, `train` and `test`."""

    images: Mapping[str, Tensor]  # (n, S, S, 3) uint8
    labels: Mapping[str, Tensor]  # (n,), below 0 for a training image without one


def labelled_rows(labels: Tensor, least: int = 0) -> Tensor:
    """The rows (k,), ascending, of the images that have a label; labels: (n,), below 0 without one.

    Raises PatchVAEError for fewer than `least`.
    """
    rows = (labels >= 0).nonzero().flatten().cpu()
    if len(rows) < least:
        raise PatchVAEError(f"{least} labelled training images or more are needed, not {len(rows)}")
    return rows


def of_each_class(labels: Tensor, number: int, classes: int, key: str, seed: int, *purpose: str | int) -> Tensor:
    """The rows, ascending, of `number` labelled images of each class, drawn from the random stream of a purpose.

    Of one stream, a larger number includes the images of a smaller one. Raises PatchVAEError naming `key` for a class
    that has fewer images.
    """
    rows, labels = permuted(labelled_rows(labels), seed, *purpose), labels.cpu()
    members = [rows[labels[rows] == label] for label in range(classes)]
    for label, images in enumerate(members):
        if len(images) < number:
            raise PatchVAEError(f"{key}: {number}, but class {label} has {len(images)} images")
    return torch.cat([images[:number] for images in members]).sort().values


def parted(rows: Tensor, held_out: int, seed: int, purpose: str) -> tuple[Tensor, Tensor]:
    """Rows (n,) without the `held_out` that are drawn, and the drawn ones, both ascending.

    Raises PatchVAEError unless fewer are held out than there are.
    """
    if held_out >= len(rows):
        raise PatchVAEError(f"held_out: {held_out}, but there are {len(rows)} labelled training images")
    shuffled = permuted(rows, seed, purpose)
    return shuffled[held_out:].sort().values, shuffled[:held_out].sort().values
