"""The classifier's choices that the paper leaves open, each flipped alone."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.params.classifying import HeadSettings
from patchvae.params.types import Name, Regime, RowName, RunName, Seed, Select, Some, Strict
from patchvae.params.variants import text_of
from patchvae.report.comparisons import TIMES_CHANCE, near_chance
from patchvae.report.tables.finetunings import (
    BY_HEART,
    BY_HEART_NOTE,
    CELL,
    collect_accuracies,
    pretrained_with_labels,
    schedules,
)
from patchvae.report.tables.metrics import stand_ins_of, summarise
from patchvae.report.tables.sheet import EMPTY, Sheet, signed, texts_of, write_texts
from patchvae.report.tables.words import (
    WHEN,
    dataset_name,
    demo_line,
    display_name,
    head_name,
    head_notes,
    in_order,
    measured,
    regime_name,
    short_name,
)

PAIR = ("patchvae", "beta-vae")  # the paper claims that the first is better
OTHER = {"last": "best", "best": "last"}
OTHER_EPOCH = {
    "last": "E54: best epoch on the test set instead of the last",
    "best": "E54: last epoch instead of the best on the test set",
}
ORDER = "order changes"


def listed(settings: Mapping[str, Any]) -> str:
    """`head_relu true, head_dropout 0.5`."""
    return ", ".join(f"{key} {text_of(value)}" for key, value in settings.items())


class Sensitivity(Strict):
    run: RunName
    seed: Seed
    select: Select
    datasets: Some[Name]
    variants: Some[RowName]
    regime: Regime
    base_head: Name
    heads: Some[Name]
    settings: dict[Name, HeadSettings]


def changes(config: Mapping[str, Any], head: str) -> str:
    """How a head differs from the base: `lr 0.1, batch_size 256`; settings of the base alone are 'by default'."""
    base, other = config["settings"][config["base_head"]], config["settings"][head]
    return listed({key: other.get(key, "by default") for key in {**base, **other} if other.get(key) != base.get(key)})


def row_names(config: Mapping[str, Any]) -> dict[str, str]:
    """The names of the rows: the base, every other head, and the base at the epoch that is not reported (E54).

    The key of the last one is no head.
    """
    base = config["base_head"]
    heads = {head: f"{head_name(head)}: {changes(config, head) or 'no change'}" for head in config["heads"]}
    return {
        base: f"{head_name(base)} (base)",
        **heads,
        f"{base} {OTHER[config['select']]}": OTHER_EPOCH[config["select"]],
    }


def order_changed(table: pd.DataFrame, base: str) -> pd.Series:
    """Whether PAIR change places against the base, by (dataset, row), where both are there, differ and are ordered.

    table: columns dataset, row, model, mean, and `near`: whether the accuracy is near chance, so that it has no order.
    """
    means = table.assign(mean=table["mean"].mask(table.near)).set_index(["dataset", "row", "model"])["mean"].unstack()
    gap = means[PAIR[0]] - means[PAIR[1]]
    sides = gap * gap.xs(base, level="row").reindex(gap.index.get_level_values("dataset")).to_numpy()
    sides = sides[(sides != 0) & sides.notna() & (sides.index.get_level_values("row") != base)]
    return sides < 0


def tabulate(config: Mapping[str, Any], results: pd.DataFrame) -> pd.DataFrame:
    """The tidy table, with `row`, a key of `row_names`; `order_changed` is true, false or missing."""
    base, select = config["base_head"], config["select"]
    flipped = results[results["head"] == base]
    # Its training accuracy would be of another epoch than the reported one.
    flipped = flipped.assign(row=f"{base} {OTHER[select]}", value=flipped[OTHER[select]], train_top1=math.nan)
    every = pd.concat([results.assign(row=results["head"]), flipped])
    models = in_order([], config["variants"])
    cells = {"row": list(row_names(config)), "dataset": config["datasets"], "model": models}
    table = summarise(every, None, cells, train_top1=("train_top1", "mean")).drop(columns="paper")
    classes = table.dataset.map(results.groupby("dataset").num_classes.first())
    table["near"] = [near_chance(*cell) for cell in zip(table["mean"], classes, strict=True)]
    at_base = table[table.row == base].set_index(["dataset", "model"])["mean"]
    places = pd.MultiIndex.from_frame(table[["dataset", "model"]])
    difference = (table["mean"] - at_base.reindex(places).to_numpy()).where((table.row != base) & ~table.near)
    table.insert(table.columns.get_loc("mean") + 1, "difference", difference)
    if set(PAIR) <= set(models):
        changed = order_changed(table, base).map({True: "true", False: "false"})
        places = pd.MultiIndex.from_frame(table[["dataset", "row"]])
        table.insert(table.columns.get_loc("train_top1") + 1, "order_changed", changed.reindex(places).to_numpy())
    return table


def cell(row: Any) -> str:
    """`28.73 (+3.50)†`, `1.00 (—)` near chance, or a dash for what was not run."""
    if not row.n:
        return EMPTY
    text = f"{row.mean:.2f}" + ("" if math.isnan(row.difference) and not row.near else f" ({signed(row.difference)})")
    return text + ("†" if row.train_top1 >= BY_HEART else "")


def layout(table: pd.DataFrame, names: Mapping[str, str]) -> list[list[str]]:
    """Rows of texts: name, then per data set a cell per model and, where PAIR is among them, whether it changes."""
    texts = {row: [name] for row, name in names.items()}
    for (row, _), cells in table.groupby(["row", "dataset"], sort=False):
        texts[row] += [cell(one) for one in cells.itertuples()]
        if "order_changed" in cells:
            texts[row].append({"true": "yes", "false": "no"}.get(cells.order_changed.iloc[0], EMPTY))
    return list(texts.values())


def caption(config: Mapping[str, Any], results: pd.DataFrame, with_order: bool, near: bool) -> str:
    """The protocol behind the numbers, in plain sentences."""
    base = config["base_head"]
    text = [
        f"Run {config['run']}: top-1 test accuracy (%) at {regime_name(config['regime'])} with other choices in the"
        f" classifier, {WHEN[config['select']]}; in parentheses the difference to the base in points.",
        f"Base: {head_name(base)}, with {listed(config['settings'][base])}. Every row changes what it names and nothing"
        " else.",
        f"One training per cell (seed {config['seed']}), so a small difference may be chance.",
    ]
    if with_order:
        names = " and ".join(map(display_name, PAIR))
        text.append(f"{ORDER.capitalize()}: whether {names} change places against the base.")
    if near:
        text.append(f"A dash beside an accuracy: it is below {TIMES_CHANCE} times chance, where a head has no order.")
    text += [*head_notes([base]), *schedules(results, config["datasets"])]
    return " ".join([*text, *pretrained_with_labels(results), measured(results, "fine-tuning")])


def write(
    config: Mapping[str, Any],
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write the table of flipped choices as tidy CSV, Markdown, LaTeX and HTML.

    config: run, seed, select, datasets, variants, regime, base_head, heads (without base_head), settings (head -> its
    settings, of base_head too); metrics_files: at most one fine-tuning per (variant, data set, head) with that regime
    and seed, in any order. In the CSV, `difference` is to the base in points, `train_top1` the training accuracy in
    the last epoch, `select` the epoch that is reported, and `order_changed` of a head and data set; an accuracy near
    chance has neither a difference nor an order.
    Raises PatchVAEError naming the file that is wrong, and without any file; then nothing is written.
    """
    datasets, heads, regime = config["datasets"], [config["base_head"], *config["heads"]], config["regime"]
    cells = list(itertools.product(config["variants"], datasets, [regime], heads))
    protocol = {"seeds": [config["seed"]], "select": config["select"]}
    # Table 1 has other rows and seeds too, which are skipped.
    results = collect_accuracies(
        protocol,
        metrics_files,
        cells,
        aside=lambda row: row["seed"] != config["seed"] or tuple(row[key] for key in CELL[:-1]) not in cells,
        partial=True,
    )
    stand_ins, names = stand_ins_of(results), row_names(config)
    table = tabulate(config, results)
    with_order = "order_changed" in table
    columns = [*map(short_name, in_order([], config["variants"])), *([ORDER] if with_order else [])]
    sheet = Sheet(
        label="sensitivity",
        warning=demo_line(datasets, stand_ins),
        caption=caption(config, results, with_order, bool(table.near.any())),
        corner="Classifier",
        groups=[(dataset_name(dataset, stand_ins), columns) for dataset in datasets],
        rows=layout(table, names),
        notes=[BY_HEART_NOTE] if (table.train_top1 >= BY_HEART).any() else [],
        wide=True,
    )
    other = ~table.row.isin(heads)
    tidy = table.drop(columns=["row", "near"])
    tidy.insert(0, "head", table.row.mask(other, config["base_head"]))
    tidy.insert(1, "select", other.map({True: OTHER[config["select"]], False: config["select"]}))
    write_texts(texts_of(tidy, 2, sheet, csv, md, tex, html))
