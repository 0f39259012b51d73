"""The table of claims: which of two rows is better in the paper, and whether ours agree."""

import math
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.report import comparisons
from patchvae.report.figures.answer import draw_answer
from patchvae.report.tables.brief import brief
from patchvae.report.tables.claims_file import read_claims_file
from patchvae.report.tables.finetunings import pretrained_with_labels, schedules
from patchvae.report.tables.metrics import comparable, read_paper, stand_ins_of
from patchvae.report.tables.outcomes import collect_outcomes
from patchvae.report.tables.sheet import BOLD, EMPTY, END, Sheet, signed, texts_of, write_texts
from patchvae.report.tables.table1 import KEYS
from patchvae.report.tables.words import (
    WHEN,
    dataset_name,
    demo_line,
    display_name,
    head_name,
    head_notes,
    measured,
    plural,
    regime_name,
)

CLAIM = ["name", "dataset", "regime", "better", "worse", "family", "primary", "added"]
TIDY = ["name", "family", "source", "added", "primary", "dataset", "regime", "head", "better", "worse", "paper_effect"]
TIDY += ["difference", "low", "high", "level", "p", "df", "error_from", "paired_low", "paired_high", "image_low"]
TIDY += ["image_high", "both_low", "both_high", "both_df", "next_low", "next_high", "n", "paper_spread", "verdict"]
TIDY += ["overall"]
HEADINGS = ["Column", "Head", "Paper", "Ours", "Seeds", "p", "Level", "Interval", "Of pairs", "Over images"]
HEADINGS += ["Seeds and images", "Verdict"]
PAPER, OURS = "paper", "ours"  # whose claim
AFTER = "after-results"
# The row of Table 1 that the sweeps train again, and its value in each sweep's column (Tables 8-9)
REPEATED, REPEATED_AT = ("patchvae", "conv1-5"), {"n_parts": "16", "d_p": "6"}

VERDICTS = (
    "Holds: the interval lies above 0. Reversed: it lies below 0. Undecided: neither, or no interval. Larger or smaller"
    " than printed: the paper's difference lies below or above the 95 % prediction interval of one further pair of"
    " trainings (in the CSV); a reversed difference is not compared. Not run: a row is missing. Depends on the head: it"
    " holds, is reversed or is undecided under one head and not under another."
)
MARK_AFTER = "†: added when the first results were known."
NO_ORDER = (
    f"A dash in place of a verdict: an accuracy below {comparisons.TIMES_CHANCE} times chance, where a head orders no"
    " features."
)


def read_claims(path: Path | str, paper: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    """The claims of a file (see `ClaimsFile`), columns CLAIM, `source` and `paper_effect`; and the rows of its pool.

    paper: top-1 by KEYS. paper_effect: better minus worse in the paper, NaN where it lacks a row; source: PAPER where
    it has both, else OURS. Raises PatchVAEError naming a line that is no claim, or that has the paper's rows the wrong
    way round.
    """
    file = read_claims_file(path)
    claims = pd.DataFrame([[getattr(claim, key) for key in CLAIM] for claim in file.claims], columns=CLAIM)
    ends = [
        paper.reindex(pd.MultiIndex.from_frame(claims[[end, "dataset", "regime"]])).to_numpy()
        for end in ("better", "worse")
    ]
    claims = claims.assign(paper_effect=(ends[0] - ends[1]).round(6))
    for claim in claims[claims.paper_effect <= 0].itertuples():
        raise PatchVAEError(f"{path}: {claim.name}: the paper's {claim.better} is no better than its {claim.worse}")
    claims["source"] = claims.paper_effect.notna().map({True: PAPER, False: OURS})
    return claims, file.pool


def paper_spread(paper: pd.Series, spread_csvs: Sequence[Path | str]) -> pd.Series:
    """Points between the paper's nominally equal runs, by data set: REPEATED in Table 1 and in the sweeps.

    Raises PatchVAEError naming a file that is broken or holds no such row.
    """
    model, regime = REPEATED
    repeats = [paper[paper.index.isin([model], level="model") & paper.index.isin([regime], level="regime")]]
    for path in spread_csvs:
        column = next((key for key in REPEATED_AT if key in _columns(path)), None)
        if column is None:
            raise PatchVAEError(f"{path}: no column {' or '.join(REPEATED_AT)}")
        sweep = read_paper(path, [column, "dataset"], ["top1"]).top1
        again = sweep[sweep.index.isin([REPEATED_AT[column]], level=column)]
        if again.empty:
            raise PatchVAEError(f"{path}: no row with {column} {REPEATED_AT[column]}")
        repeats.append(again)
    return comparisons.spread(pd.concat([top1.reset_index("dataset") for top1 in repeats]))


def _columns(path: Path | str) -> list[str]:
    try:
        return list(pd.read_csv(path, nrows=0).columns)
    except (OSError, ValueError) as error:
        raise PatchVAEError(f"cannot read {path}: {' '.join(str(error).split())}") from error


def interval(low: float, high: float) -> str:
    """`+0.10 to +0.50`, or a dash for NaN."""
    return EMPTY if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def chance(p: float) -> str:
    """`0.045`, `<0.001`, or a dash for NaN."""
    if math.isnan(p):
        return EMPTY
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def layout(table: pd.DataFrame, where: str) -> list[list[str]]:
    """Texts of one claim's rows: one per head that was run, and for a primary claim one over all heads.

    table: the claim's rows of the tidy table; where: its column in words.
    """
    first = table.iloc[0]
    name = f"{display_name(first.better)} over {display_name(first.worse)}"
    name = f"{BOLD}{name}{END}" if first.primary else name
    name += "†" if first.added == AFTER else ""
    paper, nothing = signed(first.paper_effect), [EMPTY] * (len(HEADINGS) - 4)
    rows = [
        [
            name,
            where,
            head_name(str(row.head)),
            paper,
            signed(row.difference),
            str(row.n),
            chance(row.p),
            EMPTY if math.isnan(row.level) else f"{100 * row.level:.4g} %",
            interval(row.low, row.high),
            interval(row.paired_low, row.paired_high),
            interval(row.image_low, row.image_high),
            interval(row.both_low, row.both_high),
            EMPTY if row.verdict == comparisons.NEAR_CHANCE else row.verdict,
        ]
        for row in table[table.verdict != comparisons.NOT_RUN].itertuples()
    ]
    if first.primary and len(table) > 1:
        rows.append([name, where, "all", paper, *nothing, first.overall])
    return rows or [[name, where, EMPTY, paper, *nothing, comparisons.NOT_RUN]]


def blocks(config: Mapping[str, Any], table: pd.DataFrame, stand_ins: Collection[str]) -> dict[str, list[list[str]]]:
    """Rows of the sheet: the primary claims under "", then the others by data set; in each by regime and family.

    Claims on other data sets than the run's are left out.
    """
    datasets, regimes, families = list(config["datasets"]), list(config["regimes"]), list(dict.fromkeys(table.family))
    shown = table[table.dataset.isin(datasets)]
    ranks = [
        ~shown.primary,
        shown.dataset.map(datasets.index),
        shown.regime.map(lambda regime: regimes.index(regime) if regime in regimes else len(regimes)),
        shown.family.map(families.index),
    ]
    shown = shown.iloc[np.lexsort([np.asarray(rank, int) for rank in reversed(ranks)])]
    found: dict[str, list[list[str]]] = {}
    for _, rows in shown.groupby("name", sort=False):
        claim = rows.iloc[0]
        where = f"{dataset_name(claim.dataset, stand_ins)} {regime_name(claim.regime)}"
        found.setdefault("" if claim.primary else claim.dataset, []).extend(layout(rows, where))
    return found


def caption(config: Mapping[str, Any], results: pd.DataFrame, table: pd.DataFrame, pool: Sequence[str]) -> str:
    """The protocol behind the intervals, in plain sentences."""
    stand_ins, sure = stand_ins_of(results), f"{100 * (1 - comparisons.ALPHA):.0f} %"
    text = [
        f"Run {config['run']}: differences of top-1 test accuracy in points, {WHEN[config['select']]},"
        f" {plural(len(config['seeds']), 'seed')}: the row named first minus the other. The first is the better one in"
        " the paper, where it prints both. Bold: the primary claim.",
    ]
    if table.paper_effect[table.dataset.isin(config["datasets"])].notna().any():
        text.append("Paper: the difference of two printed numbers, each of a single run at the paper's own schedule.")
    spreads = table.drop_duplicates("dataset").set_index("dataset").paper_spread.dropna()
    spreads = [
        f"{spreads[dataset]:.2f} points on {dataset_name(dataset, stand_ins)}"
        for dataset in config["datasets"]
        if dataset in spreads.index
    ]
    if spreads:
        model, regime = REPEATED
        text.append(
            f"Its runs of {display_name(model)} at {regime_name(regime)} that are nominally equal differ by up to"
            f" {', '.join(spreads)}."
        )
    text += [
        "Ours: the mean over the seeds that both rows have; for rows with unlike seeds that is not the difference of"
        " the means that other tables print. One seed gives no interval.",
        f"Interval: over seeds. Where both rows are among {listed(pool)}, its error is the residual scatter of"
        " row + seed in these rows alone, over the seeds that all of them have; it assumes that their trainings scatter"
        " equally. Otherwise, and until all of them have two common seeds, it is that of the claim's own pairs, as"
        " under Of pairs. So a further row changes no other claim.",
        f"Level: {sure} for the primary claim; 100 % − {100 * comparisons.ALPHA:g} % / m for the others, m being how"
        " many of them the file of claims lists for a data set and regime, run or not. p: two-sided, uncorrected.",
        "Over images: over test images, paired, for these very trainings. Seeds and images: the two variances added"
        " (Satterthwaite's degrees of freedom). Both at the same level; no verdict rests on them.",
    ]
    text += [*head_notes(config["heads"]), *schedules(results, config["datasets"])]
    return " ".join([*text, *pretrained_with_labels(results), measured(results, "fine-tuning")])


def notes(table: pd.DataFrame) -> list[str]:
    """What stands under the sheet; table: the tidy lines that it shows."""
    if table.empty:
        return ["No claim is about the data sets of this run."]
    near, after = table.verdict == comparisons.NEAR_CHANCE, table.added == AFTER
    return [VERDICTS, *([NO_ORDER] if near.any() else []), *([MARK_AFTER] if after.any() else [])]


def listed(rows: Sequence[str]) -> str:
    """`β-VAE, PatchVAE and Random φ (control)`."""
    *names, last = map(display_name, rows)
    return f"{', '.join(names)} and {last}"


def sheets(
    config: Mapping[str, Any], results: pd.DataFrame, table: pd.DataFrame, pool: Sequence[str]
) -> tuple[Sheet, list[Sheet]]:
    """The whole table, and one sheet per block for LaTeX, where it would not fit on a page."""
    stand_ins = stand_ins_of(results)
    parts = blocks(config, table, stand_ins)
    whole = Sheet(
        label="claims",
        warning=demo_line(config["datasets"], stand_ins),
        caption=caption(config, results, table, pool),
        corner="Claim",
        groups=[("", HEADINGS)],
        rows=[row for rows in parts.values() for row in rows],
        notes=notes(table[table.dataset.isin(config["datasets"])]),
        wide=True,
    )
    floats: list[Sheet] = []
    for block, rows in parts.items():
        part = replace(whole, rows=rows)
        if floats:
            text = f"Run {config['run']}: claims on {dataset_name(block, stand_ins)}, as in the table before."
            part = replace(part, label=f"claims_{block}", caption=text, notes=[])
        floats.append(part)
    return whole, floats or [whole]


def write(
    config: Mapping[str, Any],
    claims_yaml: Path | str,
    paper_csv: Path | str,
    spread_csvs: Sequence[Path | str],
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
    answer: Path | str | None = None,
    png: Path | str | None = None,
    pdf: Path | str | None = None,
) -> None:
    """Write the table of claims as tidy CSV, Markdown, LaTeX and HTML, and the answer in brief (Markdown, figure).

    config: run, seeds, select, datasets, variants, regimes, heads; claims_yaml: see `read_claims`; paper_csv: columns
    model, dataset, regime, top1 (percent); spread_csvs: the sweeps that train Table 1's PatchVAE again; metrics_files:
    at most one fine-tuning per (variant, data set, regime, head, seed) of `config`, in any order.
    The CSV has a line per claim and head, whatever was run: numbers of `comparisons.judge`, `paper_effect` and
    `paper_spread` in points; `source` is PAPER or OURS, `added` AFTER or empty. Raises PatchVAEError naming the file
    that is wrong; then nothing is written.
    """
    paper = read_paper(paper_csv, KEYS, ["top1"]).top1
    claims, pool = read_claims(claims_yaml, paper)
    results = collect_outcomes(config, metrics_files)
    stand_ins = stand_ins_of(results)
    claims["paper_spread"] = claims.dataset.map(paper_spread(paper, spread_csvs))
    # No number of the paper stands beside a stand-in.
    printed = ["paper_effect", "paper_spread"]
    claims[printed] = claims[printed].mask(claims.dataset.isin(stand_ins))
    table = comparisons.judge(claims, results, config["heads"], pool)
    whole, floats = sheets(config, results, table, pool)
    tidy = table[TIDY].assign(
        primary=table.primary.map({True: "true", False: "false"}), p=table.p.map("{:.3g}".format).replace("nan", "")
    )
    texts = texts_of(tidy, 4, whole, csv, md, tex, html)
    texts |= {tex: "\n".join(sheet.latex() for sheet in floats)}
    if answer is not None:
        picture = None if png is None else os.path.relpath(png, Path(answer).parent)
        texts[answer] = brief(config, comparable(paper, stand_ins), results, table, picture)
    write_texts(texts)
    if png is not None and pdf is not None:
        draw_answer(config, paper, results, png, pdf)
