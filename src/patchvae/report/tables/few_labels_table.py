"""Accuracy with few labels: ridge regression on the features of every frozen phi, and on pixels."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from patchvae.params.measuring import PerClass
from patchvae.params.types import Name, RowName, RunName, Seed, Some, Strict
from patchvae.plan.names import FLOORS
from patchvae.report.tables.finetunings import pretrained_with_labels, schedules
from patchvae.report.tables.metrics import Row, agreed, collect, distinct, stand_ins_of, summarise
from patchvae.report.tables.sheet import EMPTY, Sheet, signed, texts_of, write_texts
from patchvae.report.tables.words import dataset_name, demo_line, display_name, in_order, measured, plural

FLOOR_NAMES = dict(zip(FLOORS, ("Raw pixels (floor)", "PCA-whitened pixels (floor)"), strict=True))
PAIR = ("patchvae", "beta-vae")  # the first minus the second, draw by draw
DIFFERENCE = " minus ".join(PAIR)
LEVEL = 0.95
AT_EDGE = (
    "‡: in some draw the chosen λ ends the range that was tried. With one label per class this is always so: the class"
    " of a left-out image has no other label, so no λ gets any right, and the largest is taken."
)
CELL = ["model", "dataset", "per_class"]


class FewLabelsTable(Strict):
    run: RunName
    seed: Seed
    datasets: Some[Name]
    variants: Some[RowName]
    per_class: Some[PerClass]


def fits(content: Row) -> Iterator[Row]:
    """A row per number of labels and draw."""
    config = content["config"]
    for fit in content["fits"]:
        yield {
            "metric": "top1",
            "value": fit["top1"],
            "per_class": str(fit["per_class"]),
            "draw": fit["draw"],
            "lambda": f"{fit['lambda']:g}",
            "at_edge": fit["at_edge"],
            "images": fit["images"],
            "features": content["features"],
            "pool": config.get("pool", math.nan),
            "whitened_variance": config.get("whitened_variance", math.nan),
            "epochs": math.nan,
            "num_classes": config["num_classes"],
            "test_images": content["count"],
            "train_sha256": content["data_sha256"]["train"],
        }


def intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `low` and `high` after `n`: the t interval of the mean over draws, empty for a single one."""
    count = table.n.astype(float).where(table.n > 1)
    half = stats.t.ppf((1 + LEVEL) / 2, count - 1) * table["std"] / count**0.5
    place = table.columns.get_loc("n") + 1
    table.insert(place, "low", table["mean"] - half)
    table.insert(place + 1, "high", table["mean"] + half)
    return table


def differences(results: pd.DataFrame) -> pd.DataFrame:
    """The difference of the rows of PAIR in each draw that both have, as results of a row DIFFERENCE."""
    keys = ["dataset", "per_class", "draw"]
    first, second = (results[results.model == model].set_index(keys) for model in PAIR)
    both = first[first.index.isin(second.index)]
    return both.assign(model=DIFFERENCE, value=both.value - second.value).reset_index()


def text(row: Any) -> str:
    """A cell: its mean, the interval over draws where there is one, and the mark of a λ at the end of its range."""
    if not row.n:
        return EMPTY
    shown = signed if row.model == DIFFERENCE else "{:.2f}".format
    mark = "‡" if row.at_edge == "true" and row.model != DIFFERENCE else ""
    return shown(row.mean) + ("" if pd.isna(row.low) else f" ({shown(row.low)} to {shown(row.high)})") + mark


def name_of(model: str) -> str:
    """A row's name."""
    if model == DIFFERENCE:
        return " − ".join(map(display_name, PAIR))
    return FLOOR_NAMES.get(model) or display_name(model)


def rows_of(config: Mapping[str, Any]) -> list[str]:
    """The table's rows in order."""
    models = [*in_order([], config["variants"]), *FLOORS]
    return [*models, DIFFERENCE] if set(PAIR) <= set(models) else models


def caption(config: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The protocol behind the numbers, in plain sentences."""
    draws = plural(results.draw.nunique(), "draw")
    paired = ", so the difference of two rows is paired by draw" if DIFFERENCE in rows_of(config) else ""
    said = [
        f"Run {config['run']}: top-1 test accuracy (%) by the number of labelled training images per class, mean over"
        f" {draws} of these images, in brackets its {100 * LEVEL:g} % t interval over the draws; all: a single fit.",
        f"Every φ is of seed {config['seed']}. In each draw all rows are fitted to the same images{paired}; more labels"
        " include the fewer of the same draw. The intervals are over draws, for these φ and test images; they say"
        " nothing of other seeds.",
        "Ridge regression on features that are standardised over all training images; its strength λ has the best"
        " top-1 accuracy on the labelled images, each left out in turn.",
    ]
    networks, white = results[results.pool.notna()], results[results.whitened_variance.notna()]
    if len(networks):
        pool = agreed(networks.astype({"pool": int}), "pool", "side of the grid of features")
        said.append(f"Features: those of the frozen φ, averaged to a grid of {pool}×{pool} where they are more.")
    if len(white):
        share = agreed(white, "whitened_variance", "share of variance of the whitened components")
        kept = white[white.model == FLOORS[1]].groupby("dataset").features.first()
        counts = "".join(f" ({count:,} on {dataset_name(name, stand_ins_of(white))})" for name, count in kept.items())
        said.append(
            "Floors have no network. Whitened pixels: the principal components of all training images that have"
            f" {100 * share:g} % of their variance{counts}, each scaled to variance 1."
        )
    said += ["The λ are in the CSV. The paper has no such table.", *schedules(results, config["datasets"])]
    return " ".join([*said, *pretrained_with_labels(results), measured(results, "measuring")])


def write(
    config: Mapping[str, Any],
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write the table of few labels as tidy CSV, Markdown, LaTeX and HTML.

    config: run, seed, datasets, variants, per_class; metrics_files: at most one file of rule "few_labels" per (variant
    or floor, data set), in any order. In the CSV, `mean`, `std` and the interval from `low` to `high` are over the `n`
    draws, in percent; `lambdas` are the different strengths in the order of the draws, `at_edge` whether any of them
    ends the range that was tried, and the row DIFFERENCE has the differences of the two rows in points.
    Raises PatchVAEError naming the file that is wrong, and without any file; then nothing is written.
    """
    datasets, models = config["datasets"], rows_of(config)
    wanted = [cell for cell in itertools.product(models, datasets, [config["seed"]]) if cell[0] != DIFFERENCE]
    results = collect(metrics_files, {"few_labels": fits}, ["model", "dataset", "seed"], wanted, partial=True)
    for dataset, rows in results.groupby("dataset"):
        agreed(rows, "train_sha256", f"training images of {dataset}, by which the draws are the same")
    cells = {"model": models, "dataset": datasets, "per_class": list(map(str, config["per_class"]))}
    rows = pd.concat([results, differences(results)])
    fitted: dict[str, Any] = {
        "images": ("images", "first"),
        "lambdas": ("lambda", distinct),
        "at_edge": ("at_edge", "any"),
    }
    # A file's seconds are of all its fits.
    table = intervals(summarise(rows, None, cells, **fitted).drop(columns=["paper", "seconds"]))
    table = table.astype({"images": "Int64"})
    table["at_edge"] = table.at_edge.map({True: "true", False: "false"})
    texts: dict[str, list[str]] = {}
    for row in table.itertuples():
        texts.setdefault(row.model, [name_of(row.model)]).append(text(row))
    stand_ins = stand_ins_of(results)
    columns = [count if count == "all" else plural(int(count), "label") for count in cells["per_class"]]
    sheet = Sheet(
        label="few_labels",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results),
        corner="Model",
        groups=[(dataset_name(dataset, stand_ins), columns) for dataset in datasets],
        rows=list(texts.values()),
        notes=[AT_EDGE] if (table.at_edge == "true").any() else [],
        wide=True,
    )
    write_texts(texts_of(table, 2, sheet, csv, md, tex, html))
