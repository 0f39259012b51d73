"""Accuracy against the length of pretraining."""

import itertools
from collections.abc import Mapping
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.params.types import Epochs, Name, Regime, RowName, Some
from patchvae.params.variants import shortened
from patchvae.report.figures.lengths import draw_lengths
from patchvae.report.tables import words
from patchvae.report.tables.config import Files, Selected, Settings
from patchvae.report.tables.finetunings import CELL, accuracies, schedules
from patchvae.report.tables.metrics import agreed, cells_of, collect, stand_ins_of, summarise
from patchvae.report.tables.probe_table import REGIME, method, probes, with_probe
from patchvae.report.tables.sheet import EMPTY, fewer, ours, sheet_of, texts_of

UNKNOWN = "all"  # heads the column of a whole pretraining of unknown length


class Config(Selected):
    datasets: Some[Name]
    variants: Some[RowName]
    regime: Regime
    heads: Some[Name]
    epochs: Some[Epochs]  # of the snapshots


def collect_lengths(config: Settings, files: Files) -> pd.DataFrame:
    """Every fine-tuning and probe that was run of the controls, the snapshots and the whole pretrainings.

    Raises PatchVAEError as `collect` does, and for a phi whose epochs are not those of its name.
    """
    known = {words.CONTROL: 0, words.PLAIN_CONTROL: 0}
    known |= {shortened(v, epoch): epoch for v, epoch in itertools.product(config["variants"], config["epochs"])}
    cells = cells_of(
        model=[*known, *config["variants"]],
        dataset=config["datasets"],
        regime=[config["regime"], REGIME],
        head=[*config["heads"], words.PROBE_HEAD],
        seed=config["seeds"],
    )
    # Table 1 and the probes have other rows, too.
    readers = {"finetune": accuracies(config["select"]), "probe": probes}
    frame = collect(files, readers, with_probe(cells), others=CELL[:-1])
    for row in frame[frame.model.isin(list(known))].itertuples():
        if row.pretrain_epochs != known[row.model]:
            raise PatchVAEError(f"{row.file}: {row.pretrain_epochs} epochs of pretraining in {row.model}")
    return frame


def whole_length(config: Settings, results: pd.DataFrame, dataset: str) -> int | None:
    """The epochs of the whole pretrainings on a data set; None where none was measured.

    Raises PatchVAEError naming a file that differs from the others or has no more epochs than the snapshots.
    """
    rows = results[(results.dataset == dataset) & results.model.isin(config["variants"])]
    epochs = agreed(rows, "pretrain_epochs", f"epochs of pretraining on {dataset}")
    if epochs is not None and epochs <= max([0, *config["epochs"]]):
        raise PatchVAEError(f"{rows.file.iloc[0]}: {epochs} epochs of pretraining, not more than its snapshots'")
    return None if epochs is None else int(epochs)


def places(config: Settings, lengths: Mapping[str, int | None]) -> pd.DataFrame:
    """The cells of the table in order: dataset, head, variant, epochs, and the model that fills them.

    lengths: data set -> epochs of the whole pretraining.
    """
    found: list[tuple[Any, ...]] = []
    for dataset, head in itertools.product(config["datasets"], [*config["heads"], words.PROBE_HEAD]):
        for variant in words.in_order([], config["variants"]):
            found.append((dataset, head, variant, 0, words.CONTROL))
            found += [(dataset, head, variant, epoch, shortened(variant, epoch)) for epoch in sorted(config["epochs"])]
            found.append((dataset, head, variant, lengths[dataset], variant))
        found.append((dataset, head, words.PLAIN_CONTROL, 0, words.PLAIN_CONTROL))
    frame = pd.DataFrame(found, columns=["dataset", "head", "variant", "epochs", "model"])
    return frame.astype({"epochs": "Int64"})


def layout(config: Settings, table: pd.DataFrame) -> list[list[str]]:
    """Rows of texts: name and head, then `mean ± std` per data set and length. A head without any number is left out.

    The control has one length, and dashes for the others.
    """
    texts: dict[tuple[str, str], list[str]] = {}
    width, seeds = len(config["epochs"]) + 2, len(config["seeds"])
    run = table["head"].isin(table["head"][table.n > 0])
    for (_, head, variant), cells in table[run].groupby(["dataset", "head", "variant"], sort=False):
        row = texts.setdefault((head, variant), [f"{words.display_name(variant)}, {words.head_name(head)}"])
        numbers = [ours(cell, 2, seeds) for cell in cells.assign(best=False).itertuples()]
        row += numbers + [EMPTY] * (width - len(numbers))
    return list(texts.values())


def caption(config: Settings, results: pd.DataFrame) -> list[str]:
    probed, tuned = results[results.rule == "probe"], results[results.rule == "finetune"]
    return [
        f"Run {config['run']}: top-1 test accuracy (%) against the length of pretraining, {words.seeds(config)};"
        f" columns: epochs of pretraining. Classifiers at {words.regime_name(config['regime'])},"
        f" {words.WHEN[config['select']]}.",
        *words.head_notes(config["heads"]),
        f"0 epochs: {words.display_name(words.CONTROL)}. The lengths between are snapshots of one training per seed.",
        *([method(probed)] if len(probed) else []),
        # The columns name the epochs of pretraining.
        *schedules(tuned.assign(pretrain_epochs=0), config["datasets"]),
        "The paper has no such table.",
    ]


def report(config: Settings, finetune_files: Files, probe_files: Files) -> dict[str, Any]:
    """The table and the figure of accuracies against the length of pretraining.

    finetune_files, probe_files: of the two controls, the variants, and VARIANT.epochs=EPOCH of each. In the CSV,
    `model` fills the cell: at 0 epochs a control. `epochs` is empty for a whole pretraining of unknown length.
    """
    datasets = config["datasets"]
    results = collect_lengths(config, [*finetune_files, *probe_files])
    stand_ins = stand_ins_of(results)
    where = places(config, {dataset: whole_length(config, results, dataset) for dataset in datasets})
    cells = {key: list(dict.fromkeys(where[key])) for key in ("dataset", "head", "model")}
    numbers = summarise(results, cells, train_mean=("train_top1", "mean"))
    table = where.merge(numbers, on=list(cells), how="left")
    table.insert(1, "stand_in", table.dataset.isin(stand_ins))
    columns = where[where.variant == config["variants"][0]].drop_duplicates(["dataset", "model"])
    columns["epochs"] = columns.epochs.astype("string").fillna(UNKNOWN)
    groups = [(words.dataset_name(name, stand_ins), [*columns.epochs[columns.dataset == name]]) for name in datasets]
    rows, notes = layout(config, table), fewer(table, len(config["seeds"]))
    parts: Any = {"label": "lengths", "corner": "Model, classifier", "groups": groups, "rows": rows, "notes": notes}
    text = caption(config, results)
    sheet = sheet_of(results, datasets, text, "fine-tuning and probing", scheduled=False, wide=True, **parts)
    return texts_of(table, 2, sheet) | {
        "figure": lambda files: draw_lengths(files["csv"], config, files["png"], files["pdf"])
    }
