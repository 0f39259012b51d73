"""Accuracies after fine-tuning, which Tables 1-6 are made of."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.report.tables.metrics import Row, collect, number, records
from patchvae.report.tables.words import WHEN, dataset_name, display_name, plural, seeds

CELL = ["model", "dataset", "regime", "seed"]
LEARNING: dict[str, tuple[str, str]] = {
    "last_mean": ("last", "mean"),
    "best_mean": ("best", "mean"),
    "epochs": ("epochs", "first"),
}
METRICS = {"top1": (1, "top-1"), "top5": (5, "top-5")}


def accuracies(metrics: Sequence[str], select: str) -> Callable[[Row], Iterator[Row]]:
    """A reader for `collect`: one row per metric (`top1`, `top5`), whose value is the epoch's that `select` names."""

    def rows(content: Row) -> Iterator[Row]:
        common = {"regime": content["regime"], "epochs": content["epochs"]}
        common |= {"num_classes": content["config"]["num_classes"], "test_images": content["count"]}
        for metric in metrics:
            percent = {
                key: number(f"{metric}.{key}", content[metric][key], 0, 100, "a percentage") for key in ("last", "best")
            }
            yield {**common, **percent, "metric": metric, "value": percent[select]}

    return rows


def collect_accuracies(
    config: Mapping[str, Any],
    files: Sequence[Path | str],
    cells: Sequence[tuple[str, str, str]],
    metrics: Sequence[str] = ("top1",),
) -> pd.DataFrame:
    """All accuracies of `cells` (model, dataset, regime) and of every seed; config has seeds, select, schedule.

    Raises PatchVAEError for a wrong, doubled or missing file, other test images, or another number of epochs.
    """
    expected = [(*cell, seed) for cell in cells for seed in config["seeds"]]
    frame = collect(files, {"finetune": accuracies(metrics, config["select"])}, CELL, expected)
    for row in records(frame):
        planned = config["schedule"][row.dataset]["finetune_epochs"]
        if row.epochs != planned:
            raise PatchVAEError(f"{row.file}: fine-tuned for {row.epochs} epochs, but this run has {planned}")
    return frame


def selection(config: Mapping[str, Any]) -> str:
    """Whose epoch and how many seeds' numbers a table holds."""
    return f"{WHEN[config['select']]}, {seeds(config)}"


def schedules(config: Mapping[str, Any], results: pd.DataFrame, datasets: Sequence[str]) -> list[str]:
    """A sentence per data set: how long the trainings were, on how many images they are tested, and chance."""
    sentences = []
    for dataset in datasets:
        cells = results[results.dataset == dataset]
        schedule, classes = config["schedule"][dataset], int(cells.num_classes.iloc[0])
        chances = [f"{100 * METRICS[metric][0] / classes:.2f} %" for metric in dict.fromkeys(cells.metric)]
        sentences.append(
            f"{dataset_name(config, dataset)}: {plural(schedule['pretrain_epochs'], 'epoch')} of pretraining and"
            f" {schedule['finetune_epochs']} of fine-tuning, {plural(int(cells.test_images.iloc[0]), 'test image')},"
            f" chance {' and '.join(chances)}."
        )
    return sentences


def pretrained_with_labels(config: Mapping[str, Any]) -> list[str]:
    """A sentence per variant whose φ was pretrained with labels, from `pretrained_on`: variant -> data set.

    config: `imagenet` names the data sets that are ImageNet at whatever size.
    """
    return [
        f"{display_name(variant)}: pretrained with the labels of {dataset_name(config, dataset)}"
        + ("." if dataset in config["imagenet"] else ", not of ImageNet.")
        for variant, dataset in config.get("pretrained_on", {}).items()
        if variant in config["variants"]
    ]
