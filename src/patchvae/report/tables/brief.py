"""The answer in a few lines of Markdown: verdicts, and one column of Table 1."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from patchvae.report import comparisons
from patchvae.report.tables.finetunings import pretrained_with_labels, schedules
from patchvae.report.tables.metrics import stand_ins_of
from patchvae.report.tables.sheet import EMPTY, signed
from patchvae.report.tables.words import (
    CONTROLS,
    dataset_name,
    display_name,
    head_name,
    head_notes,
    in_order,
    measured,
    plural,
    regime_name,
)


def primary(table: pd.DataFrame) -> list[str]:
    """A line per primary claim: its verdict over all heads, and the difference under each."""
    found = []
    for _, rows in table[table.primary].groupby("name", sort=False):
        claim = rows.iloc[0]
        where = f"{dataset_name(claim.dataset, ())} {regime_name(claim.regime)}"
        name = f"{display_name(claim.better)} over {display_name(claim.worse)}, {where}"
        heads = [
            f"{head_name(row.head)}: {told(row)}" for row in rows.itertuples() if row.verdict != comparisons.NOT_RUN
        ]
        paper = f"The paper prints {signed(claim.paper_effect)}; its own equal runs differ by {claim.paper_spread:.2f}."
        found.append(" ".join([f"- **{name}: {claim.overall}.**", *([f"{'; '.join(heads)}."] if heads else []), paper]))
    return found


def told(row: Any) -> str:
    """`+0.31 (−0.20 to +0.82, 3 seeds)`."""
    interval = "" if pd.isna(row.low) else f"{signed(row.low)} to {signed(row.high)}, "
    return f"{signed(row.difference)} ({interval}{plural(int(row.n), 'seed')})"


def counted(table: pd.DataFrame) -> str:
    """How many of the other claims have which verdict."""
    others = table[~table.primary]
    counts = others[others.verdict != comparisons.NOT_RUN].verdict.value_counts()
    waiting = others.groupby("name").verdict.agg(lambda found: set(found) == {comparisons.NOT_RUN}).sum()
    told = [f"{count} {verdict}" for verdict, count in counts.items()]
    return f"- The other claims, one by one under each classifier: {', '.join([*told, f'{waiting} not run yet'])}."


def column(config: Mapping[str, Any], paper: pd.Series, results: pd.DataFrame, dataset: str, regime: str) -> list[str]:
    """Table 1's column of one data set and regime in Markdown: the paper's numbers, and ours under every head."""
    cells = results[(results.dataset == dataset) & (results.regime == regime)]
    means = cells.groupby(["model", "head"]).value.agg(["mean", "std", "count"])
    rows = [["Model", "paper", *map(head_name, config["heads"])], ["---", *["---:"] * (1 + len(config["heads"]))]]
    for model in in_order([name for name, *_ in paper.index], config["variants"]):
        printed = paper.get((model, dataset, regime))
        texts = [EMPTY if printed is None else f"{printed:.2f}"]
        for head in config["heads"]:
            found = means.loc[(model, head)] if (model, head) in means.index else None
            texts.append(EMPTY if found is None else number(found))
        if any(text != EMPTY for text in texts[1:]) or model not in CONTROLS:
            rows.append([display_name(model), *texts])
    return [f"| {' | '.join(row)} |" for row in rows]


def number(cell: Any) -> str:
    """`28.73 ± 0.21 (3)`: mean, sample standard deviation, seeds."""
    spread = "" if pd.isna(cell["std"]) else f" ± {cell['std']:.2f}"
    return f"{cell['mean']:.2f}{spread} ({int(cell['count'])})"


def brief(config: Mapping[str, Any], paper: pd.Series, results: pd.DataFrame, table: pd.DataFrame) -> str:
    """Markdown of the primary claims, the counts of the others, and their column of Table 1; see `claims.write`.

    paper: top-1 by (model, data set, regime); results: of `collect_outcomes`; table: of `comparisons.judge`.
    """
    shown = table[table.dataset.isin(config["datasets"])]
    lines = [*primary(shown), counted(shown)] if len(shown) else ["No claim is about a data set of this run."]
    for dataset, regime in dict.fromkeys(zip(shown.dataset[shown.primary], shown.regime[shown.primary], strict=True)):
        name = f"{dataset_name(dataset, stand_ins_of(results))} {regime_name(regime)}"
        said = [f"Top-1 test accuracy (%) on {name}, our seeds in parentheses.", *head_notes(config["heads"])]
        lines += ["", " ".join(said), ""]
        lines += column(config, paper, results, dataset, regime)
        lines += [
            "",
            " ".join(
                [*schedules(results, [dataset]), *pretrained_with_labels(results), measured(results, "fine-tuning")]
            ),
        ]
    return "\n".join([*lines, ""])
