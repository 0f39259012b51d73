"""The linear probe: ridge regression on the features of every frozen phi."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.params.types import Name, RowName, Some
from patchvae.params.variants import EPOCHS
from patchvae.report.tables.config import Report
from patchvae.report.tables.finetunings import pretrained_with_labels, schedules
from patchvae.report.tables.metrics import Row, agreed, best, collect, distinct, stand_ins_of, summarise
from patchvae.report.tables.sheet import EMPTY, Sheet, fewer, ours, texts_of, write_texts
from patchvae.report.tables.words import (
    PROBE_HEAD,
    bold,
    dataset_name,
    demo_line,
    display_name,
    in_order,
    measured,
    seeds,
)

REGIME = "frozen"  # of a probe, among the regimes of fine-tunings
AT_EDGE = "‡: in some seed the best λ is the last that was tried, so a better one may lie beyond."
FITTED: dict[str, tuple[str, Any]] = {
    "train_mean": ("train_top1", "mean"),
    "train_std": ("train_top1", "std"),
    "top5_mean": ("top5", "mean"),
    "lambdas": ("lambda", distinct),
    "at_edge": ("at_edge", "any"),
}


class ProbeTable(Report):
    datasets: Some[Name]
    variants: Some[RowName]


def probes(content: Row) -> Iterator[Row]:
    """The one row of a probe, with the columns that rows of fine-tunings have; it has no epochs."""
    yield {
        "metric": "top1",
        "value": content["top1"],
        **{key: content[key] for key in ("top1", "top5", "train_top1", "at_edge")},
        "regime": REGIME,
        "head": PROBE_HEAD,
        "epochs": math.nan,
        "lambda": f"{content['lambda']:g}",
        "pool": content["config"]["pool"],
        "holdout": content["config"]["holdout"],
        "num_classes": content["config"]["num_classes"],
        "test_images": content["count"],
    }


def method(results: pd.DataFrame) -> str:
    """What the probes are, in a sentence. Raises PatchVAEError naming a file whose settings are not the others'."""
    pool = agreed(results.astype({"pool": int}), "pool", "side of the grid of features")
    holdout = agreed(results, "holdout", "share of images held out")
    return (
        f"Linear probe: ridge regression on the features of the frozen φ, averaged to a grid of {pool}×{pool} where"
        f" they are more; its strength λ is chosen on {100 * holdout:g} % of the training images."
    )


def layout(table: pd.DataFrame, seeds: int) -> list[list[str]]:
    """Rows of texts: name, then test and training accuracy per data set; seeds: of a whole cell."""
    texts: dict[str, list[str]] = {}
    for row in table.assign(best=best(table, ["dataset"], 2)).itertuples():
        mark, train = ("‡" if row.at_edge == "true" else ""), EMPTY if not row.n else f"{row.train_mean:.2f}"
        texts.setdefault(row.model, [display_name(row.model)]).extend([ours(row, 2, seeds) + mark, train])
    return list(texts.values())


def caption(config: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The protocol behind the numbers, in plain sentences."""
    run = [dataset for dataset in config["datasets"] if dataset in set(results.dataset)]
    text = [
        f"Run {config['run']}: top-1 accuracy (%) of a linear probe on test and training images, {seeds(config)};"
        f" {bold(results.model, 'data set')}.",
        method(results),
        "The λ are in the CSV. The paper has no such table.",
        *schedules(results, run),
        *pretrained_with_labels(results),
    ]
    return " ".join([*text, measured(results, "probing")])


def write(
    config: Mapping[str, Any],
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write the table of linear probes as tidy CSV, Markdown, LaTeX and HTML.

    config: run, seeds, datasets, variants; metrics_files: at most one file of rule "probe" per (variant, data set,
    seed), in any order. In the CSV, `mean`, `std` and `top5_mean` are of test images, `train_mean` and `train_std` of
    training images (top-1), `lambdas` the different strengths in the order of the seeds, and `at_edge` whether any of
    them ends the range that was tried.
    Raises PatchVAEError naming the file that is wrong, and without any file; then nothing is written.
    """
    datasets, models = config["datasets"], in_order([], config["variants"])
    wanted = list(itertools.product(models, datasets, config["seeds"]))
    keys = ["model", "dataset", "seed"]
    # Probes of shorter pretrainings are in the table of lengths.
    results = collect(metrics_files, {"probe": probes}, keys, wanted, lambda row: EPOCHS in row["model"], partial=True)
    stand_ins = stand_ins_of(results)
    table = summarise(results, None, {"model": models, "dataset": datasets}, **FITTED).drop(columns="paper")
    table["at_edge"] = table.at_edge.map({True: "true", False: "false"})
    sheet = Sheet(
        label="probe",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results),
        corner="Model",
        groups=[(dataset_name(dataset, stand_ins), ["test", "training"]) for dataset in datasets],
        rows=layout(table, len(config["seeds"])),
        notes=[*([AT_EDGE] if (table.at_edge == "true").any() else []), *fewer(table, len(config["seeds"]))],
        wide=len(datasets) > 1,
    )
    write_texts(texts_of(table, 2, sheet, csv, md, tex, html))
