"""The learning rate of a classifier, chosen once per row, on training images.

Features of different scale have different best rates, so one rate for all rows is a choice between rows.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from patchvae.hardware import Place
from patchvae.models.weights import Weights
from patchvae.params.classifying import Rates
from patchvae.training.finetune import FinetuneTask
from patchvae.training.labelled import Labelled
from patchvae.training.loop import Diverged, Outcome, Store, Watch, train

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


def search(
    config: Rates, phi: Weights, data: Labelled, on: Place, label: str, store_of: Callable[..., Store], watch: Watch
) -> Outcome:
    """Train the classifier at each rate without `held_out` training images, and find which rate is best on those.

    store_of: what keeps the state of the training at a rate; the others: as for `finetune.fit`. No test image
    is read. Accuracies are those after the last epoch; a training that diverges counts as 0 %.
    Raises PatchVAEError as `finetune.fit`, but not for NaN.
    """
    cache: dict[str, Tensor] = {}
    last: dict[float, dict[str, float]] = {}  # by rate, the last epoch of its training; empty where it diverged
    seconds, seen, extensions = 0.0, 0, 0
    queue: Sequence[float] = sorted(config.grid)
    while queue:
        for rate in queue:
            task = FinetuneTask(config.model_copy(update={"lr": rate}), phi, data, on, cache)
            cache, store = task.cache, store_of(rate=rate)
            try:
                training = train(task, on.device, f"{label} lr {rate:g}", store, watch)
            except Diverged as error:
                watch.note(str(error))
                store.finish()
                last[rate] = {}
                continue
            last[rate] = training.history[-1]
            seconds, seen = seconds + training.seconds, seen + task.images
        tried = {rate: epoch.get("test_top1", 0.0) for rate, epoch in last.items()}
        following = next_rate(tried)
        queue = [] if following is None or extensions == EXTENSIONS else [following]
        extensions += 1
    lines = [
        {"lr": rate, "held_out_top1": epoch.get("test_top1"), "train_top1": epoch.get("train_top1")}
        for rate, epoch in sorted(last.items())
    ]
    record = {
        "features": scale_of(cache["train"]) if cache else None,
        "split": "train",
        "count": config.held_out,
        "train_images": len(task.order.images),
        "lr": best(tried),
        "at_edge": following is not None,
        "rates": lines,
        "epochs": task.epochs,
        "batch_size": task.order.batch_size,
    }
    return Outcome(record, seen, seconds)
