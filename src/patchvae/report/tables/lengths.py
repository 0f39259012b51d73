"""Accuracy against the length of pretraining."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.params.types import Epochs, Name, Regime, RowName, Some
from patchvae.params.variants import shortened
from patchvae.report.figures.lengths import draw_lengths
from patchvae.report.tables.config import Selected
from patchvae.report.tables.finetunings import CELL, accuracies, schedules
from patchvae.report.tables.metrics import agreed, collect, stand_ins_of, summarise
from patchvae.report.tables.probe_table import REGIME, method, probes
from patchvae.report.tables.sheet import EMPTY, Sheet, fewer, ours, texts_of, write_texts
from patchvae.report.tables.words import (
    CONTROL,
    PLAIN_CONTROL,
    PROBE_HEAD,
    WHEN,
    dataset_name,
    demo_line,
    display_name,
    head_name,
    head_notes,
    in_order,
    measured,
    regime_name,
    seeds,
)

UNKNOWN = "all"  # heads the column of a whole pretraining of unknown length


class Lengths(Selected):
    datasets: Some[Name]
    variants: Some[RowName]
    regime: Regime
    heads: Some[Name]
    epochs: Some[Epochs]


def collect_lengths(config: Mapping[str, Any], files: Sequence[Path | str]) -> pd.DataFrame:
    """Every fine-tuning and probe that was run of the controls, the snapshots and the whole pretrainings.

    Raises PatchVAEError for a wrong or doubled file, without any file, for a phi whose epochs are not those of its
    name, and for files of one data set with different test images or numbers of epochs.
    """
    snapshots = {shortened(v, epoch): epoch for v, epoch in itertools.product(config["variants"], config["epochs"])}
    models = [CONTROL, PLAIN_CONTROL, *snapshots, *config["variants"]]
    heads = [*((config["regime"], head) for head in config["heads"]), (REGIME, PROBE_HEAD)]
    cells = itertools.product(models, config["datasets"], heads, config["seeds"])
    expected = [(model, dataset, *head, seed) for model, dataset, head, seed in cells]
    readers = {"finetune": accuracies(["top1"], config["select"], None), "probe": probes}
    wanted = {cell[:-1] for cell in expected}
    # Table 1 and the probes have other rows too, which are skipped.
    frame = collect(
        files, readers, CELL, expected, lambda row: tuple(row[key] for key in CELL[:-1]) not in wanted, True
    )
    for dataset, rows in frame[frame.rule == "finetune"].groupby("dataset"):
        agreed(rows.astype({"epochs": int}), "epochs", f"epochs of fine-tuning on {dataset}")
    known = {CONTROL: 0, PLAIN_CONTROL: 0, **snapshots}
    for row in frame[frame.model.isin(list(known))].itertuples():
        if row.pretrain_epochs != known[row.model]:
            raise PatchVAEError(f"{row.file}: {row.pretrain_epochs} epochs of pretraining in {row.model}")
    return frame


def whole_length(config: Mapping[str, Any], results: pd.DataFrame, dataset: str) -> int | None:
    """The epochs of the whole pretrainings on a data set; None where none was measured.

    Raises PatchVAEError naming a file that differs from the others or has no more epochs than the snapshots.
    """
    rows = results[(results.dataset == dataset) & results.model.isin(config["variants"])]
    epochs = agreed(rows, "pretrain_epochs", f"epochs of pretraining on {dataset}")
    if epochs is not None and epochs <= max([0, *config["epochs"]]):
        raise PatchVAEError(f"{rows.file.iloc[0]}: {epochs} epochs of pretraining, not more than its snapshots'")
    return None if epochs is None else int(epochs)


def places(config: Mapping[str, Any], lengths: Mapping[str, int | None]) -> pd.DataFrame:
    """The cells of the table in order: dataset, head, variant, epochs, and the model that fills them.

    lengths: data set -> epochs of the whole pretraining.
    """
    found: list[tuple[Any, ...]] = []
    for dataset, head in itertools.product(config["datasets"], [*config["heads"], PROBE_HEAD]):
        for variant in in_order([], config["variants"]):
            found.append((dataset, head, variant, 0, CONTROL))
            found += [(dataset, head, variant, epoch, shortened(variant, epoch)) for epoch in sorted(config["epochs"])]
            found.append((dataset, head, variant, lengths[dataset], variant))
        found.append((dataset, head, PLAIN_CONTROL, 0, PLAIN_CONTROL))
    frame = pd.DataFrame(found, columns=["dataset", "head", "variant", "epochs", "model"])
    return frame.astype({"epochs": "Int64"})


def layout(config: Mapping[str, Any], table: pd.DataFrame) -> list[list[str]]:
    """Rows of texts: name and head, then `mean ± std` per data set and length. A head without any number is left out.

    The control has one length, and dashes for the others.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    width = len(config["epochs"]) + 2
    run = set(table["head"][table.n > 0])
    for (_, head, variant), cells in table.assign(best=False).groupby(["dataset", "head", "variant"], sort=False):
        if head in run:
            row = texts.setdefault((head, variant), [f"{display_name(variant)}, {head_name(head)}"])
            numbers = [ours(cell, 2, len(config["seeds"])) for cell in cells.itertuples()]
            row += numbers + [EMPTY] * (width - len(numbers))
    return list(texts.values())


def caption(config: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The protocol behind the numbers, in plain sentences."""
    regime, tuned = regime_name(config["regime"]), results[results.rule == "finetune"]
    text = [
        f"Run {config['run']}: top-1 test accuracy (%) against the length of pretraining, {seeds(config)}; columns:"
        f" epochs of pretraining. Classifiers at {regime}, {WHEN[config['select']]}.",
        *head_notes(config["heads"]),
        f"0 epochs: {display_name(CONTROL)}. The lengths between are snapshots of one training per seed.",
    ]
    if len(tuned) < len(results):
        text.append(method(results[results.rule == "probe"]))
    # The columns name the epochs of pretraining.
    untold = tuned.assign(pretrain_epochs=0)
    text += schedules(untold, config["datasets"])
    return " ".join([*text, "The paper has no such table.", measured(results, "fine-tuning and probing")])


def write(
    config: Mapping[str, Any],
    finetune_files: Sequence[Path | str],
    probe_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
    png: Path | str | None = None,
    pdf: Path | str | None = None,
) -> None:
    """Write the accuracies against the length of pretraining as tidy CSV, Markdown, LaTeX and HTML, and as a figure.

    config: run, seeds, select, datasets, variants, regime, heads, epochs (of the snapshots); finetune_files: at most
    one fine-tuning per (model, data set, head, seed) at that regime, in any order, the models being the two controls,
    the variants, and VARIANT.epochs=EPOCH of each; probe_files: at most one probe per (model, data set, seed).
    In the CSV, `model` fills the cell: at 0 epochs a control. `epochs` is empty for a whole pretraining of unknown
    length. Raises PatchVAEError naming the file that is wrong, and without any file; then
    nothing is written.
    """
    datasets = config["datasets"]
    results = collect_lengths(config, [*finetune_files, *probe_files])
    stand_ins = stand_ins_of(results)
    where = places(config, {dataset: whole_length(config, results, dataset) for dataset in datasets})
    cells = {key: list(dict.fromkeys(where[key])) for key in ("dataset", "head", "model")}
    numbers = summarise(results, None, cells, train_mean=("train_top1", "mean")).drop(columns="paper")
    table = where.merge(numbers, on=list(cells), how="left")
    table.insert(1, "stand_in", table.dataset.isin(stand_ins).map({True: "true", False: "false"}))
    columns = where[where.variant == config["variants"][0]].drop_duplicates(["dataset", "model"])
    groups = [
        (dataset_name(dataset, stand_ins), [UNKNOWN if pd.isna(epochs) else str(epochs) for epochs in rows.epochs])
        for dataset, rows in columns.groupby("dataset", sort=False)
    ]
    sheet = Sheet(
        label="lengths",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results),
        corner="Model, classifier",
        groups=groups,
        rows=layout(config, table),
        notes=fewer(table, len(config["seeds"])),
        wide=True,
    )
    write_texts(texts_of(table, 2, sheet, csv, md, tex, html))
    if png is not None and pdf is not None:
        draw_lengths(csv, config, png, pdf)
