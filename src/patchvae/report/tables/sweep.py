"""Tables 3-6: accuracy by the values of one swept key."""

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.params.types import Name, Regime, RowName, Some, SweptKey
from patchvae.report.figures.sweep import draw_sweep
from patchvae.report.tables.config import Selected
from patchvae.report.tables.finetunings import LEARNING, UNTOLD, collect_accuracies, schedules, selection
from patchvae.report.tables.metrics import SUMMARY, agreed, best, comparable, read_paper, stand_ins_of, summarise
from patchvae.report.tables.sheet import Sheet, side_by_side, texts_of, write_texts
from patchvae.report.tables.words import as_number, dataset_name, demo_line, display_name, measured, regime_name

# Swept key: the paper's table of it, and its symbol
PAPER = {
    "num_parts": ("Table 3", "N"),
    "part_dim": ("Table 4", "d_p"),
    "occurrence_prior": ("Table 5", "z_occ^prior"),
    "beta_occ": ("Table 6", "β_occ"),
}


class Sweep(Selected):
    variant: RowName
    regime: Regime
    head: Name
    datasets: Some[Name]
    key: SweptKey
    variants: dict[str, RowName]
    paper_column: str | None


def same(one: Any, other: Any) -> bool:
    """Whether two values are equal, as numbers if they are numbers: `0.30` is 0.3."""
    return str(one) == str(other) or as_number(one) == as_number(other) < math.inf


def paper_numbers(
    path: Path | str | None, config: Mapping[str, Any], values: Sequence[str], stand_ins: Collection[str]
) -> pd.Series:
    """The paper's accuracies by (value, dataset) on our data sets; values are spelt as ours."""
    if path is None:
        index = pd.MultiIndex.from_arrays([[], []], names=["value", "dataset"])
        return pd.Series([], index=index, dtype=float)
    numbers = read_paper(path, [config["paper_column"], "dataset"], ["top1"]).top1.rename_axis(["value", "dataset"])
    numbers = comparable(numbers[numbers.index.isin(config["datasets"], level="dataset")], stand_ins)
    return numbers.rename(lambda text: next((v for v in values if same(v, text)), text), level="value")


def base_value(config: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The swept key's value in the variant itself, from its metrics files.

    Raises PatchVAEError naming a file with another value, or with that of a swept variant.
    """
    rows = results[results.model == config["variant"]]
    value = str(agreed(rows, "swept", config["key"]))
    for text, variant in config["variants"].items():
        if same(text, value):
            raise PatchVAEError(f"{rows.file.iloc[0]}: {config['key']}: {value}, as in {variant}")
    return value


def caption(config: Mapping[str, Any], results: pd.DataFrame, with_paper: bool) -> str:
    """The protocol behind the numbers, in plain sentences."""
    swept, start = config["key"], f"Run {config['run']}"
    if swept in PAPER:
        number, symbol = PAPER[swept]
        swept, start = f"{symbol} ({swept})", f"{number} of the paper, run {config['run']}"
    text = [
        f"{start}: top-1 test accuracy (%) of {display_name(config['variant'])} at"
        f" {regime_name(config['regime'])} for values of {swept}, {selection(config)}; bold: our best per column.",
        f"Base: the value of all other tables, so the numbers of {display_name(config['variant'])} itself.",
    ]
    if with_paper:
        text.append("The paper's numbers are at the paper's own schedule.")
    text += schedules(results, config["datasets"])
    return " ".join([*text, measured(results, "fine-tuning")])


def write(
    config: Mapping[str, Any],
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
    png: Path | str | None = None,
    pdf: Path | str | None = None,
    paper_csv: Path | str | None = None,
) -> None:
    """Write the table of one swept key as tidy CSV, Markdown, LaTeX and HTML, and as a figure.

    config: run, seeds, select, key, variant (the one swept), regime, head, datasets, variants (value as text -> variant
    trained with it, without the value of `variant` itself, which its metrics files tell), paper_column (or null);
    metrics_files: one fine-tuning per (value, data set, seed), in any order, and maybe some of `variant` on other data
    sets; paper_csv: columns paper_column, dataset, top1 (percent). Rows are the values, the smallest first. A value
    that only the paper has is a row without a number of ours.
    Raises PatchVAEError naming the file that is wrong or the cell that is missing; then nothing is written.
    """
    variant, datasets = config["variant"], config["datasets"]
    texts_by_variant = {swept: value for value, swept in config["variants"].items()}
    columns = [(dataset, config["regime"], config["head"]) for dataset in datasets]
    wanted = [(model, *column) for model in (variant, *texts_by_variant) for column in columns]
    results = collect_accuracies(
        config, metrics_files, wanted, aside=lambda row: row["model"] == variant and row["dataset"] not in datasets
    )
    base = base_value(config, results)
    values, stand_ins = [base, *config["variants"]], stand_ins_of(results)
    results["value_text"] = results.model.map({**texts_by_variant, variant: base})
    paper = paper_numbers(paper_csv, config, values, stand_ins)
    rows = sorted({*values, *paper.index.get_level_values("value")}, key=lambda value: (as_number(value), value))
    by_text = paper.rename_axis(["value_text", "dataset"])
    table = summarise(results, by_text, {"value_text": rows, "dataset": datasets}, model=("model", "first"), **LEARNING)
    table = table.rename(columns={"value_text": "value"})
    table["stand_in"] = table.dataset.isin(stand_ins).map({True: "true", False: "false"})
    first = ["value", "dataset", "stand_in", *SUMMARY]
    table = table[[*first, *table.columns.difference(first, sort=False)]]
    headings = {dataset: dataset_name(dataset, stand_ins) for dataset in datasets}
    table["best"] = best(table, ["dataset"], 2)
    groups, texts = side_by_side(table, "value", "dataset", headings, 2)
    sheet = Sheet(
        label=f"sweep_{config['key']}",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results, bool(table.paper.notna().any())),
        corner=PAPER.get(config["key"], ("", config["key"]))[1],
        groups=groups,
        rows=[[f"{value} (base)" if value == base != UNTOLD else value, *cells] for value, cells in texts.items()],
        wide=len(datasets) > 2,
    )
    write_texts(texts_of(table.drop(columns="best"), 2, sheet, csv, md, tex, html))
    if png is not None and pdf is not None:
        draw_sweep(csv, config, png, pdf)
