"""How a GPU computes; but for one test, as far as that shows on a machine without one."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from patchvae import hardware
from patchvae.models.resnet import Backbone

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def cudnn() -> Iterator[Any]:
    """cuDNN's settings, put back afterwards; no GPU is needed to read and write them."""
    settings: Any = torch.backends.cudnn
    before = settings.conv.fp32_precision, settings.benchmark
    yield settings
    settings.conv.fp32_precision, settings.benchmark = before


def test_float32_on_a_gpu_is_not_tf32(cudnn: Any) -> None:
    cudnn.conv.fp32_precision = "tf32"
    hardware.set_arithmetic(CPU)
    assert cudnn.conv.fp32_precision == "tf32"
    hardware.set_arithmetic(GPU)
    assert cudnn.conv.fp32_precision == "ieee"
    assert cudnn.benchmark
    assert torch.backends.cuda.matmul.fp32_precision in ("none", "ieee")


@pytest.mark.parametrize(
    ("device", "precision", "layout"),
    [
        (CPU, "fp32", torch.channels_last),
        (CPU, "bf16", torch.channels_last),
        (GPU, "bf16", torch.channels_last),
        (GPU, "fp32", torch.contiguous_format),
    ],
)
def test_channels_come_first_where_cudnn_wants_them_so(
    device: torch.device, precision: str, layout: torch.memory_format
) -> None:
    assert hardware.memory_format(device, precision) == layout


@pytest.mark.gpu
def test_phi_in_float32_agrees_with_float64(cudnn: Any) -> None:
    """TF32 would be off by 1e-3."""
    torch.manual_seed(0)
    phi, images = Backbone("resnet9").train(), torch.rand(64, 3, 32, 32)
    with torch.no_grad():
        exact = copy.deepcopy(phi).double()(images.double())
        hardware.set_arithmetic(GPU)
        found = phi.to(GPU)(images.to(GPU)).cpu().double()
    assert (found - exact).norm() < 1e-5 * exact.norm()
