"""The learning rate of a classifier, chosen once per row, on training images.

Features of different scale have different best rates, so one rate for all rows is a choice between rows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from patchvae.jobs.run import start
from patchvae.jobs.states import finish
from patchvae.params.classifying import Rates
from patchvae.records import checkpoint
from patchvae.records.results import RatesResult
from patchvae.training.finetune import FinetuneTask
from patchvae.training.loop import Diverged, Watch, train

EXTENSIONS = 4  # of the grid, at most
POWER_STEPS = 100  # of the power iteration


def next_rate(tried: Mapping[float, float]) -> float | None:
    """The rate that continues the grid where an end is best, with one significant digit, or None.

    tried: accuracies (%) by rate, two or more. Of equal accuracies the smaller rate is the better one.
    """
    rates = sorted(tried)
    choice = best(tried)
    if choice not in (rates[0], rates[-1]):
        return None
    neighbour = rates[1] if choice == rates[0] else rates[-2]
    rate = choice * choice / neighbour
    rounded = float(f"{rate:.1g}")
    return rounded if min(rates) > rounded or rounded > max(rates) else rate


def best(tried: Mapping[float, float]) -> float:
    """The smallest of the rates with the best accuracy."""
    return min(tried, key=lambda rate: (-tried[rate], rate))


def scale_of(features: Tensor) -> dict[str, float]:
    """How large features (n, ...) are: their mean absolute value, and the largest eigenvalue of their second moment.

    The eigenvalue is the largest curvature that a linear layer on them meets, up to that of the loss, and a rate acts
    relative to it.
    """
    rows = features.flatten(1).float()
    vector = torch.ones(rows.shape[1], device=rows.device)
    largest = 0.0
    for _ in range(POWER_STEPS):
        vector = rows.T @ (rows @ (vector / vector.norm().clamp_min(1e-30))) / len(rows)
        largest = float(vector.norm())
    return {"mean_abs": float(rows.abs().mean()), "largest_eigenvalue": largest}


def choose_rate(
    config: Rates,
    data: Path,
    pretrained: Path,
    metrics: Path,
    scratch: Path,
    device: str = "auto",
    threads: int | None = None,
    watch: Watch | None = None,
) -> None:
    """Train the classifier at each rate without `held_out` training images, and write which rate is best on those.

    A second call goes on where an interrupted one stopped. No test image is read. Accuracies are those after the last
    epoch; a training that diverges counts as 0 %. Other arguments and errors are those of `finetune`, except NaN.
    """
    watch = watch or Watch()
    run = start("rates", __name__, config, data, device, threads)
    content = checkpoint.load_phi(pretrained, config, run.digests)
    cache: dict[str, Tensor] = {}
    tried: dict[float, float] = {}
    lines: list[dict[str, float | None]] = []
    seconds, images, extensions = 0.0, 0, 0
    machines: list[Mapping[str, object]] = []
    queue: Sequence[float] = sorted(config.grid)
    while queue:
        for rate in queue:
            task = FinetuneTask(run, config, content, rate, config.held_out, cache)
            cache = task.cache
            state = run.state_path(scratch, metrics, pretrained=content["sha256"], rate=rate)
            try:
                training = train(task, state, run.device, f"{run.label} lr {rate:g}", run.machine, watch)
            except Diverged as error:
                watch.note(str(error))
                finish(state)
                tried[rate] = 0.0
                lines.append({"lr": rate, "held_out_top1": None, "train_top1": None})
                continue
            last = training.history[-1]
            tried[rate] = last["test_top1"]
            lines.append({"lr": rate, "held_out_top1": last["test_top1"], "train_top1": last["train_top1"]})
            seconds, images = seconds + training.seconds, images + task.images
            machines += [machine for machine in training.machines if machine not in machines]
        following = next_rate(tried)
        queue = [] if following is None or extensions == EXTENSIONS else [following]
        extensions += 1
    record = {
        "features": scale_of(cache["train"]) if cache else None,
        "pretraining": checkpoint.pretraining_record(content, config.pretrained.snapshot),
        "split": "train",
        "count": config.held_out,
        "train_images": len(task.order.images),
        "lr": best(tried),
        "at_edge": next_rate(tried) is not None,
        "rates": sorted(lines, key=lambda line: line["lr"] or 0.0),
        "epochs": task.epochs,
        "batch_size": task.order.batch_size,
    }
    run.finish(RatesResult, metrics, record, seconds, images, machines)
