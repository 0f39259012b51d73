"""The classifier's choices that the paper leaves open, each flipped alone."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from patchvae.params.classifying import HeadSettings
from patchvae.params.types import Name, Regime, RowName, RunName, Seed, Select, Some, Strict
from patchvae.params.variants import text_of
from patchvae.report.comparisons import TIMES_CHANCE, near_chance
from patchvae.report.tables import words
from patchvae.report.tables.config import Files, Settings
from patchvae.report.tables.finetunings import BY_HEART, BY_HEART_NOTE, CELL, accuracies
from patchvae.report.tables.metrics import ORIGIN, cells_of, collect, summarise
from patchvae.report.tables.sheet import EMPTY, lines_of, sheet_of, signed, texts_of

PAIR = ("patchvae", "beta-vae")  # the paper claims that the first is better
# The epoch that is not reported, and a row's name of it
OTHER = {
    "last": ("best", "E54: best epoch on the test set instead of the last"),
    "best": ("last", "E54: last epoch instead of the best on the test set"),
}
ORDER = "order changes"


def listed(settings: Mapping[str, Any]) -> str:
    """`head_relu true, head_dropout 0.5`."""
    return ", ".join(f"{key} {text_of(value)}" for key, value in settings.items())


class Config(Strict):
    run: RunName
    seed: Seed
    select: Select
    datasets: Some[Name]
    variants: Some[RowName]
    regime: Regime
    base_head: Name
    heads: Some[Name]  # without base_head
    settings: dict[Name, HeadSettings]  # by head, of base_head too


def changes(config: Settings, head: str) -> str:
    """How a head differs from the base: `lr 0.1, batch_size 256`; settings of the base alone are 'by default'."""
    base, other = config["settings"][config["base_head"]], config["settings"][head]
    return listed({key: other.get(key, "by default") for key in {**base, **other} if other.get(key) != base.get(key)})


def row_names(config: Settings) -> dict[str, str]:
    """The names of the rows: the base, every other head, and the base at the epoch of OTHER, no head's key."""
    base = config["base_head"]
    heads = {head: f"{words.head_name(head)}: {changes(config, head) or 'no change'}" for head in config["heads"]}
    other, name = OTHER[config["select"]]
    return {base: f"{words.head_name(base)} (base)", **heads, f"{base} {other}": name}


def chosen(values: pd.Series, where: pd.Series, by: Sequence[pd.Series]) -> pd.Series:
    """On every line of a group the value of the one line that `where` chooses."""
    return values.where(where).groupby([*by]).transform("first")


def tabulate(config: Settings, results: pd.DataFrame) -> pd.DataFrame:
    """The tidy table, with `row`, a key of `row_names`, and `near`: whether an accuracy is near chance.

    `order_changed`, where PAIR is among the models: whether it changes places against the base; missing where one of
    the four accuracies is, where two are equal, and where one is near chance and so has no order.
    """
    base, select, (epoch, _) = config["base_head"], config["select"], OTHER[config["select"]]
    flipped = results[results["head"] == base]
    # Its training accuracy would be of another epoch than the reported one.
    flipped = flipped.assign(row=f"{base} {epoch}", value=flipped[epoch], train_top1=math.nan)
    every = pd.concat([results.assign(row=results["head"]), flipped])
    models = words.in_order([], config["variants"])
    cells = {"row": list(row_names(config)), "dataset": config["datasets"], "model": models}
    table = summarise(every, cells, train_top1=("train_top1", "mean"))
    at_base, other = table.row == base, ~table.row.isin([base, *config["heads"]])
    classes = table.dataset.map(results.groupby("dataset").num_classes.first())
    table["near"] = near_chance(table["mean"], classes)
    difference = table["mean"] - chosen(table["mean"], at_base, [table.dataset, table.model])
    table["difference"] = difference.mask(at_base | table.near)
    table["head"], table["select"] = table.row.mask(other, base), other.map({True: epoch, False: select})
    if set(PAIR) <= set(models):
        ordered, place = table["mean"].mask(table.near), [table.dataset, table.row]
        first, second = (chosen(ordered, table.model == model, place) for model in PAIR)
        gap = first - second
        sides = gap * chosen(gap, at_base, [table.dataset])
        table["order_changed"] = (sides < 0).astype(object).where(sides.notna() & (sides != 0) & ~at_base)
    return table


def caption(config: Settings, table: pd.DataFrame) -> list[str]:
    base = config["base_head"]
    text = [
        f"Run {config['run']}: top-1 test accuracy (%) at {words.regime_name(config['regime'])} with other choices in"
        f" the classifier, {words.WHEN[config['select']]}; in parentheses the difference to the base in points.",
        f"Base: {words.head_name(base)}, with {listed(config['settings'][base])}. Every row changes what it names and"
        " nothing else.",
        f"One training per cell (seed {config['seed']}), so a small difference may be chance.",
    ]
    if "order_changed" in table:
        names = " and ".join(map(words.display_name, PAIR))
        text.append(f"{ORDER.capitalize()}: whether {names} change places against the base.")
    if table.near.any():
        text.append(f"A dash beside an accuracy: it is below {TIMES_CHANCE} times chance, where a head has no order.")
    return [*text, *words.head_notes([base])]


def report(config: Settings, metrics_files: Files) -> dict[str, str]:
    """The table of flipped choices, from one seed of the heads and of the base, Table 1's first head.

    In the CSV, `difference` is to the base in points, `train_top1` the training accuracy in the last epoch, `select`
    the epoch that is reported, and `order_changed` of a head and data set; an accuracy near chance has neither a
    difference nor an order.
    """
    datasets, models = config["datasets"], words.in_order([], config["variants"])
    place = {"regime": [config["regime"]], "head": [config["base_head"], *config["heads"]], "seed": [config["seed"]]}
    cells = cells_of(model=config["variants"], dataset=datasets, **place)
    # Table 1 has other rows and seeds, too.
    results = collect(metrics_files, {"finetune": accuracies(config["select"])}, cells, others=CELL)
    table, names = tabulate(config, results), row_names(config)
    order = ["order_changed"] if "order_changed" in table else []

    def cell(row: Any) -> list[str]:
        """`28.73 (+3.50)†`, `1.00 (—)` near chance, or a dash; after the last model whether the order changes."""
        text = EMPTY
        if row.n:
            beside = "" if math.isnan(row.difference) and not row.near else f" ({signed(row.difference)})"
            text = f"{row.mean:.2f}{beside}" + ("†" if row.train_top1 >= BY_HEART else "")
        if order and row.model == models[-1]:
            return [text, {True: "yes", False: "no"}.get(row.order_changed, EMPTY)]
        return [text]

    columns = [*map(words.short_name, models), *(ORDER for _ in order)]
    rows = lines_of(table, "row", names.__getitem__, cell)
    notes = [BY_HEART_NOTE] if (table.train_top1 >= BY_HEART).any() else []
    parts: Any = {"label": "sensitivity", "corner": "Classifier", "columns": columns, "rows": rows, "notes": notes}
    sheet = sheet_of(results, datasets, caption(config, table), wide=True, **parts)
    columns = ["head", "select", "dataset", "model", "mean", "difference", "std", "n", "train_top1", *order, *ORIGIN]
    return texts_of(table[columns], 2, sheet)
