"""Where and how to compute: device, precision, threads."""

import contextlib
import os
import platform
import re
import resource
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

from patchvae.errors import PatchVAEError


class Place(NamedTuple):
    """Where and how a job computes."""

    device: torch.device
    precision: str  # bf16 or fp32

    def autocast(self) -> torch.autocast:
        """bf16 mixed precision, or none."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    @property
    def layout(self) -> torch.memory_format:
        """How a pretraining's networks and images lie: channels last, but not in float32 on a GPU (slower)."""
        plain = self.device.type == "cuda" and self.precision == "fp32"
        return torch.contiguous_format if plain else torch.channels_last


def pick_device(name: str) -> torch.device:
    """`auto` is the GPU when there is one; raises PatchVAEError for a device that is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch("cpu|cuda(:[0-9]{1,3})?", name):
        raise PatchVAEError(f"--device: {name!r} is not one of auto, cpu, cuda and cuda:N")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise PatchVAEError(f"--device: {name!r} asked for, but PyTorch sees {torch.cuda.device_count() or 'no'} GPU")
    return device


def set_arithmetic(device: torch.device, deterministic: bool = True) -> None:
    """How a GPU computes: `fp32` is float32, and the same job gives the same bits on one card and PyTorch.

    PyTorch's default for convolutions is TF32, whose products have 10 bits instead of 23. With `deterministic`, cuDNN
    sums in a fixed order, by an algorithm that no measurement of times has chosen. Without it, the fastest algorithm is
    searched for, which pays as batches are of one size. To be called before the GPU is used.
    """
    if device.type == "cuda":
        cudnn: Any = torch.backends.cudnn
        cudnn.conv.fp32_precision = "ieee"
        cudnn.deterministic, cudnn.benchmark = deterministic, not deterministic
        # cuBLAS may else divide its work by what other streams of the process do
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def _cpuinfo(*keys: str) -> str:
    """The first value of any of these keys in /proc/cpuinfo, or nothing."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(keys):
                return line.partition(":")[2].strip()
    return ""


def pick_precision(name: str, device: torch.device, rule: str = "pretrain") -> str:
    """Turn `auto` into `bf16` where it was measured to be faster than `fp32` for jobs of a rule, else into `fp32`.

    See docs/running.md. On CPUs with AMX it is, for every kind of training. With AVX512-BF16 alone, which multiplies in
    hardware too, it is slower, and ARM was not measured. On GPUs with units for bf16 it is for pretrainings, each of
    whose steps is one CUDA graph; classifiers and evaluations were not measured.
    """
    if name != "auto":
        return name
    if device.type == "cuda":
        faster = rule == "pretrain" and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        faster = "amx_bf16" in _cpuinfo("flags").split()
    return "bf16" if faster else "fp32"


def peak_memory(device: torch.device) -> float:
    """The peak memory of this process in MB of 10^6 bytes: on the GPU if it uses one, else RAM."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def describe(device: torch.device) -> str:
    """A device's name, as printed beside results."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    name = _cpuinfo("model name") or platform.processor() or platform.machine()
    return f"{name} ({os.cpu_count()} cores)"
