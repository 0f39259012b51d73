"""Seconds of one training step for every kind of training in a run, at every image size: what `patchvae cost` goes by
where no earlier run measured a kind on a machine.

    python benchmarks/costs.py [-p params.yaml configs/NAME.yaml] [--threads 1] [--precision fp32] [--steps 5]

Each kind's own task is built from the configuration of one of its jobs, and takes steps on random images. The time is
the median of the steps after the first. On one thread of a CPU it is the process's own time, so that what else the
machine does counts little. Evaluation, start and saving are not in it. Rows of the same machine in benchmarks/costs.csv
are replaced, one by one, so that an interrupted measurement leaves what it has.
"""

import argparse
import csv
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from patchvae.checks import checked_params
from patchvae.cost.kinds import image_counts, kind
from patchvae.cost.measurements import TABLE
from patchvae.data.packed import save_array
from patchvae.files import write_text
from patchvae.hardware import describe, pick_device, pick_precision, set_arithmetic
from patchvae.job_configs import check_config
from patchvae.resolve import resolve
from patchvae.run import Run
from patchvae.training import finetune
from patchvae.training.pretrain import PretrainTask, seeded_model

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "workflow"))

from layout import listing  # noqa: E402

LARGE = 128  # side from which a batch of LARGE_BATCH images is measured: its pace is nearly the same, its memory is not
LARGE_BATCH = 16


def jobs(params: dict[str, Any]) -> dict[tuple[str, int], tuple[str, dict[str, Any]]]:
    """One training of each kind and image size, as its rule and configuration."""
    counts = image_counts(ROOT, ROOT / "benchmarks/images.csv", params)
    found: dict[tuple[str, int], tuple[str, dict[str, Any]]] = {}
    for job in listing(params):
        config = resolve(params, job.rule, job.wildcards)
        if job.rule in ("pretrain", "finetune") and "epochs" in config:
            images = counts(job.wildcards["dataset"])
            found.setdefault((kind(job.rule, job.wildcards, config, images), config["image_size"]), (job.rule, config))
    return found


def pretraining(given: dict[str, Any], batch: int, device: torch.device, precision: str) -> Callable[[int], Any]:
    """The step of a pretraining on random images."""
    config: Any = check_config("pretrain", given | {"batch_size": batch})
    size, more = config.image_size, None
    pixels = torch.randint(0, 256, (2 * batch, size, size, 3), dtype=torch.uint8, device=device)
    if given.get("weighted_loss"):
        more = torch.rand(2 * batch, size // 8, size // 8, 3, device=device).half()
    elif given.get("labels"):
        more = torch.arange(2 * batch, device=device) % config.model.num_classes
    return by_hand(PretrainTask(config, pixels, more, device, precision))


def finetuning(
    given: dict[str, Any], kept: bool, batch: int, device: torch.device, precision: str, folder: Path
) -> Callable[[int], Any]:
    """The step of a fine-tuning of a fresh phi on random images; kept: whether frozen features are computed once."""
    config: Any = check_config("finetune", given | {"batch_size": batch})
    size = config.image_size
    for split in ("train", "test"):
        pixels = torch.randint(0, 256, (2 * batch, size, size, 3), dtype=torch.uint8)
        save_array(folder / f"{split}_images.npy", pixels.numpy())
        save_array(folder / f"{split}_labels.npy", (torch.arange(2 * batch) % config.num_classes).numpy())
    network = {"name": "random", "backbone": config.backbone, "init": config.init, "statistics": "initial"}
    variant: Any = check_config(
        "pretrain",
        {key: given[key] for key in ("dataset", "image_size", "stand_in", "input_scaling", "precision", "flip", "seed")}
        | {"variant": "random", "model": network},
    )
    weights = seeded_model(variant.model, size, config.seed).state_dict()
    run = Run("finetune", "", config, device, precision, torch.get_num_threads(), folder, {}, {}, "")
    finetune.room_for_features = lambda device: 2**40 if kept else 0
    return by_hand(finetune.FinetuneTask(run, config, {"model": weights}))


def by_hand(task: Any) -> Callable[[int], Any]:
    """The steps of a training by their numbers, launched kernel by kernel."""

    def step(number: int) -> Any:
        task.prepare(number)
        return task.step(torch.tensor(number, device=task.feed.device))

    return step


def seconds(step: Callable[[int], Any], steps: int, device: torch.device) -> float:
    """The median time of the steps after the first."""
    times = []
    clock = time.process_time if device.type == "cpu" and torch.get_num_threads() == 1 else time.perf_counter
    for number in range(steps + 1):
        began = clock()
        float(step(number)["loss"].detach())
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(clock() - began)
    return statistics.median(times[1:])


def put(path: Path, row: dict[str, str]) -> None:
    """Put a row into the table, in place of one of the same machine, kind and size."""
    rows = []
    if path.is_file():
        with open(path, newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    same = [key for key in TABLE if key not in ("images", "seconds")]
    rows = [other for other in rows if any(other[key] != row[key] for key in same)]
    text = io.StringIO()
    writer = csv.DictWriter(text, TABLE, lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted([*rows, row], key=lambda each: [each[key] for key in same]))
    write_text(path, text.getvalue())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-p", "--params", nargs="+", type=Path, default=[ROOT / "params.yaml"])
    parser.add_argument("--threads", type=int, default=1, help="as the rules have it")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/costs.csv")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    set_arithmetic(device)
    precision = pick_precision(args.precision, device)
    machine = {"device": describe(device), "threads": str(args.threads), "precision": precision}
    for (name, size), (rule, config) in jobs(checked_params(args.params)).items():
        batch = LARGE_BATCH if size >= LARGE and device.type == "cpu" else config["batch_size"]
        with tempfile.TemporaryDirectory() as folder:
            if rule == "pretrain":
                step = pretraining(config, batch, device, precision)
            else:
                step = finetuning(config, "features kept" in name, batch, device, precision, Path(folder))
            found = seconds(step, args.steps, device)
        row = {"kind": name, "images": str(batch), "image_size": str(size), "seconds": f"{found:.4g}"}
        put(args.out, machine | row)
        print(f"{name}, {size}x{size}: {batch / found:,.0f} images/s", flush=True)


if __name__ == "__main__":
    main()
