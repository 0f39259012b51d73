"""Accuracy with few labels: ridge regression on the features of every frozen phi, and on pixels."""

import math
from collections.abc import Iterator
from typing import Any

import pandas as pd
from scipy import stats

from patchvae.params.measuring import FLOORS, PerClass
from patchvae.params.types import Name, RowName, RunName, Seed, Some, Strict
from patchvae.report.tables import words
from patchvae.report.tables.config import Files, Settings
from patchvae.report.tables.metrics import Row, agreed, cells_of, collect, distinct, stand_ins_of, summarise
from patchvae.report.tables.sheet import EMPTY, lines_of, sheet_of, signed, texts_of

PAIR = ("patchvae", "beta-vae")  # the first minus the second, draw by draw
DIFFERENCE = " minus ".join(PAIR)
# Of rows that are no models
NAMES = dict(zip(FLOORS, ("Raw pixels (floor)", "PCA-whitened pixels (floor)"), strict=True))
NAMES[DIFFERENCE] = " − ".join(map(words.display_name, PAIR))
LEVEL = 0.95
AT_EDGE = (
    "‡: in some draw the chosen λ ends the range that was tried. With one label per class this is always so: the class"
    " of a left-out image has no other label, so no λ gets any right, and the largest is taken."
)
FITTED: dict[str, tuple[str, Any]] = {
    "images": ("images", "first"),
    "lambdas": ("lambda", distinct),
    "at_edge": ("at_edge", "any"),
}


class Config(Strict):
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
            "lambda": f"{fit['lambda']:g}",
            **{key: fit[key] for key in ("draw", "at_edge", "images")},
            "features": content["features"],
            **{key: config.get(key, math.nan) for key in ("pool", "whitened_variance")},
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


def cell(row: Any) -> list[str]:
    """A mean, the interval over draws where there is one, and the mark of a λ at the end of its range."""
    if not row.n:
        return [EMPTY]
    shown = signed if row.model == DIFFERENCE else "{:.2f}".format
    mark = "‡" if row.at_edge and row.model != DIFFERENCE else ""
    return [shown(row.mean) + ("" if pd.isna(row.low) else f" ({shown(row.low)} to {shown(row.high)})") + mark]


def caption(config: Settings, results: pd.DataFrame, paired: bool) -> list[str]:
    """paired: whether the table has a row DIFFERENCE."""
    draws = words.plural(results.draw.nunique(), "draw")
    by_draw = ", so the difference of two rows is paired by draw" if paired else ""
    said = [
        f"Run {config['run']}: top-1 test accuracy (%) by the number of labelled training images per class, mean over"
        f" {draws} of these images, in brackets its {100 * LEVEL:g} % t interval over the draws; all: a single fit.",
        f"Every φ is of seed {config['seed']}. In each draw all rows are fitted to the same images{by_draw}; more"
        " labels include the fewer of the same draw. The intervals are over draws, for these φ and test images; they"
        " say nothing of other seeds.",
        "Ridge regression on features that are standardised over all training images; its strength λ has the best"
        " top-1 accuracy on the labelled images, each left out in turn.",
    ]
    networks, white = results[results.pool.notna()], results[results.whitened_variance.notna()]
    if len(networks):
        pool = agreed(networks.astype({"pool": int}), "pool", "side of the grid of features")
        said.append(f"Features: those of the frozen φ, averaged to a grid of {pool}×{pool} where they are more.")
    if len(white):
        share = agreed(white, "whitened_variance", "share of variance of the whitened components")
        kept, stand_ins = white[white.model == FLOORS[1]].groupby("dataset").features.first(), stand_ins_of(white)
        counts = "".join(f" ({count:,} on {words.dataset_name(name, stand_ins)})" for name, count in kept.items())
        said.append(
            "Floors have no network. Whitened pixels: the principal components of all training images that have"
            f" {100 * share:g} % of their variance{counts}, each scaled to variance 1."
        )
    return [*said, "The λ are in the CSV. The paper has no such table."]


def report(config: Settings, metrics_files: Files) -> dict[str, str]:
    """The table of few labels, from a file per variant or floor and data set.

    In the CSV, `mean`, `std` and the interval from `low` to `high` are over the `n` draws, in percent; `lambdas` are
    the different strengths in the order of the draws, `at_edge` whether any of them ends the range that was tried, and
    the row DIFFERENCE has the differences of the two rows in points.
    """
    datasets, models = config["datasets"], [*words.in_order([], config["variants"]), *FLOORS]
    cells = cells_of(model=models, dataset=datasets, seed=[config["seed"]])
    results = collect(metrics_files, {"few_labels": fits}, cells)
    for dataset, rows in results.groupby("dataset"):
        agreed(rows, "train_sha256", f"training images of {dataset}, by which the draws are the same")
    paired, per_class = set(PAIR) <= set(models), [*map(str, config["per_class"])]
    keys = {"model": [*models, *([DIFFERENCE] if paired else [])], "dataset": datasets, "per_class": per_class}
    both = pd.concat([results, differences(results)])
    # A file's seconds are of all its fits.
    table = intervals(summarise(both, keys, **FITTED).drop(columns="seconds")).astype({"images": "Int64"})
    columns = [count if count == "all" else words.plural(int(count), "label") for count in per_class]
    rows = lines_of(table, "model", lambda model: NAMES.get(model) or words.display_name(model), cell)
    notes = [AT_EDGE] if table.at_edge.eq(True).any() else []
    parts: Any = {"label": "few_labels", "corner": "Model", "columns": columns, "rows": rows, "notes": notes}
    sheet = sheet_of(results, datasets, caption(config, results, paired), "measuring", wide=True, **parts)
    return texts_of(table, 2, sheet)
