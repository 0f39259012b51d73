"""Appearance swaps: what changes, what does not, and which swap is drawn."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from patchvae.models.generators import Decoder
from patchvae.models.patchvae import Posterior
from patchvae.report.figures.appearance_swap import (
    Coded,
    Swap,
    decoded,
    effect,
    encode,
    local_images,
    strongest_swap,
    with_appearance,
)
from patchvae.report.figures.survey import survey


class Painter:
    """A stand-in for a PatchVAE with two parts of three numbers: a cell has the sum of its parts' colours."""

    def decoder(self, code: Tensor) -> Tensor:
        return nn.Upsample(scale_factor=8)(code.unflatten(1, (2, 3)).sum(dim=1))


def coded(occurrence: Tensor, appearance: Tensor) -> Coded:
    return Coded(np.zeros((len(appearance), 32, 32, 3), dtype=np.uint8), occurrence, appearance)


@pytest.mark.parametrize(("scaling", "grey", "white"), [("symmetric", 0.5, 1.0), ("imagenet", 0.406, 0.406 + 0.225)])
def test_decoded_pixels_are_in_the_unit_interval(scaling: str, grey: float, white: float) -> None:
    occurrence = torch.zeros(1, 2, 4, 4)
    occurrence[0, 0, 1, 2] = 1
    appearance = torch.tensor([[[0, -9.0, 1], [0, 0, 0]]])
    pixels = decoded(Painter(), occurrence, appearance, scaling)  # type: ignore[arg-type]
    assert torch.isclose(pixels[0, 2, 0, 0], torch.tensor(grey))
    assert torch.isclose(pixels[0, 2, 8, 16], torch.tensor(white))
    assert pixels[0, 1, 8, 16] == 0


def test_unlit_cells_do_not_change() -> None:
    torch.manual_seed(0)

    class Model:
        decoder = Decoder(6, 8).eval()

    occurrence = torch.rand(1, 2, 4, 4)
    occurrence[0, 0] = 0
    occurrence[0, 0, 0, 0] = 1
    appearance = torch.randn(1, 2, 3)
    swapped = with_appearance(appearance, 0, torch.full((3,), 5.0))
    assert torch.equal(swapped[0], torch.stack([torch.full((3,), 5.0), appearance[0, 1]]))
    before, after = (decoded(Model(), occurrence, z_app, "symmetric") for z_app in (appearance, swapped))  # type: ignore[arg-type]
    change = (after - before).abs().amax(dim=(0, 1))
    assert change[:8, :8].max() > 0.01
    # Three transposed convolutions (4 x 4, stride 2, padding 1) spread a cell over 7 pixels beyond it.
    assert not change[15:].any() and not change[:, 15:].any()


def test_effect() -> None:
    before, maps = torch.zeros(3, 3, 32, 32), torch.zeros(3, 4, 4)
    maps[:, 0, 0] = 1
    after = before.clone()
    after[0, :, :8, :8] = 0.5  # where it is lit
    after[1] = 0.5  # everywhere
    after[2, :, 8:] = 0.5  # 768 of 960 pixels elsewhere
    assert torch.allclose(effect(before, after, maps), torch.tensor([0.5, 0.0, -0.4]))


def test_strongest_swap() -> None:
    occurrence = torch.zeros(5, 2, 4, 4)
    occurrence[:, 0, 0, 0] = torch.tensor([1.0, 1.0, 1.0, 0.5, 1.0])
    appearance = torch.zeros(5, 2, 3)
    # Image 2 is white, image 0 nearly so; on the others, it shows most where they are dark and fully lit.
    appearance[:, 0] = torch.tensor([0.9, -0.6, 1.0, -0.9, -0.8])[:, None]
    total, swap = strongest_swap(Painter(), coded(occurrence, appearance), 0, "symmetric")  # type: ignore[arg-type]
    assert swap == Swap(0, 2, [4, 1, 3])
    assert np.isclose(total, 0.9 + 0.8 + weighted_change(), atol=1e-6)


def weighted_change() -> float:
    """Image 3: a cell of probability one half changes by half of 1.9 / 2; the rest of the weight lies elsewhere."""
    change = 0.5 * 1.9 / 2
    return change - change * 0.5 / 15.5


def test_local_images_fire_strongly_in_few_cells() -> None:
    class Red:
        def encoder(self, images: Tensor) -> Posterior:
            return Posterior(20 * nn.AvgPool2d(8)(images[:, :1]), torch.zeros(0), torch.zeros(0))

    images = np.zeros((4, 32, 32, 3), dtype=np.uint8)
    images[0] = 255  # everywhere
    images[2, :8, :8] = 255
    images[3, :16, :16] = 255
    seen = survey(Red(), images, "symmetric", 4)  # type: ignore[arg-type]
    assert local_images(seen, 0)[:2].tolist() == [2, 3]


def test_encoding_takes_probabilities_and_means() -> None:
    class Model:
        def encoder(self, images: Tensor) -> Posterior:
            return Posterior(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 3), 7.0), torch.full((1, 1, 3), 9.0))

    images: Any = np.zeros((1, 32, 32, 3), dtype=np.uint8)
    found = encode(Model(), images, "symmetric")  # type: ignore[arg-type]
    assert (found.occurrence == 0.5).all() and (found.appearance == 7).all()
