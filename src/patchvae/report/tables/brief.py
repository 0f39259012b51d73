"""The answer in a few lines of Markdown: verdicts, and one column of Table 1."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from patchvae.report import comparisons
from patchvae.report.tables import words
from patchvae.report.tables.config import Settings
from patchvae.report.tables.finetunings import schedules, selection
from patchvae.report.tables.metrics import stand_ins_of, summarise
from patchvae.report.tables.sheet import EMPTY, interval, lines_of, ours, signed

PICTURE = "../figures/answer.png"  # from where the text is
PHRASES = {
    comparisons.HOLDS: ("better", "than"),
    comparisons.REVERSED: ("worse", "than"),
    comparisons.UNDECIDED: ("not told apart", "from"),
}


def answer(rows: pd.DataFrame) -> str:
    """One primary claim in a sentence; rows: its lines of `comparisons.judge`, one per head."""
    claim = rows.iloc[0]
    better, worse = words.display_name(claim.better), words.display_name(claim.worse)
    where = f"{words.dataset_name(claim.dataset, ())} {words.regime_name(claim.regime)}"
    said: list[str] = []
    for verdict, (order, link) in PHRASES.items():
        heads = [f"“{words.head_name(row.head)}”" for row in rows.itertuples() if row.verdict.split(",")[0] == verdict]
        if heads:
            than = "" if said else f" {link} {worse}"  # once
            said.append(f"{order}{than} under {words.listed(heads)}")
    return f"**{where}: {better} {f'is {words.listed(said)}' if said else f'against {worse} was not run'}.**"


def differences(rows: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """A line per head with what it is and a primary claim's difference under it, and one with the paper's.

    rows: as in `answer`; cells: the results of the claim's column.
    """
    claim = rows.iloc[0]
    lines = [
        f"- {words.defined(row.head)}: {told(row)}{trained(row, cells)}"
        for row in rows.itertuples()
        if row.verdict != comparisons.NOT_RUN
    ]
    pair = f"{words.display_name(claim.better)} minus {words.display_name(claim.worse)}"
    sure = f"{100 * (1 - comparisons.ALPHA):.0f} % intervals over seeds"
    paper = f"The paper prints {signed(claim.paper_effect)}; runs of its own that should be equal differ by"
    return [f"{pair}, in points of top-1 accuracy, with {sure}:", "", *lines, f"- {paper} {claim.paper_spread:.2f}."]


def trained(row: Any, cells: pd.DataFrame) -> str:
    """`; on training images 90.3 and 35.8 %`: how far the classifiers of a claim's rows have learned, if recorded."""
    means = cells[cells["head"] == row.head].groupby("model").train_top1.mean()
    found = [means.get(model, float("nan")) for model in (row.better, row.worse)]
    return "" if any(map(pd.isna, found)) else f"; on training images {found[0]:.1f} and {found[1]:.1f} %"


def against_controls(rows: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """A line with both rows of a primary claim minus the better control of each head, or none where one is missing.

    rows: as in `answer`; cells: the results of the claim's column. Differences are of means over seeds.
    """
    means = cells.groupby(["head", "model"]).value.mean().unstack().reindex(rows["head"])
    models = [rows.better.iloc[0], rows.worse.iloc[0]]
    controls = means.reindex(columns=list(words.CONTROLS)).max(axis=1)
    gains = means.reindex(columns=models).sub(controls, axis=0)
    if gains.isna().any(axis=None):
        return []
    said = "; ".join(f"{words.display_name(model)} {words.listed([*map(signed, gains[model])])}" for model in models)
    return [f"- Minus the better φ without pretraining of each classifier: {said}."]


def told(row: Any) -> str:
    """`+0.31 (−0.20 to +0.82, 3 seeds)`."""
    over = "" if pd.isna(row.low) else f"{interval(row.low, row.high)}, "
    return f"{signed(row.difference)} ({over}{words.plural(int(row.n), 'seed')})"


def counted(table: pd.DataFrame) -> list[str]:
    """A line with how many of the paper's other claims, and of ours, have which verdict over all heads, if any."""
    others = table[~table.primary].drop_duplicates("name")
    told = []
    for source, whose in (("paper", "The paper's other claims"), ("ours", "ours, against φ without pretraining")):
        claims = others[others.source == source]
        counts = claims.overall.value_counts()
        counts = counts.reindex(sorted(counts.index, key=lambda said: said == comparisons.NOT_RUN))  # comes last
        if len(counts):
            told.append(f"{whose}: {', '.join(f'{said} {count}' for said, count in counts.items())}")
    datasets = words.listed([words.dataset_name(dataset, ()) for dataset in dict.fromkeys(others.dataset)])
    return [f"- [Claims](claims.md) on {datasets}. {'; '.join(told)}."] if told else []


def column(
    config: Settings, paper: pd.Series, cells: pd.DataFrame, models: Sequence[str], place: tuple[str, str]
) -> list[str]:
    """Table 1's column at a place (data set, regime) in Markdown: the paper's numbers, and ours under every head.

    cells: the column's results; models: its rows.
    """
    heads, seeds = config["heads"], len(config["seeds"])
    table = summarise(cells, {"model": models, "head": heads}).assign(best=False)
    lines = lines_of(table, "model", words.display_name, lambda row: [ours(row, 2, seeds)])
    rows = [["Model", "paper", *map(words.head_name, heads)], ["---", *["---:"] * (1 + len(heads))]]
    for model, (name, *texts) in zip(models, lines, strict=True):
        printed = paper.get((model, *place))
        rows.append([name, EMPTY if printed is None else f"{printed:.2f}", *texts])
    return [f"|{'|'.join(row)}|" for row in rows]


def missing(
    config: Settings, paper: pd.Series, results: pd.DataFrame, cells: pd.DataFrame, models: Sequence[str]
) -> list[str]:
    """A line on what was not run of Table 1, or none; cells: the results of one column, models: its rows."""
    without = sum(model not in set(cells.model) for model in models)
    said = [f"{without} of {words.plural(len(models), 'row')} (— in the table)"] if without else []
    said += [words.regime_name(regime) for regime in config["regimes"] if regime not in set(results.regime)]
    datasets = dict.fromkeys([*paper.index.get_level_values("dataset"), *config["datasets"]])
    said += [words.dataset_name(dataset, ()) for dataset in datasets if dataset not in set(results.dataset)]
    return [f"- Not run: {', '.join(said)}."] if said else []


def brief(config: Settings, paper: pd.Series, results: pd.DataFrame, table: pd.DataFrame) -> str:
    """Markdown of the primary claims, the counts of the others, and their column of Table 1; see `claims.report`.

    A sentence per primary claim comes first, then differences, counts and what was not run, then the picture, then the
    table. paper: top-1 by (model, data set, regime); results: of `collect_accuracies`; table: of `comparisons.judge`.
    """
    shown = table[table.dataset.isin(config["datasets"])]
    if shown.empty:
        return "No claim is about a data set of this run.\n"
    primary = [rows for _, rows in shown[shown.primary].groupby("name", sort=False)]
    places = [(rows.dataset.iloc[0], rows.regime.iloc[0]) for rows in primary]
    columns = {place: results[(results.dataset == place[0]) & (results.regime == place[1])] for place in places}
    lines = [" ".join(map(answer, primary)), ""]
    for rows, place in zip(primary, places, strict=True):
        lines += [*differences(rows, columns[place]), *against_controls(rows, columns[place])]
    lines += counted(shown)
    tables = []
    for (dataset, regime), cells in columns.items():
        models = words.in_order([name for name, *_ in paper.index], config["variants"])
        models = [model for model in models if model not in words.CONTROLS or (cells.model == model).any()]
        lines += missing(config, paper, results, cells, models)
        name = f"{words.dataset_name(dataset, stand_ins_of(results))} {words.regime_name(regime)}"
        fewer = "; [n]: of n seeds" if (cells.groupby(["model", "head"]).size() < len(config["seeds"])).any() else ""
        said = f"Top-1 test accuracy (%) on {name}, {selection(config)}{fewer}."
        table_lines = column(config, paper, cells, models, (dataset, regime))
        tables += ["", said, "", *table_lines, "", " ".join(schedules(results, [dataset]))]
    return "\n".join([*lines, "", f"![The paper's Table 1 against ours]({PICTURE})", *tables, ""])
