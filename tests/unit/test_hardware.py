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
    before = settings.conv.fp32_precision, settings.benchmark, settings.deterministic
    yield settings
    settings.conv.fp32_precision, settings.benchmark, settings.deterministic = before


def test_float32_on_a_gpu_is_not_tf32(cudnn: Any) -> None:
    cudnn.conv.fp32_precision = "tf32"
    hardware.set_arithmetic(CPU)
    assert cudnn.conv.fp32_precision == "tf32"
    hardware.set_arithmetic(GPU)
    assert cudnn.conv.fp32_precision == "ieee"
    assert torch.backends.cuda.matmul.fp32_precision in ("none", "ieee")


def test_a_gpu_gives_the_same_bits_again_unless_the_fastest_algorithms_are_wanted(cudnn: Any) -> None:
    hardware.set_arithmetic(GPU, deterministic=True)
    assert cudnn.deterministic and not cudnn.benchmark
    hardware.set_arithmetic(GPU, deterministic=False)
    assert cudnn.benchmark and not cudnn.deterministic


@pytest.mark.parametrize(
    ("flags", "rule", "precision"),
    [
        ("avx2 avx512f avx512_bf16 amx_bf16 amx_tile", "pretrain", "bf16"),
        ("avx2 avx512f avx512_bf16 amx_bf16 amx_tile", "finetune", "bf16"),
        ("avx2 avx512f avx512_bf16", "pretrain", "fp32"),  # slower than float32, as measured
        ("avx2", "pretrain", "fp32"),
        ("", "finetune", "fp32"),
    ],
)
def test_auto_is_what_was_measured_to_be_faster_on_a_cpu(
    flags: str, rule: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "_cpuinfo", lambda *keys: flags)
    assert hardware.pick_precision("auto", CPU, rule) == precision
    assert [hardware.pick_precision(name, CPU, rule) for name in ("fp32", "bf16")] == ["fp32", "bf16"]


@pytest.mark.parametrize("has_units", [True, False])
def test_auto_is_bf16_for_pretrainings_on_a_gpu_with_units_for_it(
    has_units: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_units)
    assert hardware.pick_precision("auto", GPU, "pretrain") == ("bf16" if has_units else "fp32")
    assert hardware.pick_precision("auto", GPU, "finetune") == hardware.pick_precision("auto", GPU, "probe") == "fp32"


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
    assert hardware.Place(device, precision).layout == layout


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
