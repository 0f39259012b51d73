"""The table of claims: which of two rows is better in the paper, and whether ours agree."""

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.errors import PatchVAEError
from patchvae.report import comparisons
from patchvae.report.figures.answer import draw_answer
from patchvae.report.tables import words
from patchvae.report.tables.brief import brief
from patchvae.report.tables.claims_file import read_claims_file
from patchvae.report.tables.config import Accuracies, File, Files, Settings
from patchvae.report.tables.finetunings import collect_accuracies
from patchvae.report.tables.metrics import comparable, read_paper, stand_ins_of
from patchvae.report.tables.sheet import BOLD, EMPTY, END, interval, sheet_of, signed, texts_of
from patchvae.report.tables.table1 import KEYS

Config = Accuracies
CLAIM = ["name", "dataset", "regime", "better", "worse", "family", "primary", "added"]
TIDY = ["name", "family", "source", "added", "primary", "dataset", "regime", "head", "better", "worse", "paper_effect"]
TIDY += ["difference", "low", "high", "level", "p", "df", "error_from", "paired_low", "paired_high", "image_low"]
TIDY += ["image_high", "both_low", "both_high", "both_df", "next_low", "next_high", "n", "paper_spread", "verdict"]
TIDY += ["overall"]
HEADINGS = ["Column", "Head", "Paper", "Ours", "Seeds", "p", "Level", "Interval", "Of pairs", "Over images"]
HEADINGS += ["Seeds and images", "Verdict"]
PAPER, OURS = "paper", "ours"  # whose claim
AFTER = "after-results"
# The row of Table 1 that the sweeps train again, and by sweep the column and the value of it (Tables 8-9)
REPEATED = ("patchvae", "conv1-5")
REPEATED_IN = {"sweep_num_parts": ("n_parts", "16"), "sweep_part_dim": ("d_p", "6")}

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


def read_claims(path: File, paper: pd.Series) -> tuple[pd.DataFrame, list[str]]:
    """The claims of a file (see `ClaimsFile`), columns CLAIM, `source` and `paper_effect`; and the rows of its pool.

    paper: top-1 by KEYS. paper_effect: better minus worse in the paper, NaN where it lacks a row; source: PAPER where
    it has both, else OURS. Raises PatchVAEError naming a line that is no claim, or that has the paper's rows the wrong
    way round.
    """
    file = read_claims_file(path)
    claims = pd.DataFrame([[getattr(claim, key) for key in CLAIM] for claim in file.claims], columns=CLAIM)
    better, worse = (
        paper.reindex(pd.MultiIndex.from_frame(claims[[end, "dataset", "regime"]])).to_numpy()
        for end in ("better", "worse")
    )
    claims = claims.assign(paper_effect=(better - worse).round(6))
    for claim in claims[claims.paper_effect <= 0].itertuples():
        raise PatchVAEError(f"{path}: {claim.name}: the paper's {claim.better} is no better than its {claim.worse}")
    claims["source"] = claims.paper_effect.notna().map({True: PAPER, False: OURS})
    return claims, file.pool


def paper_spread(paper: pd.Series, spread_csvs: Files) -> pd.Series:
    """Points between the paper's nominally equal runs, by data set with several: REPEATED in Table 1 and in the sweeps.

    Raises PatchVAEError naming a file that is broken or holds no such row.
    """
    model, regime = REPEATED
    own = paper.index.isin([model], level="model") & paper.index.isin([regime], level="regime")
    repeats = [paper[own].droplevel(["model", "regime"])]
    for path in spread_csvs:
        column, value = REPEATED_IN[Path(path).stem]
        sweep = read_paper(path, [column, "dataset"], ["top1"]).top1
        again = sweep[sweep.index.isin([value], level=column)]
        if again.empty:
            raise PatchVAEError(f"{path}: no row with {column} {value}")
        repeats.append(again.droplevel(column))
    runs = pd.concat(repeats).groupby("dataset")
    return (runs.max() - runs.min())[runs.size() > 1]


def chance(p: float) -> str:
    """`0.045`, `<0.001`, or a dash for NaN."""
    return EMPTY if math.isnan(p) else "<0.001" if p < 0.001 else f"{p:.3f}"


def layout(table: pd.DataFrame, where: str) -> list[list[str]]:
    """Texts of one claim's rows: one per head that was run, and for a primary claim one over all heads.

    table: the claim's rows of the tidy table; where: its column in words.
    """
    first = table.iloc[0]
    name = f"{words.display_name(first.better)} over {words.display_name(first.worse)}"
    name = f"{BOLD}{name}{END}" if first.primary else name
    name += "†" if first.added == AFTER else ""
    paper, nothing = signed(first.paper_effect), [EMPTY] * (len(HEADINGS) - 4)
    rows = [
        [
            name,
            where,
            words.head_name(str(row.head)),
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


def blocks(config: Settings, table: pd.DataFrame, stand_ins: Collection[str]) -> dict[str, list[list[str]]]:
    """Rows of the sheet: the primary claims under "", then the others by data set; in each by regime and family.

    Claims on other data sets than the run's are left out.
    """
    order = {"other": [False, True], "dataset": config["datasets"], "regime": config["regimes"]}
    order["family"] = [*table.family.unique()]
    ranks = {name: {value: rank for rank, value in enumerate(values)} for name, values in order.items()}
    shown = table[table.dataset.isin(config["datasets"])].assign(other=~table.primary)
    shown = shown.sort_values([*order], key=lambda column: column.map(ranks[column.name]), kind="stable")
    found: dict[str, list[list[str]]] = {}
    for _, rows in shown.groupby("name", sort=False):
        claim = rows.iloc[0]
        where = f"{words.dataset_name(claim.dataset, stand_ins)} {words.regime_name(claim.regime)}"
        found.setdefault("" if claim.primary else claim.dataset, []).extend(layout(rows, where))
    return found


def caption(config: Settings, results: pd.DataFrame, table: pd.DataFrame, pool: Sequence[str]) -> list[str]:
    stand_ins, sure = stand_ins_of(results), f"{100 * (1 - comparisons.ALPHA):.0f} %"
    text = [
        f"Run {config['run']}: differences of top-1 test accuracy in points, {words.WHEN[config['select']]},"
        f" {words.plural(len(config['seeds']), 'seed')}: the row named first minus the other. The first is the better"
        " one in the paper, where it prints both. Bold: the primary claim."
    ]
    if table.paper_effect.notna().any():
        text.append("Paper: the difference of two printed numbers, each of a single run at the paper's own schedule.")
    known = table.drop_duplicates("dataset").set_index("dataset").paper_spread.dropna()
    shown = [dataset for dataset in config["datasets"] if dataset in known]
    spreads = [f"{known[dataset]:.2f} points on {words.dataset_name(dataset, stand_ins)}" for dataset in shown]
    if spreads:
        model, regime = REPEATED
        text.append(
            f"Its runs of {words.display_name(model)} at {words.regime_name(regime)} that are nominally equal differ by"
            f" up to {', '.join(spreads)}."
        )
    text += [
        "Ours: the mean over the seeds that both rows have; for rows with unlike seeds that is not the difference of"
        " the means that other tables print. One seed gives no interval.",
        f"Interval: over seeds. Where both rows are among {words.listed([*map(words.display_name, pool)])}, its error"
        " is the residual scatter of row + seed in these rows alone, over the seeds that all of them have; it"
        " assumes that their trainings scatter equally. Otherwise, and until all of them have two common seeds, it is"
        " that of the claim's own pairs, as under Of pairs. So a further row changes no other claim.",
        f"Level: {sure} for the primary claim; 100 % − {100 * comparisons.ALPHA:g} % / m for the others, m being how"
        " many of them the file of claims lists for a data set and regime, run or not. p: two-sided, uncorrected.",
        "Over images: over test images, paired, for these very trainings. Seeds and images: the two variances added"
        " (Satterthwaite's degrees of freedom). Both at the same level; no verdict rests on them.",
    ]
    return [*text, *words.head_notes(config["heads"])]


def notes(table: pd.DataFrame) -> list[str]:
    """What stands under the sheet; table: the tidy lines that it shows."""
    if table.empty:
        return ["No claim is about the data sets of this run."]
    near, after = table.verdict == comparisons.NEAR_CHANCE, table.added == AFTER
    return [VERDICTS, *([NO_ORDER] if near.any() else []), *([MARK_AFTER] if after.any() else [])]


def report(
    config: Settings, claims_yaml: File, paper_csv: File, spread_csvs: Files, metrics_files: Files
) -> dict[str, Any]:
    """The table of claims, and the answer in brief as a text and a figure.

    claims_yaml: see `read_claims`; paper_csv: columns model, dataset, regime, top1 (percent); spread_csvs: the sweeps
    that train Table 1's PatchVAE again; metrics_files: of Table 1. The CSV has a line per claim and head, whatever was
    run: numbers of `comparisons.judge`, `paper_effect` and `paper_spread` in points; `source` is PAPER or OURS, `added`
    AFTER or empty. In LaTeX each block is a float of its own, as the whole would not fit on a page.
    """
    paper = read_paper(paper_csv, KEYS, ["top1"]).top1
    claims, pool = read_claims(claims_yaml, paper)
    results = collect_accuracies(config, metrics_files)
    stand_ins = stand_ins_of(results)
    claims["paper_spread"] = claims.dataset.map(paper_spread(paper, spread_csvs))
    # No number of the paper stands beside a stand-in.
    printed = ["paper_effect", "paper_spread"]
    claims[printed] = claims[printed].mask(claims.dataset.isin(stand_ins))
    table = comparisons.judge(claims, results, config["heads"], pool)
    shown = table[table.dataset.isin(config["datasets"])]
    by_block = blocks(config, table, stand_ins)
    rows, below = [*itertools.chain(*by_block.values())], notes(shown)
    parts: Any = {"label": "claims", "corner": "Claim", "groups": [("", HEADINGS)], "rows": rows, "notes": below}
    whole = sheet_of(results, config["datasets"], caption(config, results, shown, pool), wide=True, **parts)
    # The first float keeps the caption and the notes.
    floats = [replace(whole, rows=rows) for rows in by_block.values()] or [whole]
    for place, block in enumerate([*by_block][1:], start=1):
        text = f"Run {config['run']}: claims on {words.dataset_name(block, stand_ins)}, as in the table before."
        floats[place] = replace(floats[place], label=f"claims_{block}", caption=text, notes=[])
    tidy = table[TIDY].assign(p=table.p.map("{:.3g}".format).replace("nan", ""))
    return texts_of(tidy, 4, whole) | {
        "tex": "\n".join(sheet.latex() for sheet in floats),
        "answer": brief(config, comparable(paper, stand_ins), results, table),
        "figure": lambda files: draw_answer(config, paper, results, files["png"], files["pdf"]),
    }
