"""Tables 3-6: accuracy along the values of one key of the model."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.report.tables.finetunings import LEARNING, collect_accuracies, schedules, selection
from patchvae.report.tables.metrics import SUMMARY, best, comparable, read_paper, summarise
from patchvae.report.tables.sheet import Sheet, side_by_side, texts_of, write_texts
from patchvae.report.tables.words import dataset_name, demo_line, display_name, measured, regime_name

SYMBOLS = {"num_parts": "N", "part_dim": "d_p", "occurrence_prior": "z_occ^prior", "beta_occ": "β_occ"}


def as_number(value: Any) -> float:
    """A value's place in the table: its number, or after all numbers for a text like `1/N`."""
    try:
        return float(value)
    except ValueError:
        return math.inf


def same(one: Any, other: Any) -> bool:
    """Whether two values are one, as numbers where they are numbers: `0.30` is 0.3."""
    return str(one) == str(other) or as_number(one) == as_number(other) < math.inf


def paper_numbers(path: Path | str | None, config: Mapping[str, Any], values: Sequence[str]) -> pd.Series:
    """The paper's accuracies by (value, dataset) on our data sets; a value that is among ours is spelt as there."""
    if path is None:
        index = pd.MultiIndex.from_arrays([[], []], names=["value", "dataset"])
        return pd.Series([], index=index, dtype=float)
    numbers = read_paper(path, [config["paper_column"], "dataset"], ["top1"]).top1.rename_axis(["value", "dataset"])
    numbers = comparable(numbers[numbers.index.isin(config["datasets"], level="dataset")], config["demo"])
    return numbers.rename(lambda text: next((v for v in values if same(v, text)), text), level="value")


def caption(config: Mapping[str, Any], results: pd.DataFrame, with_paper: bool, base: str | None) -> str:
    """The protocol behind the numbers, in plain sentences."""
    symbol = SYMBOLS.get(config["key"])
    swept = config["key"] if symbol is None else f"{symbol} ({config['key']})"
    text = [
        f"Run {config['run']}: top-1 test accuracy (%) of {display_name(config['variant'])} at"
        f" {regime_name(config['regime'])} for values of {swept}, {selection(config)}; bold: our best per column."
    ]
    if base is None:
        text.append(f"The value of all other tables, {config['base_value']}, is not among them.")
    else:
        text.append(f"Base: the value of all other tables, so the numbers of {display_name(config['variant'])} itself.")
    if with_paper:
        text.append("The paper's numbers are at the paper's own schedule.")
    text += schedules(config, results, config["datasets"])
    return " ".join([*text, measured(results, "fine-tuning")])


def write_sweep(
    config: Mapping[str, Any],
    paper_csv: Path | str | None,
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write the table of one swept key as tidy CSV, Markdown, LaTeX and HTML; its rows are the values, smallest first.

    config: run, seeds, key, variants (value as text -> variant trained with it), base_value, variant (the one swept),
    regime, datasets, select, schedule, demo, and paper_column where there is a paper_csv, whose columns are it,
    dataset, top1 (percent); metrics_files: one fine-tuning per (value, data set, seed), in any order. A value that
    only the paper has is a row without a number of ours.
    Raises PatchVAEError naming the file that is wrong or the cell that is missing; then nothing is written.
    """
    values, datasets = list(config["variants"]), config["datasets"]
    value_of = {variant: value for value, variant in config["variants"].items()}
    wanted = [(variant, dataset, config["regime"]) for variant in value_of for dataset in datasets]
    results = collect_accuracies(config, metrics_files, wanted)
    results["value_text"] = results.model.map(value_of)
    paper = paper_numbers(paper_csv, config, values)
    rows = sorted({*values, *paper.index.get_level_values("value")}, key=lambda value: (as_number(value), value))
    by_text = paper.rename_axis(["value_text", "dataset"])
    table = summarise(results, by_text, {"value_text": rows, "dataset": datasets}, model=("model", "first"), **LEARNING)
    table = table.rename(columns={"value_text": "value"})
    table = table[["value", "dataset", *SUMMARY, *table.columns.difference(["value", "dataset", *SUMMARY], sort=False)]]
    base = next((value for value in values if same(value, config["base_value"])), None)
    headings = {dataset: dataset_name(config, dataset) for dataset in datasets}
    table["best"] = best(table, ["dataset"], 2)
    groups, texts = side_by_side(table, "value", "dataset", headings, 2)
    sheet = Sheet(
        label=f"sweep_{config['key']}",
        warning=demo_line(config, datasets),
        caption=caption(config, results, bool(table.paper.notna().any()), base),
        corner=SYMBOLS.get(config["key"], config["key"]),
        groups=groups,
        rows=[[f"{value} (base)" if value == base else value, *cells] for value, cells in texts.items()],
        wide=len(datasets) > 2,
    )
    write_texts(texts_of(table.drop(columns="best"), 2, sheet, csv, md, tex, html))
