"""Classifiers that the scale of phi's features does not decide on: standardised features, or a rate chosen per row."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.params.types import Name, Regime, RowName, Some, Unique
from patchvae.report.tables.config import Selected
from patchvae.report.tables.finetunings import (
    CELL,
    accuracies,
    marks,
    notes,
    pretrained_with_labels,
    schedules,
    selection,
)
from patchvae.report.tables.metrics import Row, agreed, best, collect, distinct, stand_ins_of, summarise
from patchvae.report.tables.sheet import EMPTY, Sheet, fewer, ours, texts_of, write_texts
from patchvae.report.tables.words import (
    bold,
    dataset_name,
    demo_line,
    display_name,
    head_name,
    in_order,
    measured,
    plural,
    regime_name,
)

RATES = ["model", "dataset", "regime", "head", "seed"]
AT_EDGE = "The best rate of a row is the last that was tried, so a better one may lie beyond: {rows}."


class ScaleFree(Selected):
    datasets: Some[Name]
    variants: Some[RowName]
    regime: Regime
    heads: Some[Name]
    tuned: Unique[Name]


def rated(select: str) -> Callable[[Row], Iterator[Row]]:
    """A reader for `collect`: top-1 accuracy at the epoch that `select` names, with the rate `lr` it was trained at."""
    read = accuracies(["top1"], select, None)

    def rows(content: Row) -> Iterator[Row]:
        rate = content["config"]["lr"]
        rate = content["lr"] if rate == "chosen" else rate
        for row in read(content):
            yield {**row, "lr": f"{rate:g}"}

    return rows


def searches(content: Row) -> Iterator[Row]:
    """A reader for `collect`: a line per rate that was tried, `value` its accuracy on held-out images in %."""
    for line in content["rates"]:
        features = content["features"] or {"mean_abs": None, "largest_eigenvalue": None}
        yield {
            **{key: content[key] for key in ("regime", "head", "at_edge", "epochs", "train_images")},
            "metric": "top1",
            "held_out": content["count"],
            "test_images": content["count"],
            "lr": line["lr"],
            "value": line["held_out_top1"],
            "chosen": line["lr"] == content["lr"],
            **features,
        }


def collect_rates(config: Mapping[str, Any], files: Sequence[Path | str]) -> pd.DataFrame | None:
    """Every rate that was tried for the rows of the table, or None where no search was run.

    Raises PatchVAEError for a wrong or doubled file, and for searches of unlike length.
    """
    if not files:
        return None
    lists = (config["variants"], config["datasets"], [config["regime"]], config["heads"], config["seeds"])
    expected = list(itertools.product(*lists))
    known = {cell[:2] for cell in expected}
    frame = collect(
        files, {"rates": searches}, RATES, expected, lambda row: (row["model"], row["dataset"]) not in known, True
    )
    for column, what in (("epochs", "epochs of each rate"), ("held_out", "held-out images")):
        agreed(frame, column, what)
    return frame


def tried(lines: pd.DataFrame) -> str:
    """`0.001 27.10, 0.003 28.04, 0.01 diverged`, ascending."""
    ordered = lines.sort_values("lr")
    return ", ".join(
        f"{row.lr:g} {'diverged' if pd.isna(row.value) else f'{row.value:.2f}'}" for row in ordered.itertuples()
    )


def tabulate(config: Mapping[str, Any], results: pd.DataFrame, searched: pd.DataFrame | None) -> pd.DataFrame:
    """The tidy table: a line per row, data set and head, with the rates that were tried and the scale of features."""
    cells = {"model": in_order([], config["variants"]), "dataset": config["datasets"], "head": config["heads"]}
    more: dict[str, tuple[str, Any]] = {"train_mean": ("train_top1", "mean"), "lr": ("lr", distinct)}
    table = summarise(results, None, cells, **more).drop(columns="paper")
    own = pd.DataFrame(columns=["rates", "at_edge", "mean_abs", "largest_eigenvalue"])
    if searched is not None:
        by_row = searched.groupby(["model", "dataset", "head"])
        own = by_row[["at_edge", "mean_abs", "largest_eigenvalue"]].first()
        own.insert(0, "rates", by_row.apply(tried, include_groups=False))
        own["at_edge"] = own.at_edge.map({True: "true", False: "false"})
    own = own.reindex(pd.MultiIndex.from_frame(table[["model", "dataset", "head"]]))
    place = table.columns.get_loc("lr") + 1
    for column in reversed(own.columns):
        table.insert(place, column, own[column].to_numpy())
    return table


def layout(
    table: pd.DataFrame, tuned: Sequence[str], marked: Mapping[tuple[str, ...], str], regime: str, seeds: int
) -> list[list[str]]:
    """Rows of texts: name, then per data set and head the test and training accuracy, and where it varies the rate."""
    texts: dict[str, list[str]] = {}
    for row in table.assign(best=best(table, ["dataset", "head"], 2)).itertuples():
        cell = (row.model, row.dataset, regime, row.head)
        cells = [ours(row, 2, seeds) + marked.get(cell, ""), EMPTY if not row.n else f"{row.train_mean:.2f}"]
        if row.head in tuned:
            cells.append(row.lr if row.n else EMPTY)
        texts.setdefault(row.model, [display_name(row.model)]).extend(cells)
    return list(texts.values())


def search_notes(table: pd.DataFrame, searched: pd.DataFrame | None, stand_ins: set[str]) -> list[str]:
    """How rates were chosen, each row's tries, and how large its features are."""
    if searched is None:
        return []
    first = searched.iloc[0]
    lines = [
        "Rate: for each row the best of those tried, by accuracy (%) on"
        f" {plural(int(first.held_out), 'training image')} that were left out of {plural(int(first.epochs), 'epoch')}"
        f" on the other {plural(int(first.train_images), 'image')}, with seed {first.seed} alone."
    ]
    for row in table[table.rates.notna()].itertuples():
        size = ""
        if not pd.isna(row.mean_abs):
            size = (
                f" (mean |feature| {row.mean_abs:.3g}, largest eigenvalue of the features' second moment"
                f" {row.largest_eigenvalue:,.0f})"
            )
        lines.append(f"{display_name(row.model)}, {dataset_name(row.dataset, stand_ins)}: {row.rates}{size}.")
    edge = [display_name(model) for model in table.model[table.at_edge == "true"]]
    return [*lines, *([AT_EDGE.format(rows=", ".join(edge))] if edge else [])]


def caption(config: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The protocol behind the numbers, in plain sentences."""
    text = [
        f"Run {config['run']}: top-1 accuracy (%) on test and training images at {regime_name(config['regime'])},"
        f" {selection(config)}; {bold(results.model)}.",
        "Standardised: each feature of the frozen φ has mean 0 and deviation 1 over the training images."
        " One rate for features of unlike scale is another rate, relative to their curvature, in each row;"
        " these classifiers take the scale away, though not the curvature that correlations make.",
        "The paper has no such table.",
        *schedules(results, config["datasets"]),
        *pretrained_with_labels(results),
    ]
    return " ".join([*text, measured(results, "fine-tuning")])


def write(
    config: Mapping[str, Any],
    metrics_files: Sequence[Path | str],
    rates_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write the table of classifiers without scale as tidy CSV, Markdown, LaTeX and HTML.

    config: run, seeds, select, datasets, variants, regime, heads, tuned (those with a chosen rate); metrics_files: at
    most one fine-tuning per (variant, data set, regime, head, seed); rates_files: at most one search of a rate per
    (variant, data set, head), in any order. In the CSV, `lr` is the rate, `rates` are those that were tried with their
    accuracies in %, `mean_abs` and `largest_eigenvalue` say how large the features are.
    Raises PatchVAEError naming the file that is wrong, and without any fine-tuning; then nothing is written.
    """
    datasets, regime, heads = config["datasets"], config["regime"], config["heads"]
    cells = set(itertools.product(config["variants"], datasets))
    expected = list(itertools.product(config["variants"], datasets, [regime], heads, config["seeds"]))
    # The folder has the cells of other data sets, too.
    results = collect(
        metrics_files,
        {"finetune": rated(config["select"])},
        CELL,
        expected,
        lambda row: (row["model"], row["dataset"]) not in cells,
        True,
    )
    for dataset, rows in results.groupby("dataset"):
        agreed(rows, "epochs", f"epochs of fine-tuning on {dataset}")
    searched = collect_rates(config, rates_files)
    stand_ins, marked = stand_ins_of(results), marks(results)
    table = tabulate(config, results, searched)
    columns = {head: ["test", "training", *(["rate"] if head in config["tuned"] else [])] for head in heads}
    sheet = Sheet(
        label="scale_free",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results),
        corner="Model",
        groups=[(head_name(head), columns[head]) for head in heads],
        rows=layout(table, config["tuned"], marked, regime, len(config["seeds"])),
        notes=[
            *notes(marked.values()),
            *fewer(table, len(config["seeds"])),
            *search_notes(table, searched, stand_ins),
        ],
        wide=True,
    )
    write_texts(texts_of(table, 2, sheet, csv, md, tex, html))
