"""How much several trainings at once gain on one GPU: PatchVAE's steps per second, alone and together.

    python benchmarks/sharing.py [--jobs 1 4 8] [--precision auto] [--seconds 5] [--device auto]

Each training is a process of its own on random images of CIFAR-100's size, with one CPU thread. All start at the same
moment. NVIDIA's MPS is used if `nvidia-cuda-mps-control -d` was called before.
"""

import argparse
import multiprocessing
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch

from patchvae.config import load_params
from patchvae.hardware import describe, pick_device, pick_precision, set_convolutions
from patchvae.job_configs import check_config
from patchvae.resolve import resolve
from patchvae.training.pretrain import PretrainTask

ROOT = Path(__file__).resolve().parents[1]
JOB = {"dataset": "cifar100", "variant": "patchvae", "seed": 0}
CONFIG: Any = check_config("pretrain", resolve(load_params([ROOT / "params.yaml"]), "pretrain", JOB))
IMAGES, WARM = 2048, 20  # images to train on; steps before the clock starts, in which cuDNN looks for its algorithms
WAIT = 300  # seconds for the others to be ready, unless one of them has failed


def rate(ready: Barrier, device_name: str, precision: str, seconds: float) -> float:
    """Steps per second of one training, from the moment at which all are ready."""
    torch.set_num_threads(1)
    device = pick_device(device_name)
    set_convolutions(device)
    pixels = torch.randint(0, 256, (IMAGES, 32, 32, 3), dtype=torch.uint8, device=device)
    task = PretrainTask(CONFIG, pixels, None, device, precision)

    def run(first: int, steps: int) -> int:
        for step in range(first, first + steps):
            task.step(step)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return first + steps

    # A training does not wait for its GPU either; here every so often, to look at the clock.
    warm, group = (WARM, 10) if device.type == "cuda" else (1, 1)
    step = start = run(0, warm)
    ready.wait(WAIT)
    began = time.perf_counter()
    while time.perf_counter() - began < seconds:
        step = run(step, group)
    return (step - start) / (time.perf_counter() - began)


def together(jobs: int, *options: Any) -> list[float]:
    """The steps per second of so many trainings at once."""
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    with context.Manager() as manager, context.Pool(jobs) as pool:
        ready = manager.Barrier(jobs)
        return pool.starmap(rate, [(ready, *options)] * jobs, chunksize=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", nargs="+", type=int, default=[1, 4, 8], help="trainings at once")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    device = pick_device(args.device)
    precision = pick_precision(args.precision, device)
    print(f"device {describe(device)}, {precision}, batch {CONFIG.batch_size}")
    first = 0.0
    for jobs in args.jobs:
        total = sum(together(jobs, args.device, precision, args.seconds))
        first = first or total
        print(f"{jobs:3} at once: {total:8.1f} steps/s, {total / first:.2f} times {args.jobs[0]} at once", flush=True)


if __name__ == "__main__":
    main()
