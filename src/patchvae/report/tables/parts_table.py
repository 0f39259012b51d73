"""How well parts find objects without labels: occurrence maps against the truth."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.data.digits import BLOCK, CELL, DISTRACTORS, REPEATS
from patchvae.params.types import Name, RowName, Some
from patchvae.report.tables.config import Report
from patchvae.report.tables.metrics import (
    ORIGIN,
    Row,
    best,
    collect,
    pretrain_epochs,
    stand_ins_of,
    summarise,
)
from patchvae.report.tables.sheet import Sheet, ours, texts_of, write_texts
from patchvae.report.tables.words import dataset_name, demo_line, display_name, measured, plural, seeds

METHODS = {
    "trained": "{}",
    "untrained": "{}, untrained (control)",
    "kmeans": "k-means on raw patches (control)",
    "deviation": "Standard deviation of a cell's values (trivial)",
    "occupied": "Oracle: which cells are occupied (trivial)",
}
TRIVIAL = ("deviation", "occupied")
METRICS = {"ap_occupied": "AP (occupied)", "ap_repeated": "AP (repeated digit)", "nmi": "NMI"}


def scores(content: Row) -> Iterator[Row]:
    """One row per method and metric; a score of null becomes NaN."""
    for method, metric in itertools.product(METHODS, METRICS):
        value = content[method][metric]
        value = float("nan") if value is None else value
        yield {"method": method, "metric": metric, "value": value, "test_images": content["count"]}


class PartsTable(Report):
    datasets: Some[Name]
    variant: RowName


def caption(config: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The protocol behind the numbers, in plain sentences."""
    cells, occupied = (BLOCK // CELL) ** 2, REPEATS + DISTRACTORS
    text = [
        f"Run {config['run']}: how well parts of {display_name(config['variant'])} find what is in test images,"
        f" {seeds(config)}; all scores go from 0 to 1, more is better; bold: the best per column, unless a trivial"
        " score beats it.",
        "AP: average precision of the best part's occurrence map, for cells that are occupied and for those of the"
        " repeated digit; NMI: normalised mutual information of parts and digits.",
        f"Of {cells} cells {occupied} are occupied and {REPEATS} hold the repeated digit, so by chance AP is"
        f" {occupied / cells:.3f} and {REPEATS / cells:.3f}. The part is picked on training images.",
        "Controls: the same network as it was initialised, with BatchNorm statistics of the training images, and"
        " clusters of raw pixels. Two scores are trivial: the standard deviation of a cell's values, and an oracle that"
        " knows which cells are occupied and no digit.",
        "The paper has no such table.",
    ]
    for dataset in config["datasets"]:
        images = plural(int(results.test_images[results.dataset == dataset].iloc[0]), "test image")
        epochs = pretrain_epochs(results, dataset)
        trained = "" if epochs is None else f"{plural(epochs, 'epoch')} of pretraining, "
        text.append(f"{dataset_name(dataset, stand_ins_of(results))}: {trained}{images}.")
    return " ".join([*text, measured(results, "evaluation")])


def best_method(table: pd.DataFrame) -> pd.Series:
    """Which cells are the best of their column; none where a trivial score is best."""
    return best(table, ["dataset", "metric"], 3) & ~table.method.isin(TRIVIAL)


def write(
    config: Mapping[str, Any],
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write the table of part discovery as tidy CSV, Markdown, LaTeX and HTML.

    config: run, seeds, datasets, variant; metrics_files: one file of rule "parts" per data set and seed, in any order,
    with blocks trained, untrained and kmeans of ap_occupied, ap_repeated and nmi.
    Raises PatchVAEError naming the file that is wrong or the cell that is missing; then nothing is written.
    """
    datasets = config["datasets"]
    wanted = list(itertools.product([config["variant"]], datasets, config["seeds"]))
    results = collect(metrics_files, {"parts": scores}, ["model", "dataset", "seed"], wanted)
    stand_ins = stand_ins_of(results)
    cells = {"method": list(METHODS), "dataset": datasets, "metric": list(METRICS)}
    table = summarise(results, None, cells)[[*cells, "mean", "std", "n", *ORIGIN]]
    table.insert(0, "model", config["variant"])
    texts: dict[str, list[str]] = {}
    for row in table.assign(best=best_method(table)).itertuples():
        name = METHODS[row.method].format(display_name(config["variant"]))
        texts.setdefault(name, [name]).append(ours(row, 3))
    sheet = Sheet(
        label="parts",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results),
        corner="Parts of",
        groups=[(dataset_name(dataset, stand_ins), list(METRICS.values())) for dataset in datasets],
        rows=list(texts.values()),
        wide=len(datasets) > 1,
    )
    write_texts(texts_of(table, 3, sheet, csv, md, tex, html))
