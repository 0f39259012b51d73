"""Table 1: top-1 accuracy of every variant, data set and regime."""

from typing import Any

import pandas as pd

from patchvae.report.tables import words
from patchvae.report.tables.config import Accuracies, File, Files, Settings
from patchvae.report.tables.finetunings import LEARNING, collect_accuracies, marks, notes, selection
from patchvae.report.tables.metrics import best, comparable, read_paper, stand_ins_of, summarise
from patchvae.report.tables.sheet import fewer, lines_of, ours, sheet_of, texts_of, with_numbers

# Columns of the CSV of all seeds
BY_SEED = ["model", "dataset", "regime", "head", "seed", "last", "best", "train_top1", "pretrain_epochs", "epochs"]
BY_SEED += ["test_images", "seconds", "device", "precision", "commit", "config_sha256", "metrics_sha256"]
KEYS = ["model", "dataset", "regime"]  # of the paper's numbers, which have no head
Config = Accuracies


def caption(config: Settings, results: pd.DataFrame, with_paper: bool) -> list[str]:
    head, *others = config["heads"]
    text = [
        f"Run {config['run']}: top-1 test accuracy (%) {selection(config)}, classifier {words.head_name(head)};"
        f" {words.bold(results.model)}.",
        *words.head_notes([head]),
    ]
    if others:
        text.append(f"The CSV beside this table has {', '.join(map(words.head_name, others))} too.")
    if with_paper:
        text.append("In parentheses the paper's numbers, at the paper's own schedule.")
    return text


def report(config: Settings, paper_csv: File, metrics_files: Files) -> dict[str, str]:
    """Table 1 with `ours ± std (paper)` in each cell, and the numbers of every seed.

    paper_csv: columns model, dataset, regime, top1 (percent). The first head is printed, without models that have no
    number; the CSV has all. There, `mean` and `std` are over seeds at the epoch that `select` names, `train_mean` is
    the mean of the training accuracies in the last epoch, `seconds` is the fine-tunings' sum, and `config_sha256` and
    `metrics_sha256` are the first 12 digits of every seed's digests.
    """
    datasets, regimes, heads, seeds = config["datasets"], config["regimes"], config["heads"], len(config["seeds"])
    results = collect_accuracies(config, metrics_files)
    stand_ins, marked = stand_ins_of(results), marks(results)
    paper = read_paper(paper_csv, KEYS, ["top1"]).top1
    models = words.in_order(paper.index.get_level_values("model"), config["variants"])
    cells = {"model": models, "dataset": datasets, "regime": regimes, "head": heads}
    by_head = pd.concat({head: comparable(paper, stand_ins) for head in heads}, names=["head"])
    table = summarise(results, cells, by_head.reorder_levels(list(cells)), **LEARNING)
    printed = table[table["head"] == heads[0]]

    def cell(row: Any) -> list[str]:
        mark = marked.get((row.model, row.dataset, row.regime, row.head), "")
        return [ours(row, 2, seeds) + mark + ("" if pd.isna(row.paper) else f" ({row.paper:.2f})")]

    by_model = printed.assign(best=best(printed, ["dataset", "regime"], 2))
    rows = with_numbers(lines_of(by_model, "model", words.display_name, cell))
    columns = [*map(words.regime_name, regimes)]
    below = [*notes(text for key, text in marked.items() if key[-1] == heads[0]), *fewer(printed, seeds)]
    parts: Any = {"label": "table1", "corner": "Model", "columns": columns, "rows": rows, "notes": below}
    text, own = caption(config, results, bool(table.paper.notna().any())), results[results["head"] == heads[0]]
    sheet = sheet_of(own, datasets, text, wide=len(datasets) > 1, **parts)
    by_seed = results[BY_SEED].to_csv(index=False, float_format="%.2f", lineterminator="\n")
    return texts_of(table, 2, sheet) | {"seeds_csv": by_seed}
