"""How well parts find objects without labels: occurrence maps against the truth."""

import itertools
from collections.abc import Iterator
from typing import Any

from patchvae.data.digits import BLOCK, CELL, DISTRACTORS, REPEATS
from patchvae.params.types import Name, RowName, Some
from patchvae.report.tables import words
from patchvae.report.tables.config import Files, Report, Settings
from patchvae.report.tables.metrics import Row, best, cells_of, collect, summarise
from patchvae.report.tables.sheet import lines_of, ours, sheet_of, texts_of

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


class Config(Report):
    datasets: Some[Name]
    variant: RowName


def caption(config: Settings) -> list[str]:
    cells, occupied = (BLOCK // CELL) ** 2, REPEATS + DISTRACTORS
    return [
        f"Run {config['run']}: how well parts of {words.display_name(config['variant'])} find what is in test images,"
        f" {words.seeds(config)}; all scores go from 0 to 1, more is better; bold: the best per column, unless a"
        " trivial score beats it.",
        "AP: average precision of the best part's occurrence map, for cells that are occupied and for those of the"
        " repeated digit; NMI: normalised mutual information of parts and digits.",
        f"Of {cells} cells {occupied} are occupied and {REPEATS} hold the repeated digit, so by chance AP is"
        f" {occupied / cells:.3f} and {REPEATS / cells:.3f}. The part is picked on training images.",
        "Controls: the same network as it was initialised, with BatchNorm statistics of the training images, and"
        " clusters of raw pixels. Two scores are trivial: the standard deviation of a cell's values, and an oracle that"
        " knows which cells are occupied and no digit.",
        "The paper has no such table.",
    ]


def report(config: Settings, metrics_files: Files) -> dict[str, str]:
    """The table of part discovery, from a file per data set and seed, with a block of scores for each of METHODS."""
    datasets, variant = config["datasets"], config["variant"]
    cells = cells_of(model=[variant], dataset=datasets, seed=config["seeds"])
    results = collect(metrics_files, {"parts": scores}, cells, whole=True)
    table = summarise(results, {"method": list(METHODS), "dataset": datasets, "metric": list(METRICS)})
    table.insert(0, "model", variant)
    # None is the best of its column where a trivial score is.
    bold = best(table, ["dataset", "metric"], 3) & ~table.method.isin(TRIVIAL)
    names = {method: name.format(words.display_name(variant)) for method, name in METHODS.items()}
    rows = lines_of(table.assign(best=bold), "method", names.__getitem__, lambda row: [ours(row, 3)])
    parts: Any = {"label": "parts", "corner": "Parts of", "columns": [*METRICS.values()], "rows": rows}
    sheet = sheet_of(results, datasets, caption(config), "evaluation", wide=len(datasets) > 1, **parts)
    return texts_of(table, 3, sheet)
