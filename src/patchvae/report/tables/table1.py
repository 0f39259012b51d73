"""Table 1: top-1 accuracy of every variant, data set and regime."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.params.types import Name, Regime, RowName, Some
from patchvae.report.tables.config import Selected
from patchvae.report.tables.finetunings import (
    LEARNING,
    collect_accuracies,
    marks,
    notes,
    pretrained_with_labels,
    schedules,
    selection,
)
from patchvae.report.tables.metrics import best, comparable, read_paper, stand_ins_of, summarise
from patchvae.report.tables.sheet import EMPTY, Sheet, fewer, ours, texts_of, write_texts
from patchvae.report.tables.words import (
    bold,
    dataset_name,
    demo_line,
    display_name,
    head_name,
    head_notes,
    in_order,
    measured,
    regime_name,
)

# Columns of the CSV of all seeds
BY_SEED = ["model", "dataset", "regime", "head", "seed", "last", "best", "train_top1", "pretrain_epochs", "epochs"]
BY_SEED += ["test_images", "seconds", "device", "precision", "commit", "config_sha256", "metrics_sha256"]
KEYS = ["model", "dataset", "regime"]  # of the paper's numbers, which have no head


class Table1(Selected):
    datasets: Some[Name]
    variants: Some[RowName]
    regimes: Some[Regime]
    heads: Some[Name]


def layout(table: pd.DataFrame, marked: Mapping[tuple[str, ...], str], seeds: int) -> list[list[str]]:
    """Rows of texts: name, then `ours ± std (paper)` per data set and regime. A model without any number is left out.

    table: of one head; marked: see `finetunings.marks`; seeds: of a whole cell. There is no room for columns of the
    paper's numbers.
    """
    texts: dict[str, list[str]] = {}
    for row in table.assign(best=best(table, ["dataset", "regime"], 2)).set_index("model").itertuples():
        paper = "" if pd.isna(row.paper) else f" ({row.paper:.2f})"
        mark = marked.get((str(row.Index), row.dataset, row.regime, row.head), "")
        texts.setdefault(str(row.Index), [display_name(str(row.Index))]).append(ours(row, 2, seeds) + mark + paper)
    return [row for row in texts.values() if any(text != EMPTY for text in row[1:])]


def caption(config: Mapping[str, Any], results: pd.DataFrame, with_paper: bool) -> str:
    """The protocol behind the numbers, in plain sentences."""
    head, *others = config["heads"]
    text = [
        f"Run {config['run']}: top-1 test accuracy (%) {selection(config)}, classifier {head_name(head)};"
        f" {bold(results.model)}.",
        *head_notes([head]),
    ]
    if others:
        text.append(f"The CSV beside this table has {', '.join(map(head_name, others))} too.")
    results = results[results["head"] == head]
    if with_paper:
        text.append("In parentheses the paper's numbers, at the paper's own schedule.")
    text += schedules(results, config["datasets"])
    return " ".join([*text, *pretrained_with_labels(results), measured(results, "fine-tuning")])


def write(
    config: Mapping[str, Any],
    paper_csv: Path | str,
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
    seeds_csv: Path | str | None = None,
    partial: bool = False,
) -> None:
    """Write Table 1 as tidy CSV, Markdown, LaTeX and HTML.

    config: run, seeds, datasets, variants, regimes, heads, select; paper_csv: columns model, dataset, regime, top1
    (percent); metrics_files: one metrics file of a fine-tuning per (variant, data set, regime, head, seed) of `config`,
    in any order. The first head is printed, the CSV has all. In the CSV, `mean` and `std` are over seeds at the epoch
    that `select` names, `train_mean` is the mean of the training accuracies in the last epoch, `seconds` is the
    fine-tunings' sum, and `config_sha256` and `metrics_sha256` are the first 12 digits of every seed's digests.
    seeds_csv: where to write the numbers of every seed, or None; partial: whether cells may be missing and then are
    empty. Raises PatchVAEError naming the file that is wrong or the cell that is missing; then nothing is
    written.
    """
    datasets, regimes = config["datasets"], config["regimes"]
    wanted = list(itertools.product(config["variants"], datasets, regimes, config["heads"]))
    results = collect_accuracies(config, metrics_files, wanted, partial=partial)
    stand_ins, marked = stand_ins_of(results), marks(results)
    paper = read_paper(paper_csv, KEYS, ["top1"]).top1
    models = in_order(list(paper.index.get_level_values("model")), config["variants"])
    cells = {"model": models, "dataset": datasets, "regime": regimes, "head": config["heads"]}
    by_head = pd.concat({head: comparable(paper, stand_ins) for head in config["heads"]}, names=["head"])
    table = summarise(results, by_head.reorder_levels(list(cells)), cells, **LEARNING)
    printed = table[table["head"] == config["heads"][0]]
    sheet = Sheet(
        label="table1",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results, bool(table.paper.notna().any())),
        corner="Model",
        groups=[(dataset_name(dataset, stand_ins), [*map(regime_name, regimes)]) for dataset in datasets],
        rows=layout(printed, marked, len(config["seeds"])),
        notes=[
            *notes(text for cell, text in marked.items() if cell[-1] == config["heads"][0]),
            *fewer(printed, len(config["seeds"])),
        ],
        wide=len(datasets) > 1,
    )
    written = texts_of(table, 2, sheet, csv, md, tex, html)
    if seeds_csv is not None:
        written[seeds_csv] = results[BY_SEED].to_csv(index=False, float_format="%.2f", lineterminator="\n")
    write_texts(written)
