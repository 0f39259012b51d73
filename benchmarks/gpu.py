"""How busy trainings keep a GPU: steps per second one by one, as CUDA graphs, and several at once. Some three minutes.

    git worktree add /tmp/before 7c10661
    python benchmarks/gpu.py [--against /tmp/before] [--mps] [--only patchvae conv1-5] [--seconds 0.7]

Needs PyTorch, pydantic and ruamel.yaml. Trainings are those of CIFAR-100 on random images, by patchvae's own loop, with
all that it does at the ends of epochs. The columns:

plain     each step launched kernel by kernel; `before` is the same by the code of --against
graph     one CUDA graph a step, which is what trainings do; `free` without `deterministic`
kernels   milliseconds of a plain step's kernels, by PyTorch's profiler
busy      the share of the time in which those kernels run, at the speed of `graph`

Then several trainings at once, each a process of its own, under NVIDIA's MPS if it runs or with --mps, which starts it
and stops it again; what a job does before its first step; and the plain recipe of benchmarks/training.py. Ratios are of
one run on one card. The last lines say which targets were met.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import torch
from trainings import PRETRAININGS, TRAINED, Clock, Enough, params_of, task_of, train

from patchvae.hardware import describe, pick_device, set_arithmetic
from patchvae.jobs.gpus import MPS

ROOT = Path(__file__).resolve().parents[1]
PROFILED = 20  # steps
TRAININGS = ["patchvae", "patchvae-gan+lw", "beta-vae", "bigan", "labelled"]
HEADS = [f"head table12 {regime}" for regime in ("conv1-5", "conv1-3", "conv1", "none")]
TOGETHER = [  # training, precision, how many at once
    ("patchvae", "bf16", 1),
    ("patchvae", "bf16", 4),
    ("patchvae", "bf16", 8),
    ("patchvae", "fp32", 1),
    ("patchvae", "fp32", 8),
    ("head table12 conv1-5", "fp32", 8),
]


class Profiler(Clock):
    """Adds up the time of the kernels of PROFILED steps, after it has counted."""

    def __init__(self, device: torch.device, seconds: float) -> None:
        super().__init__(device, seconds)
        kind = torch.profiler.ProfilerActivity.CUDA if device.type == "cuda" else torch.profiler.ProfilerActivity.CPU
        self.profile, self.left, self.milliseconds = torch.profiler.profile(activities=[kind]), -1, 0.0

    def step(self) -> None:
        if self.left < 0:
            try:
                super().step()
            except Enough:
                self.left = PROFILED
                self.profile.start()
            return
        self.left -= 1
        if self.left == 0:
            self.wait()
            self.profile.stop()
            events = self.profile.key_averages()
            if self.device.type == "cuda":  # without the calls that launch and wait, which the profiler lists, too
                kernels = [event for event in events if event.device_type == torch.autograd.DeviceType.CUDA]
                busy = sum(event.self_device_time_total for event in kernels if not event.is_user_annotation)
            else:
                busy = sum(event.self_cpu_time_total for event in events)
            self.milliseconds = busy / PROFILED / 1000
            raise Enough


def plainly(work: Any) -> Any:
    """In place of a recorder of graphs."""
    raise RuntimeError("plain steps are measured")


def watched(watch: Clock, name: str, precision: str, folder: Path, images: int, **options: Any) -> None:
    """Train until the watch has seen enough."""
    changes = {} if options.pop("deterministic", True) else {"deterministic": False}
    set_arithmetic(watch.device, not changes)
    task = task_of(params_of(ROOT), name, images, watch.device, precision, folder, epochs=200, **changes)
    with contextlib.suppress(Enough):
        train(task, watch.device, name, watch, save_every=1e9, **options)


def alone(name: str, precision: str, device: torch.device, folder: Path, images: int, seconds: float) -> dict[str, Any]:
    """One line of the first table."""
    plain, graph, free = Profiler(device, seconds), Clock(device, seconds), Clock(device, seconds)
    watched(graph, name, precision, folder, images)
    if precision == "fp32":  # in bf16 a fixed order costs nothing
        watched(free, name, precision, folder, images, deterministic=False)
    watched(plain, name, precision, folder, images, recorder=plainly)  # last, as a profiler leaves its traces
    busy = graph.rate * plain.milliseconds / 1000
    rates = {"plain": plain.rate, "graph": graph.rate, "free": free.rate or None}
    return rates | {"kernels": plain.milliseconds, "busy": busy, "note": graph.notes[-1]}


def before(
    place: Path, names: list[str], device: str, folder: Path, images: int, seconds: float
) -> dict[tuple[str, str], float]:
    """Steps per second by the code of another checkout, in a process of its own."""
    path = os.pathsep.join(filter(None, [str(place / "src"), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    script = str(Path(__file__).with_name("trainings.py"))
    command = [sys.executable, script, str(place), device, str(folder), str(images), str(seconds), *names]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return {(line[0], line[1]): line[2] for line in map(json.loads, done.stdout.splitlines())}


_ready: list[Barrier] = []  # in a process of one of several trainings


def be_one(ready: Barrier) -> None:
    """Begins such a process."""
    _ready.append(ready)


def rate(name: str, precision: str, device: str, folder: Path, images: int, seconds: float) -> float:
    """Steps per second of one of several trainings, from the moment at which all are ready."""
    torch.set_num_threads(1)
    clock = Clock(pick_device(device), seconds, _ready[0])
    watched(clock, name, precision, folder, images)
    return clock.rate


def together(count: int, *options: Any) -> float:
    """Steps per second of so many trainings at once, all together."""
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    with context.Pool(count, be_one, (context.Barrier(count),)) as pool:
        return sum(pool.starmap(rate, [options] * count, chunksize=1))


START = """
import json, sys, time
began, name, precision, device, folder, images = float(sys.argv[1]), *sys.argv[2:]
times = {}
def mark(what):
    times[what] = time.time() - began
sys.path.insert(0, BENCHMARKS)
import torch
mark("PyTorch")
import gpu
from pathlib import Path
mark("patchvae")
device = gpu.pick_device(device)
torch.zeros(1, device=device)
mark("the GPU's context")
class Marks(gpu.Clock):
    def begin(self, *of):
        mark("data, networks, features")
    def step(self):
        self.done += 1
        if self.done in (1, 5):
            self.wait()
            mark({1: "first step", 5: "recorded"}[self.done])
        if self.done == 5:
            raise gpu.Enough
gpu.watched(Marks(device, 0.0), name, precision, Path(folder), int(images))
print(json.dumps(times))
"""


def start_up(name: str, precision: str, device: str, folder: Path, images: int) -> dict[str, float]:
    """Seconds from the start of a process at which each part was done."""
    code = START.replace("BENCHMARKS", repr(str(Path(__file__).parent)))
    command = [sys.executable, "-c", code, str(time.time()), name, precision, device, str(folder), str(images)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", type=Path, help="a checkout whose plain steps are measured, too")
    parser.add_argument("--only", nargs="*", metavar="WORD", help="only trainings in whose names a word occurs")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--images", type=int, default=TRAINED, help="to train on")
    parser.add_argument("--mps", action="store_true", help="start NVIDIA's MPS for trainings at once, and stop it")
    parser.add_argument("--device", default="cuda")
    args = parser.parse_args()
    names = [name for name in (*TRAININGS, *HEADS) if not args.only or any(word in name for word in args.only)]
    device = pick_device(args.device)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        began = time.perf_counter()
        print(f"{describe(device)}, PyTorch {torch.__version__}, batch 128, steps per second", flush=True)
        older = (
            before(args.against.resolve(), names, args.device, folder, args.images, args.seconds)
            if args.against
            else {}
        )
        rows = one_by_one(names, older, device, folder, args.images, args.seconds)
        rates = at_once(args, device, folder)
        for name, precision in ((HEADS[0], "fp32"), ("patchvae", "bf16")):
            if name in names:
                times = start_up(name, precision, args.device, folder, args.images)
                print(f"start of {name}, s:", ", ".join(f"{what} {seconds:.1f}" for what, seconds in times.items()))
        if not args.only:
            script = [sys.executable, str(ROOT / "benchmarks/training.py"), "--device", args.device, "--rounds", "2"]
            print("plain recipe:", flush=True)
            subprocess.run([*script, "--steps", "20"], check=True)
        targets(rows, rates)
        print(f"all in {time.perf_counter() - began:.0f} s")


def one_by_one(
    names: list[str],
    older: dict[tuple[str, str], float],
    device: torch.device,
    folder: Path,
    images: int,
    seconds: float,
) -> list[dict[str, Any]]:
    """Print the first table; returns its lines."""
    print(f"{'alone':24} {'':4} {'before':>8} {'plain':>8} {'graph':>8} {'free':>8} {'kernels':>8} {'busy':>5}")
    rows = []
    for name in names:
        for precision in ("bf16", "fp32"):
            row = alone(name, precision, device, folder, images, seconds)
            row |= {"name": name, "precision": precision, "before": older.get((name, precision))}
            rows.append(row)
            speeds = (f"{row[key]:8.0f}" if row[key] else " " * 8 for key in ("before", "plain", "graph", "free"))
            times = f"{row['kernels']:8.3f} {100 * row['busy']:4.0f}%"
            print(f"{name:24} {precision:4}", *speeds, times, row["note"], flush=True)
    return rows


def at_once(args: argparse.Namespace, device: torch.device, folder: Path) -> dict[tuple[str, str, int], float]:
    """Print the second table; returns its rates by training, precision and number."""
    rates: dict[tuple[str, str, int], float] = {}
    if args.mps:
        subprocess.run([MPS, "-d"], check=True)
    try:
        for name, precision, count in TOGETHER:
            if args.only and not any(word in name for word in args.only):
                continue
            total = together(count, name, precision, args.device, folder, args.images, 4 * args.seconds)
            rates[name, precision, count] = total
            print(f"{name}, {precision}: {count} at once {total:8.0f}", flush=True)
    finally:
        if args.mps:
            subprocess.run([MPS], input="quit\n", text=True, check=False)
    return rates


def targets(rows: list[dict[str, Any]], rates: dict[tuple[str, str, int], float]) -> None:
    """Say of each target whether it was met."""

    def verdict(what: str, found: float, wanted: float) -> None:
        print(f"{'met   ' if found >= wanted else 'MISSED'} {what}: {found:.2f}, wanted {wanted}")

    for row in rows:
        label = f"{row['name']}, {row['precision']}"
        verdict(f"{label}: share of the time in which kernels run", row["busy"], 0.85)
        if row["before"] and (row["name"] in PRETRAININGS or row["name"] == HEADS[0]):
            wanted = 10 if row["name"] == HEADS[0] else 5 if row["precision"] == "bf16" else 1.7
            verdict(f"{label}: graph over the code before", row["graph"] / row["before"], wanted)
    for precision, wanted in (("bf16", 2.4), ("fp32", 1.5)):
        one, eight = (rates.get(("patchvae", precision, count)) for count in (1, 8))
        if one and eight:
            verdict(f"eight at once over one, {precision}", eight / one, wanted)


if __name__ == "__main__":
    main()
