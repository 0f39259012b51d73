"""The answer in a few lines of Markdown: verdicts, and one column of Table 1."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from patchvae.report import comparisons
from patchvae.report.tables.finetunings import pretrained_with_labels, schedules, selection
from patchvae.report.tables.metrics import stand_ins_of
from patchvae.report.tables.sheet import EMPTY, ours, signed
from patchvae.report.tables.words import (
    CONTROLS,
    dataset_name,
    defined,
    display_name,
    head_name,
    in_order,
    listed,
    plural,
    regime_name,
)

PHRASES = {
    comparisons.HOLDS: ("better", "than"),
    comparisons.REVERSED: ("worse", "than"),
    comparisons.UNDECIDED: ("not told apart", "from"),
}


def answer(rows: pd.DataFrame) -> str:
    """One primary claim in a sentence; rows: its lines of `comparisons.judge`, one per head."""
    claim = rows.iloc[0]
    better, worse = display_name(claim.better), display_name(claim.worse)
    where = f"{dataset_name(claim.dataset, ())} {regime_name(claim.regime)}"
    said: list[str] = []
    for verdict, (order, link) in PHRASES.items():
        heads = [f"“{head_name(row.head)}”" for row in rows.itertuples() if row.verdict.split(",")[0] == verdict]
        if heads:
            than = "" if said else f" {link} {worse}"  # once
            said.append(f"{order}{than} under {listed(heads)}")
    return f"**{where}: {better} {f'is {listed(said)}' if said else f'against {worse} was not run'}.**"


def differences(rows: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """A line per head with what it is and a primary claim's difference under it, and one with the paper's.

    rows: as in `answer`; cells: the results of the claim's column.
    """
    claim = rows.iloc[0]
    lines = [
        f"- {defined(row.head)}: {told(row)}{trained(row, cells)}"
        for row in rows.itertuples()
        if row.verdict != comparisons.NOT_RUN
    ]
    pair = f"{display_name(claim.better)} minus {display_name(claim.worse)}"
    sure = f"{100 * (1 - comparisons.ALPHA):.0f} % intervals over seeds"
    paper = (
        f"The paper prints {signed(claim.paper_effect)}; runs of its own that should be equal differ by"
        f" {claim.paper_spread:.2f}."
    )
    return [f"{pair}, in points of top-1 accuracy, with {sure}:", "", *lines, f"- {paper}"]


def trained(row: Any, cells: pd.DataFrame) -> str:
    """`; on training images 90.3 and 35.8 %`: how far the classifiers of a claim's rows have learned, if recorded."""
    means = cells[cells["head"] == row.head].groupby("model").train_top1.mean()
    found = [means.get(model, float("nan")) for model in (row.better, row.worse)]
    return "" if any(map(pd.isna, found)) else f"; on training images {found[0]:.1f} and {found[1]:.1f} %"


def against_controls(rows: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """A line with both rows of a primary claim minus the better control of each head, or none where one is missing.

    rows: as in `answer`; cells: the results of the claim's column. Differences are of means over seeds.
    """
    means = cells.groupby(["head", "model"]).value.mean().unstack()
    heads, models = list(rows["head"]), [rows.better.iloc[0], rows.worse.iloc[0]]
    controls = [model for model in CONTROLS if model in means]
    if not controls or not {*models} <= {*means} or not {*heads} <= {*means.index}:
        return []
    gains = means.loc[heads, models].sub(means.loc[heads, controls].max(axis=1), axis=0)
    if gains.isna().any(axis=None):
        return []
    said = [f"{display_name(model)} {listed([signed(value) for value in gains[model]])}" for model in models]
    return [f"- Minus the better φ without pretraining of each classifier: {'; '.join(said)}."]


def told(row: Any) -> str:
    """`+0.31 (−0.20 to +0.82, 3 seeds)`."""
    interval = "" if pd.isna(row.low) else f"{signed(row.low)} to {signed(row.high)}, "
    return f"{signed(row.difference)} ({interval}{plural(int(row.n), 'seed')})"


def counted(table: pd.DataFrame) -> str:
    """How many of the paper's other claims, and of ours, have which verdict over all heads."""
    others = table[~table.primary].drop_duplicates("name")
    told = []
    for source, whose in (("paper", "The paper's other claims"), ("ours", "ours, against φ without pretraining")):
        claims = others[others.source == source]
        counts = claims.overall.value_counts()
        counts = counts.reindex(sorted(counts.index, key=lambda said: said == comparisons.NOT_RUN))  # comes last
        if len(counts):
            told.append(f"{whose}: {', '.join(f'{said} {count}' for said, count in counts.items())}")
    datasets = listed([dataset_name(dataset, ()) for dataset in dict.fromkeys(others.dataset)])
    return f"- [Claims](claims.md) on {datasets}. {'; '.join(told)}." if told else ""


def column(
    config: Mapping[str, Any], paper: pd.Series, cells: pd.DataFrame, models: Sequence[str], place: tuple[str, str]
) -> list[str]:
    """Table 1's column at a place (data set, regime) in Markdown: the paper's numbers, and ours under every head.

    cells: the column's results; models: its rows.
    """
    means = cells.groupby(["model", "head"]).value.agg(mean="mean", std="std", n="count").assign(best=False)
    found = {row.Index: row for row in means.itertuples()}
    rows = [["Model", "paper", *map(head_name, config["heads"])], ["---", *["---:"] * (1 + len(config["heads"]))]]
    for model in models:
        printed = paper.get((model, *place))
        texts = [EMPTY if printed is None else f"{printed:.2f}"]
        for head in config["heads"]:
            cell = found.get((model, head))
            texts.append(EMPTY if cell is None else ours(cell, 2, len(config["seeds"])))
        rows.append([display_name(model), *texts])
    return [f"|{'|'.join(row)}|" for row in rows]


def missing(
    config: Mapping[str, Any], paper: pd.Series, results: pd.DataFrame, cells: pd.DataFrame, models: Sequence[str]
) -> list[str]:
    """A line on what was not run of Table 1, or none; cells: the results of one column, models: its rows."""
    without = sum(model not in set(cells.model) for model in models)
    said = [f"{without} of {plural(len(models), 'row')} (— in the table)"] if without else []
    said += [regime_name(regime) for regime in config["regimes"] if regime not in set(results.regime)]
    datasets = dict.fromkeys([*paper.index.get_level_values("dataset"), *config["datasets"]])
    said += [dataset_name(dataset, ()) for dataset in datasets if dataset not in set(results.dataset)]
    return [f"- Not run: {', '.join(said)}."] if said else []


def brief(
    config: Mapping[str, Any], paper: pd.Series, results: pd.DataFrame, table: pd.DataFrame, picture: str | None = None
) -> str:
    """Markdown of the primary claims, the counts of the others, and their column of Table 1; see `claims.write`.

    A sentence per primary claim comes first, then differences, counts and what was not run, then the picture, then the
    table. paper: top-1 by (model, data set, regime); results: of `collect_outcomes`; table: of `comparisons.judge`;
    picture: where the figure of the answer is, from where the text will be.
    """
    shown = table[table.dataset.isin(config["datasets"])]
    if shown.empty:
        return "No claim is about a data set of this run.\n"
    primary = [rows for _, rows in shown[shown.primary].groupby("name", sort=False)]
    columns = dict.fromkeys((rows.dataset.iloc[0], rows.regime.iloc[0]) for rows in primary)
    lines = [" ".join(map(answer, primary)), ""]
    for rows in primary:
        own = (results.dataset == rows.dataset.iloc[0]) & (results.regime == rows.regime.iloc[0])
        lines += [*differences(rows, results[own]), *against_controls(rows, results[own])]
    lines += filter(None, [counted(shown)])
    tables = []
    for dataset, regime in columns:
        cells = results[(results.dataset == dataset) & (results.regime == regime)]
        models = in_order([name for name, *_ in paper.index], config["variants"])
        models = [model for model in models if model not in CONTROLS or (cells.model == model).any()]
        lines += missing(config, paper, results, cells, models)
        name = f"{dataset_name(dataset, stand_ins_of(results))} {regime_name(regime)}"
        fewer = "; [n]: of n seeds" if (cells.groupby(["model", "head"]).size() < len(config["seeds"])).any() else ""
        said = f"Top-1 test accuracy (%) on {name}, {selection(config)}{fewer}."
        told = [*schedules(results, [dataset]), *pretrained_with_labels(results)]
        tables += ["", said, "", *column(config, paper, cells, models, (dataset, regime)), "", " ".join(told)]
    figure = ["", f"![The paper's Table 1 against ours]({picture})"] if picture else []
    return "\n".join([*lines, *figure, *tables, ""])
