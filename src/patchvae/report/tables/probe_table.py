"""The linear probe: ridge regression on the features of every frozen phi."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from patchvae.params.types import Name, RowName, Some
from patchvae.report.tables import words
from patchvae.report.tables.config import Files, Report, Settings
from patchvae.report.tables.finetunings import right_images
from patchvae.report.tables.metrics import Row, agreed, best, cells_of, collect, distinct, summarise
from patchvae.report.tables.sheet import EMPTY, fewer, lines_of, ours, sheet_of, texts_of

REGIME = "frozen"  # of a probe, among the regimes of fine-tunings
AT_EDGE = "‡: in some seed the best λ is the last that was tried, so a better one may lie beyond."
FITTED: dict[str, tuple[str, Any]] = {
    "train_mean": ("train_top1", "mean"),
    "train_std": ("train_top1", "std"),
    "top5_mean": ("top5", "mean"),
    "lambdas": ("lambda", distinct),
    "at_edge": ("at_edge", "any"),
}


class Config(Report):
    datasets: Some[Name]
    variants: Some[RowName]


def probes(content: Row) -> Iterator[Row]:
    """The one row of a probe, with the columns that rows of fine-tunings have; it has no epochs."""
    yield {
        "metric": "top1",
        "value": content["top1"],
        **{key: content[key] for key in ("top1", "top5", "train_top1", "at_edge")},
        "regime": REGIME,
        "head": words.PROBE_HEAD,
        "epochs": math.nan,
        "lambda": f"{content['lambda']:g}",
        **{key: content["config"][key] for key in ("pool", "holdout", "num_classes")},
        "test_images": content["count"],
        "right": right_images(content, content["top1"]),
    }


def with_probe(cells: pd.MultiIndex) -> pd.MultiIndex:
    """Of cells with REGIME and other regimes, with the probe and other heads, those of the probe at REGIME alone."""
    probed = cells.get_level_values("head") == words.PROBE_HEAD
    return cells[probed == (cells.get_level_values("regime") == REGIME)]


def method(results: pd.DataFrame) -> str:
    """What the probes are, in a sentence. Raises PatchVAEError naming a file whose settings are not the others'."""
    pool = agreed(results.astype({"pool": int}), "pool", "side of the grid of features")
    holdout = agreed(results, "holdout", "share of images held out")
    return (
        f"Linear probe: ridge regression on the features of the frozen φ, averaged to a grid of {pool}×{pool} where"
        f" they are more; its strength λ is chosen on {100 * holdout:g} % of the training images."
    )


def caption(config: Settings, results: pd.DataFrame) -> list[str]:
    return [
        f"Run {config['run']}: top-1 accuracy (%) of a linear probe on test and training images,"
        f" {words.seeds(config)}; {words.bold(results.model, 'data set')}.",
        method(results),
        "The λ are in the CSV. The paper has no such table.",
    ]


def report(config: Settings, metrics_files: Files) -> dict[str, str]:
    """The table of linear probes, with test and training accuracy per data set.

    In the CSV, `mean`, `std` and `top5_mean` are of test images, `train_mean` and `train_std` of training images
    (top-1), `lambdas` the different strengths in the order of the seeds, and `at_edge` whether any of them ends the
    range that was tried.
    """
    datasets, models, seeds = config["datasets"], words.in_order([], config["variants"]), len(config["seeds"])
    # Probes of shorter pretrainings are in the table of lengths.
    cells = cells_of(model=models, dataset=datasets, seed=config["seeds"])
    results = collect(metrics_files, {"probe": probes}, cells, others=["model"])
    table = summarise(results, {"model": models, "dataset": datasets}, **FITTED)
    edge = table.at_edge.eq(True)

    def cell(row: Any) -> list[str]:
        mark, train = "‡" if row.edge else "", f"{row.train_mean:.2f}" if row.n else EMPTY
        return [ours(row, 2, seeds) + mark, train]

    by_model = table.assign(best=best(table, ["dataset"], 2), edge=edge)
    rows = lines_of(by_model, "model", words.display_name, cell)
    notes = [*([AT_EDGE] if edge.any() else []), *fewer(table, seeds)]
    parts: Any = {"label": "probe", "corner": "Model", "columns": ["test", "training"], "rows": rows, "notes": notes}
    sheet = sheet_of(results, datasets, caption(config, results), "probing", wide=len(datasets) > 1, **parts)
    return texts_of(table, 2, sheet)
