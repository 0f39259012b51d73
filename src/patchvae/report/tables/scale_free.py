"""Classifiers that the scale of phi's features does not decide on: standardised features, or a rate chosen per row."""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from patchvae.params.types import Name, Regime, RowName, Some, Unique
from patchvae.report.tables import words
from patchvae.report.tables.config import Files, Selected, Settings
from patchvae.report.tables.finetunings import accuracies, marks, notes, selection
from patchvae.report.tables.metrics import ORIGIN, Row, best, cells_of, collect, distinct, stand_ins_of, summarise
from patchvae.report.tables.sheet import EMPTY, fewer, lines_of, ours, sheet_of, texts_of

KEYS = ["model", "dataset", "head"]
FEATURES = ["mean_abs", "largest_eigenvalue"]  # how large the features are
AT_EDGE = "The best rate of a row is the last that was tried, so a better one may lie beyond: {rows}."


class Config(Selected):
    datasets: Some[Name]
    variants: Some[RowName]
    regime: Regime
    heads: Some[Name]
    tuned: Unique[Name]  # heads with a chosen rate


def rated(select: str) -> Callable[[Row], Iterator[Row]]:
    """A reader for `collect`: top-1 accuracy at the epoch that `select` names, with the rate `lr` it was trained at."""
    read = accuracies(select)

    def rows(content: Row) -> Iterator[Row]:
        rate = content["config"]["lr"]
        rate = content["lr"] if rate == "chosen" else rate
        for row in read(content):
            yield {**row, "lr": f"{rate:g}"}

    return rows


def searches(content: Row) -> Iterator[Row]:
    """A reader for `collect`: a line per rate that was tried, `value` its accuracy on held-out images in %."""
    for line in content["rates"]:
        yield {
            **{key: content[key] for key in ("regime", "head", "at_edge", "epochs", "train_images")},
            "test_images": content["count"],
            "lr": line["lr"],
            "value": line["held_out_top1"],
            **(content["features"] or dict.fromkeys(FEATURES)),
        }


def with_searches(table: pd.DataFrame, searched: pd.DataFrame) -> pd.DataFrame:
    """The table with `rates`, as `0.001 27.10, 0.003 diverged`, whether the best was the last, and FEATURES."""
    said = searched["lr"].map("{:g} ".format) + searched.value.map("{:.2f}".format).where(
        searched.value.notna(), "diverged"
    )
    by_row = searched.assign(rates=said).sort_values("lr").groupby(KEYS)
    own = by_row[["at_edge", *FEATURES]].first()
    return table.join(own.assign(rates=by_row.rates.agg(", ".join)), on=KEYS)


def search_notes(table: pd.DataFrame, searched: pd.DataFrame) -> list[str]:
    """How rates were chosen, each row's tries, and how large its features are."""
    first, stand_ins = searched.iloc[0], stand_ins_of(searched)
    lines = [
        "Rate: for each row the best of those tried, by accuracy (%) on"
        f" {words.plural(int(first.test_images), 'training image')} that were left out of"
        f" {words.plural(int(first.epochs), 'epoch')} on the other"
        f" {words.plural(int(first.train_images), 'image')}, with seed {first.seed} alone."
    ]
    for row in table[table.rates.notna()].itertuples():
        size = f" (mean |feature| {row.mean_abs:.3g}, largest eigenvalue of the features' second moment"
        size = "" if pd.isna(row.mean_abs) else f"{size} {row.largest_eigenvalue:,.0f})"
        name = f"{words.display_name(row.model)}, {words.dataset_name(row.dataset, stand_ins)}"
        lines.append(f"{name}: {row.rates}{size}.")
    edge = ", ".join(map(words.display_name, table.model[table.at_edge.eq(True)]))
    return [*lines, *([AT_EDGE.format(rows=edge)] if edge else [])]


def caption(config: Settings, results: pd.DataFrame) -> list[str]:
    return [
        f"Run {config['run']}: top-1 accuracy (%) on test and training images at"
        f" {words.regime_name(config['regime'])}, {selection(config)}; {words.bold(results.model)}.",
        "Standardised: each feature of the frozen φ has mean 0 and deviation 1 over the training images."
        " One rate for features of unlike scale is another rate, relative to their curvature, in each row;"
        " these classifiers take the scale away, though not the curvature that correlations make.",
        "The paper has no such table.",
    ]


def report(config: Settings, metrics_files: Files, rates_files: Files) -> dict[str, str]:
    """The table of classifiers without scale: test and training accuracy, and where it is chosen the rate.

    metrics_files: fine-tunings; rates_files: searches of a rate. In the CSV, `lr` is the rate, `rates` are those that
    were tried with their accuracies in %, `mean_abs` and `largest_eigenvalue` say how large the features are.
    """
    datasets, heads, tuned, seeds = config["datasets"], config["heads"], config["tuned"], len(config["seeds"])
    cells = cells_of(
        model=config["variants"], dataset=datasets, regime=[config["regime"]], head=heads, seed=config["seeds"]
    )
    # The folders have the cells of other data sets, too.
    results = collect(metrics_files, {"finetune": rated(config["select"])}, cells, others=["model", "dataset"])
    marked = marks(results)
    keys = {"model": words.in_order([], config["variants"]), "dataset": datasets, "head": heads}
    table = summarise(results, keys, train_mean=("train_top1", "mean"), lr=("lr", distinct))
    notes_on_rates: list[str] = []
    if rates_files:
        searched = collect(rates_files, {"rates": searches}, cells, others=["model", "dataset"])
        table = with_searches(table, searched)
        notes_on_rates = search_notes(table, searched)
    table = table.reindex(
        columns=[*KEYS, "mean", "std", "n", "train_mean", "lr", "rates", "at_edge", *FEATURES, *ORIGIN]
    )

    def cell(row: Any) -> list[str]:
        mark = marked.get((row.model, row.dataset, config["regime"], row.head), "")
        train, rate = (f"{row.train_mean:.2f}", row.lr) if row.n else (EMPTY, EMPTY)
        return [ours(row, 2, seeds) + mark, train, *([rate] if row.head in tuned else [])]

    groups = [(words.head_name(head), ["test", "training", *(["rate"] if head in tuned else [])]) for head in heads]
    by_model = table.assign(best=best(table, ["dataset", "head"], 2))
    rows = lines_of(by_model, "model", words.display_name, cell)
    below = [*notes(marked.values()), *fewer(table, seeds), *notes_on_rates]
    parts: Any = {"label": "scale_free", "corner": "Model", "groups": groups, "rows": rows, "notes": below}
    sheet = sheet_of(results, datasets, caption(config, results), wide=True, **parts)
    return texts_of(table, 2, sheet)
