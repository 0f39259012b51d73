"""Where and how to compute: device, precision, threads."""

import contextlib
import os
import platform
import re
import resource
import sys
from pathlib import Path

import torch

from patchvae.errors import PatchVAEError


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


def memory_format(device: torch.device, precision: str) -> torch.memory_format:
    """How a pretraining's networks and images lie in memory: channels last, but not in float32 on a GPU (slower)."""
    return torch.contiguous_format if device.type == "cuda" and precision == "fp32" else torch.channels_last


def set_convolutions(device: torch.device) -> None:
    """Convolutions on a GPU: `fp32` is float32, and the fastest algorithm is looked for.

    PyTorch's default is TF32, whose products have 10 bits instead of 23. The search pays, as batches are of one size.
    """
    if device.type == "cuda":
        torch.backends.cudnn.conv.fp32_precision = "ieee"  # type: ignore[attr-defined]
        torch.backends.cudnn.benchmark = True


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 matrices in hardware; emulation is slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = _cpuinfo("flags", "Features")  # the latter on ARM
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags.split())


def _cpuinfo(*keys: str) -> str:
    """The first value of any of these keys in /proc/cpuinfo, or nothing."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith(keys):
                return line.partition(":")[2].strip()
    return ""


def pick_precision(name: str, device: torch.device) -> str:
    """Turn `auto` into `bf16` or `fp32` for this device."""
    if name == "auto":
        return "bf16" if has_bfloat16(device) else "fp32"
    return name


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bf16 mixed precision, or none."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def set_threads(threads: int | None) -> int:
    """Limit PyTorch's threads on the CPU; returns how many it uses."""
    if threads:
        torch.set_num_threads(threads)
    return torch.get_num_threads()


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
