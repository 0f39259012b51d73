"""A GPU for each job of a machine, as Snakemake hands out numbers of them and never which.

A job holds a lease on its GPU: a lock (flock) on a file in a folder of this machine. The kernel gives it back when the
process ends, by any signal. Imports no PyTorch, which must not look for GPUs before one is chosen.
"""

import contextlib
import fcntl
import importlib.metadata
import logging
import math
import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from patchvae.errors import PatchVAEError

VISIBLE = "CUDA_VISIBLE_DEVICES"
DEVICE = "PATCHVAE_DEVICE"  # what `--device` is where it is not given
JOBS = "PATCHVAE_GPU_JOBS"  # commands that asked for a GPU and may not do without, with blanks between
PER_GPU = "PATCHVAE_JOBS_PER_GPU"  # how many jobs may share one; 1 by default
LEASES = "PATCHVAE_GPU_LEASES"  # folder of the leases, the same for all jobs of a machine
MPS = "nvidia-cuda-mps-control"  # starts NVIDIA's MPS, and answers about it
# Measured on one H200, see docs/running.md: 661 against 1,778 steps per second of eight trainings, 648 of one alone
TURNS = (
    f"jobs that share a GPU take turns, so together they are about as fast as one; `{MPS} -d`, called before them, has"
    " them compute side by side, eight of these trainings nearly three times as fast"
)
LISTED = re.compile(r"^\s*(GPU|MIG) .*\(UUID: ([^()]+)\)\s*$", re.M)
POLL = 1.0  # seconds between two looks for a free GPU

log = logging.getLogger(__name__)
_held: list[int] = []  # file descriptors, open until the process ends


class Gpu(NamedTuple):
    """value: its name in CUDA_VISIBLE_DEVICES; lease: its name for all jobs of this machine."""

    value: str
    lease: str


def listed() -> list[str]:
    """UUIDs of the GPUs that nvidia-smi lists, in its order; a divided GPU counts as its parts.

    None where there is no nvidia-smi, and where PyTorch is built without CUDA.
    """
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        if importlib.metadata.version("torch").endswith("+cpu"):
            return []
    try:
        done = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    found: list[str] = []
    whole = ""
    for kind, uuid in LISTED.findall(done.stdout):
        if kind == "GPU":
            whole = uuid
        elif whole in found:
            found.remove(whole)
        found.append(uuid)
    return found


def visible() -> list[Gpu]:
    """The GPUs to choose from: those of CUDA_VISIBLE_DEVICES where a person or SLURM has set it, else all."""
    uuids = listed()
    if VISIBLE not in os.environ:
        return [Gpu(uuid, uuid) for uuid in uuids]
    found = []
    for value in os.environ[VISIBLE].split(","):
        value = value.strip()
        if not re.fullmatch("[0-9]+|(GPU|MIG)-.+", value):
            break  # CUDA sees nothing from there on: -1, NoDevFiles
        known = value.isdecimal() and int(value) < len(uuids)
        found.append(Gpu(value, uuids[int(value)] if known else value))
    return found


def jobs_per_gpu() -> int:
    """How many jobs may share a GPU; raises PatchVAEError for a setting that is no such number."""
    text = os.environ.get(PER_GPU, "1")
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) == 0:
        raise PatchVAEError(f"{PER_GPU}: {text!r} is not a whole number from 1 to 999")
    return int(text)


def side_by_side() -> bool:
    """Whether jobs that share a GPU compute at the same time: whether NVIDIA's MPS runs here."""
    try:
        done = subprocess.run([MPS], input="get_server_list\n", capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0


def for_job(job: str, device: str | None) -> str:
    """The device of a job, `--device` or what stands for it; a job that may use a GPU holds one from here on.

    Waits for a free one. To be called before PyTorch looks for GPUs. Raises PatchVAEError where the job asked for a
    GPU, by the resources of its rule, and there is none.
    """
    device = device or os.environ.get(DEVICE) or "auto"
    asked = device == "auto" and job in os.environ.get(JOBS, "").split()
    if device in ("auto", "cuda"):
        lease()
    if not asked:
        return device
    import torch

    if not torch.cuda.is_available():
        raise PatchVAEError(
            f"{job} asked for a GPU and PyTorch sees none on {socket.gethostname()}: with {DEVICE}=cpu in the"
            " environment it runs on the CPU"
        )
    return "cuda"


def lease() -> None:
    """Hold the visible GPU with the fewest jobs, if there is any, and let CUDA see no other.

    Waits while each has as many as may share it, but not for the only one that a person or SLURM has chosen.
    """
    gpus = visible()
    if not gpus:
        return
    most = math.inf if VISIBLE in os.environ and len(gpus) == 1 else jobs_per_gpu()
    chosen = _emptiest(gpus, most)
    if chosen is None:
        log.warning("waits for a free GPU: each of %d has %d jobs at work", len(gpus), most)
    while chosen is None:
        time.sleep(POLL)
        chosen = _emptiest(gpus, most)
    gpu, others = chosen
    os.environ[VISIBLE] = gpu.value
    log.info("uses the GPU %s", gpu.lease)
    if others and not side_by_side():
        log.warning("%d jobs are on that GPU already: %s", others, TURNS)


def _emptiest(gpus: list[Gpu], most: float) -> tuple[Gpu, int] | None:
    """The GPU with the fewest leases, now with one more on it, and their number; None where each has `most`."""
    folder = Path(os.environ.get(LEASES) or f"/tmp/patchvae-{os.getuid()}/gpus")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(folder / "choosing", "a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # one job chooses at a time
            taken = {gpu: _leases_on(folder, gpu) for gpu in gpus}
            gpu, others = min(taken.items(), key=lambda entry: entry[1])
            if others >= most:
                return None
            descriptor, _ = tempfile.mkstemp(dir=folder, prefix=f"{_stem(gpu)}.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise PatchVAEError(
            f"cannot write {folder}, where jobs write down which GPUs they hold ({error.strerror or error}): name"
            f" another folder of this machine in {LEASES}"
        ) from error
    _held.append(descriptor)
    return gpu, others


def _stem(gpu: Gpu) -> str:
    return re.sub(r"[^\w-]", "_", gpu.lease)


def _leases_on(folder: Path, gpu: Gpu) -> int:
    """How many jobs hold a GPU; the files of jobs that ended are deleted."""
    taken = 0
    for path in folder.glob(f"{_stem(gpu)}.*"):
        with open(path) as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
            except BlockingIOError:
                taken += 1
    return taken
