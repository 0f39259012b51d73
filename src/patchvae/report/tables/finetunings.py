"""Accuracies after fine-tuning, from which Tables 1 to 6 are made."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.report.tables.metrics import Row, agreed, collect, pretrain_epochs, stand_ins_of
from patchvae.report.tables.words import IMAGENET, LABELLED, WHEN, dataset_name, display_name, plural, seeds

CELL = ["model", "dataset", "regime", "head", "seed"]
LEARNING: dict[str, tuple[str, str]] = {
    "last_mean": ("last", "mean"),
    "best_mean": ("best", "mean"),
    "train_mean": ("train_top1", "mean"),
    "epochs": ("epochs", "first"),
}
METRICS = {"top1": (1, "top-1"), "top5": (5, "top-5")}
BY_HEART = 99.9  # percent
BY_HEART_NOTE = f"†: training accuracy of {BY_HEART} % or more: it has learned its images by heart."
CHANCE, FRESH = (45, 55), 60  # percent: a discriminator at chance, and what a new one must exceed
DEAD_NOTE = (
    "‡: the game with the discriminator was dead when pretraining ended: it told real from made images no better than"
    f" chance, though a new one is right in more than {FRESH} %."
)
UNTOLD = "base"  # in place of a swept key's value that metrics files do not hold


def value_of(content: Row, key: str) -> str:
    """A swept key's value as text, from the pretrained model or the fine-tuning; UNTOLD where neither has it.

    key: as in `ablations` of params.yaml, a key of a variant or of `model`, or a dotted path such as `finetune.lr`.
    """
    block, *path = key.split(".")
    value: Any = content["config"] if block == "finetune" else content["pretraining"]["model"]
    for part in path if block in ("model", "finetune") else [block, *path]:
        if not isinstance(value, dict) or part not in value:
            return UNTOLD
        value = value[part]
    if value == "1/N":  # as a number, to be sorted
        return f"1/{content['pretraining']['model']['num_parts']}"
    return str(value)


def accuracies(metrics: Sequence[str], select: str, key: str | None) -> Callable[[Row], Iterator[Row]]:
    """A reader for `collect`: one row per metric (`top1`, `top5`), its value at the epoch that `select` names.

    With a swept key, its value is `swept`.
    """

    def rows(content: Row) -> Iterator[Row]:
        common = {"regime": content["regime"], "head": content["head"], "epochs": content["epochs"]}
        common["train_top1"] = content["history"][-1]["train_top1"]
        common["dead"] = dead(content["pretraining"]["game"])
        common |= {"num_classes": content["config"]["num_classes"], "test_images": content["count"]}
        if key is not None:
            common["swept"] = value_of(content, key)
        for metric in metrics:
            percent = {key: content[metric][key] for key in ("last", "best")}
            yield {**common, **percent, "metric": metric, "value": percent[select]}

    return rows


def dead(game: Mapping[str, float] | None) -> bool:
    """Whether a discriminator had given up, by the record of its game with the generator (None: no game)."""
    return game is not None and CHANCE[0] <= game["accuracy"] <= CHANCE[1] and game["fresh"] > FRESH


def marks(results: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """The marks beside a cell's number, by (model, dataset, regime, head): `†`, `‡`, both or none."""
    found = {}
    for cell, rows in results.groupby(CELL[:-1]):
        by_heart = rows.train_top1.mean() >= BY_HEART
        found[tuple(cell)] = ("†" if by_heart else "") + ("‡" if rows.dead.any() else "")
    return found


def notes(found: Iterable[str]) -> list[str]:
    """The sentences that explain the marks of a table."""
    said = "".join(found)
    return [note for mark, note in (("†", BY_HEART_NOTE), ("‡", DEAD_NOTE)) if mark in said]


def collect_accuracies(
    config: Mapping[str, Any],
    files: Sequence[Path | str],
    cells: Sequence[tuple[str, str, str, str]],
    metrics: Sequence[str] = ("top1",),
    aside: Callable[[Row], bool] = lambda row: False,
    partial: bool = False,
) -> pd.DataFrame:
    """All accuracies of `cells` (model, dataset, regime, head) and of every seed.

    config: seeds, select and maybe key; aside, partial: see `collect`. Raises PatchVAEError for a wrong, doubled or
    missing file, and for files of one data set with different test images or numbers of epochs.
    """
    expected = [(*cell, seed) for cell in cells for seed in config["seeds"]]
    readers = {"finetune": accuracies(metrics, config["select"], config.get("key"))}
    frame = collect(files, readers, CELL, expected, aside, partial)
    for dataset, rows in frame.groupby("dataset"):
        agreed(rows, "epochs", f"epochs of fine-tuning on {dataset}")
    return frame


def selection(config: Mapping[str, Any]) -> str:
    """Which epoch and how many seeds the numbers of a table are from."""
    return f"{WHEN[config['select']]}, {seeds(config)}"


def schedules(results: pd.DataFrame, datasets: Sequence[str]) -> list[str]:
    """A sentence per data set with results: epochs of training, number of test images, and chance.

    Results of probes have NaN for the epochs of fine-tuning.
    """
    sentences, stand_ins = [], stand_ins_of(results)
    for dataset in datasets:
        cells = results[results.dataset == dataset]
        if cells.empty:
            continue
        before, after = pretrain_epochs(results, dataset), cells.epochs.dropna()
        classes, trained = int(cells.num_classes.iloc[0]), []
        if before is not None:
            trained.append(f"{plural(before, 'epoch')} of pretraining")
        if len(after):
            count = int(after.iloc[0])
            trained.append(f"{count if trained else plural(count, 'epoch')} of fine-tuning")
        chances = [f"{100 * METRICS[metric][0] / classes:.2f} %" for metric in dict.fromkeys(cells.metric)]
        images = plural(int(cells.test_images.iloc[0]), "test image")
        said = [" and ".join(trained), images, f"chance {' and '.join(chances)}"]
        sentences.append(f"{dataset_name(dataset, stand_ins)}: {', '.join(filter(None, said))}.")
    return sentences


def pretrained_with_labels(results: pd.DataFrame) -> list[str]:
    """A sentence per φ that was pretrained with labels: on which other data set, or for how many epochs."""
    stand_ins = stand_ins_of(results)
    elsewhere = results[results.pretrained_on.notna() & (results.pretrained_on != results.dataset)]
    here = results[(results.pretrained_on == results.dataset) & (results.pretrain_epochs > 0)]
    here = here[here.model.isin(list(LABELLED))]
    return [
        f"{display_name(row.model)}: pretrained with the labels of {dataset_name(row.pretrained_on, stand_ins)}"
        + ("." if row.pretrained_on in IMAGENET and not row.pretrained_stand_in else ", not of ImageNet.")
        for row in elsewhere.drop_duplicates(["model", "pretrained_on"]).itertuples()
    ] + [
        f"{display_name(row.model)}: {plural(row.pretrain_epochs, 'epoch')} of pretraining."
        for row in here.drop_duplicates(["model", "pretrain_epochs"]).itertuples()
    ]
