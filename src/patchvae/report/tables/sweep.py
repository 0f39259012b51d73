"""Tables 3-6: accuracy by the values of one swept key."""

import math
from collections.abc import Collection, Sequence
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.params.types import Name, Regime, RowName, Some, SweptKey
from patchvae.report.figures.sweep import draw_sweep
from patchvae.report.tables.config import File, Files, Selected, Settings
from patchvae.report.tables.finetunings import LEARNING, UNTOLD, accuracies, selection
from patchvae.report.tables.metrics import agreed, cells_of, collect, comparable, read_paper, stand_ins_of, summarise
from patchvae.report.tables.sheet import sheet_of, side_by_side, texts_of
from patchvae.report.tables.words import as_number, dataset_name, display_name, regime_name

# Swept key: the paper's table of it, and its symbol
PAPER = {
    "num_parts": ("Table 3", "N"),
    "part_dim": ("Table 4", "d_p"),
    "occurrence_prior": ("Table 5", "z_occ^prior"),
    "beta_occ": ("Table 6", "β_occ"),
}


class Config(Selected):
    variant: RowName  # the one swept
    regime: Regime
    head: Name
    datasets: Some[Name]
    key: SweptKey
    variants: dict[str, RowName]  # by value as text, without the value of `variant` itself
    paper_column: str | None


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, as numbers if they are numbers: `0.30` is 0.3."""
    return str(one) == str(other) or as_number(one) == as_number(other) < math.inf


def paper_numbers(path: File | None, config: Settings, values: Sequence[str], stand_ins: Collection[str]) -> pd.Series:
    """The paper's accuracies by (value_text, dataset) on our data sets; values are spelt as ours."""
    keys = ["value_text", "dataset"]
    if path is None:
        return pd.Series([], index=pd.MultiIndex.from_arrays([[], []], names=keys), dtype=float)
    numbers = read_paper(path, [config["paper_column"], "dataset"], ["top1"]).top1.rename_axis(keys)
    numbers = comparable(numbers[numbers.index.isin(config["datasets"], level="dataset")], stand_ins)
    return numbers.rename(lambda text: next((v for v in values if same(v, text)), text), level="value_text")


def base_value(config: Settings, results: pd.DataFrame) -> str:
    """The swept key's value in the variant itself, from its metrics files.

    Raises PatchVAEError naming a file with another value, or with that of a swept variant.
    """
    rows = results[results.model == config["variant"]]
    value = str(agreed(rows, "swept", config["key"]))
    for text, variant in config["variants"].items():
        if same(text, value):
            raise PatchVAEError(f"{rows.file.iloc[0]}: {config['key']}: {value}, as in {variant}")
    return value


def caption(config: Settings, with_paper: bool) -> list[str]:
    swept, start, name = config["key"], f"Run {config['run']}", display_name(config["variant"])
    if swept in PAPER:
        number, symbol = PAPER[swept]
        swept, start = f"{symbol} ({swept})", f"{number} of the paper, run {config['run']}"
    text = [
        f"{start}: top-1 test accuracy (%) of {name} at {regime_name(config['regime'])} for values of {swept},"
        f" {selection(config)}; bold: our best per column.",
        f"Base: the value of all other tables, so the numbers of {name} itself.",
    ]
    if with_paper:
        text.append("The paper's numbers are at the paper's own schedule.")
    return text


def report(config: Settings, metrics_files: Files, paper_csv: File | None = None) -> dict[str, Any]:
    """The table and the figure of one swept key, a line per value, the smallest first.

    metrics_files: a fine-tuning per (value, data set, seed), and maybe some of `variant` on other data sets; paper_csv:
    columns paper_column, dataset, top1 (percent). A value that only the paper has is a line without a number of ours.
    """
    variant, datasets, key = config["variant"], config["datasets"], config["key"]
    values_by_variant = {swept: value for value, swept in config["variants"].items()}
    models, place = [variant, *values_by_variant], {"regime": [config["regime"]], "head": [config["head"]]}
    cells = cells_of(model=models, dataset=datasets, **place, seed=config["seeds"])
    reader = accuracies(config["select"], key=key)
    results = collect(metrics_files, {"finetune": reader}, cells, whole=True, others=["dataset"])
    base, stand_ins = base_value(config, results), stand_ins_of(results)
    values = [base, *config["variants"]]
    results["value_text"] = results.model.map({**values_by_variant, variant: base})
    paper = paper_numbers(paper_csv, config, values, stand_ins)
    known = {*values, *paper.index.get_level_values("value_text")}
    ordered = sorted(known, key=lambda value: (as_number(value), value))
    rows = {"value_text": ordered, "dataset": datasets}
    table = summarise(results, rows, paper, model=("model", "first"), **LEARNING)
    table = table.rename(columns={"value_text": "value"}).assign(stand_in=table.dataset.isin(stand_ins))
    first = ["value", "dataset", "stand_in", "paper", "mean", "std", "n"]
    table = table[[*first, *table.columns.difference(first, sort=False)]]

    def name(value: str) -> str:
        return f"{value} (base)" if value == base != UNTOLD else value

    headings = {dataset: dataset_name(dataset, stand_ins) for dataset in datasets}
    parts = side_by_side(table, "value", "dataset", headings, 2, name)
    text, (_, corner) = caption(config, bool(table.paper.notna().any())), PAPER.get(key, ("", key))
    sheet = sheet_of(results, datasets, text, label=f"sweep_{key}", corner=corner, wide=len(datasets) > 2, **parts)
    return texts_of(table, 2, sheet) | {
        "figure": lambda files: draw_sweep(files["csv"], config, files["png"], files["pdf"])
    }
