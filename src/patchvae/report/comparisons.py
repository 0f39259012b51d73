"""Differences between two rows of a table, their intervals over seeds and test images, and the verdicts."""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.weightstats import DescrStatsW
from statsmodels.tools.sm_exceptions import SingularMatrixWarning

Interval = tuple[float, float]
Right = Mapping[int, np.ndarray | None]

COLUMN = ["dataset", "regime", "head"]  # the keys of a table's column
ALPHA = 0.05
ROUNDING = 1e-9  # smaller relative residuals are rounding, not scatter of trainings

HOLDS = "holds"
REVERSED = "reversed"
SMALLER = "smaller than printed"
HOLDS_SMALLER = f"{HOLDS}, {SMALLER}"
UNDECIDED = "undecided"
NOT_RUN = "not run"
DEPENDS = "depends on the head"

# A claim's line before any result
POINTS = ["difference", "low", "high", "level", "image_low", "image_high"]
NOTHING: dict[str, object] = {**dict.fromkeys(POINTS), "df": None, "n": 0, "verdict": NOT_RUN}
TYPES = {**dict.fromkeys(POINTS, "float64"), "df": "Int64"}


@dataclass(frozen=True)
class Difference:
    """A difference of two rows in points; `value` is None where no common seeds link them.

    seeds: of the row that has fewer; error: standard error with `df` degrees of freedom, None where it is unknown.
    """

    value: float | None
    seeds: int
    error: float | None = None
    df: int = 0

    @property
    def p(self) -> float | None:
        """Two-sided p value of no difference, or None without an error."""
        if self.value is None or self.error is None:
            return None
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.df))

    def interval(self, level: float) -> Interval | None:
        """The t interval at a confidence level, or None without an error."""
        if self.value is None or self.error is None:
            return None
        interval: Interval = stats.t.interval(level, self.df, self.value, self.error)
        return interval


class Column:
    """The fit of value = row + seed to all rows of one column (data set, regime, head); rows may have different seeds.

    cells: columns model, seed, value; one line per training. All rows share one residual variance, as the few seeds of
    one row would estimate it badly.
    """

    def __init__(self, cells: pd.DataFrame) -> None:
        models, seeds = cells.model.to_numpy(), cells.seed.to_numpy()
        self.models = list(dict.fromkeys(models))
        self.seeds = {model: set(seeds[models == model]) for model in self.models}
        effects = [(models, model) for model in self.models] + [(seeds, seed) for seed in dict.fromkeys(seeds)]
        design = np.stack([labels == label for labels, label in effects], axis=1).astype(float)
        values = cells.value.to_numpy(float)
        with warnings.catch_warnings():
            # The columns of rows and those of seeds each add up to one: only differences are determined, if at all.
            warnings.simplefilter("ignore", SingularMatrixWarning)
            self.fit = OLS(values, design).fit()
        self.design, self.determined = design, np.linalg.pinv(design) @ design
        self.df = int(self.fit.df_resid)
        scale = max(1.0, float(np.abs(values).max()))
        self.scatters = self.df > 0 and math.sqrt(self.fit.ssr / self.df) > ROUNDING * scale

    def difference(self, better: str, worse: str) -> Difference | None:
        """`better` minus `worse`, or None where a row is missing; without an error where one has a single seed.

        Without any scatter the error is unknown, not zero: accuracies are counts of images and can agree by chance.
        """
        if better not in self.models or worse not in self.models:
            return None
        seeds = min(len(self.seeds[better]), len(self.seeds[worse]))
        contrast = np.zeros(len(self.determined))
        contrast[self.models.index(better)], contrast[self.models.index(worse)] = 1, -1
        if not np.allclose(contrast @ self.determined, contrast, atol=1e-8):
            return Difference(None, seeds)
        value = float(contrast @ self.fit.params)
        if seeds < 2 or not self.scatters:
            return Difference(value, seeds)
        return Difference(value, seeds, self._error(contrast), self.df)

    def mean(self, model: str, level: float) -> tuple[float, Interval | None]:
        """A row's mean over its seeds, and its t interval, or None with a single seed or without any scatter.

        As in `difference`, an effect of a seed on all rows is no error: rows are compared within seeds.
        """
        contrast = self.design[self.design[:, self.models.index(model)] == 1].mean(axis=0)
        value = float(contrast @ self.fit.params)
        if len(self.seeds[model]) < 2 or not self.scatters:
            return value, None
        return value, stats.t.interval(level, self.df, value, self._error(contrast))

    def _error(self, contrast: np.ndarray) -> float:
        """Standard error of a combination (rows and seeds,) of the effects."""
        return math.sqrt(contrast @ self.fit.cov_params() @ contrast)


def over_images(better: Right, worse: Right, level: float) -> Interval | None:
    """Interval over test images of two rows' difference in points, for these trainings alone.

    better, worse: seed -> which test images were classified right, as booleans (count,), or None where that was not
    recorded. Images are paired and common seeds averaged; None where one of these was not recorded.
    """
    gains = []
    for seed in sorted(better.keys() & worse.keys()):
        ours, theirs = better[seed], worse[seed]
        if ours is None or theirs is None:
            return None
        gains.append(100 * (ours.astype(float) - theirs))
    if not gains or len(gains[0]) < 2:
        return None
    interval: Interval = DescrStatsW(np.mean(gains, axis=0)).zconfint_mean(1 - level)
    return interval


def holm(p_values: Sequence[float], alpha: float = ALPHA) -> list[float]:
    """The level of each test in Holm's step-down: a test is rejected exactly where its p value is below its level.

    The i-th smallest p value of m has the level alpha / (m - i + 1), up to the first that is not rejected. Later ones
    keep that level, so they are not rejected either.
    """
    levels, level, rejecting = [alpha] * len(p_values), alpha, True
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if rejecting:
            level = alpha / (len(p_values) - rank)
        levels[index] = level
        rejecting = rejecting and p_values[index] < level
    return levels


def verdict(interval: Interval | None, effect: float | None = None) -> str:
    """The verdict of a difference's interval; effect: the paper's difference, above 0, or None."""
    if interval is None:
        return UNDECIDED
    low, high = interval
    if high < 0:
        return REVERSED
    smaller = effect is not None and high < effect
    if low > 0:
        return HOLDS_SMALLER if smaller else HOLDS
    return SMALLER if smaller else UNDECIDED


def overall(verdicts: Sequence[str]) -> str:
    """The verdict under all heads where they agree, else NOT_RUN while one was not run, else DEPENDS."""
    if len(set(verdicts)) == 1:
        return verdicts[0]
    return NOT_RUN if NOT_RUN in verdicts else DEPENDS


def spread(repeats: pd.DataFrame) -> pd.Series:
    """Largest minus smallest `top1` per data set, over nominally equal runs, where there are several."""
    top1 = repeats.groupby("dataset").top1
    return (top1.max() - top1.min())[top1.size() > 1].rename("paper_spread")


def judge(claims: pd.DataFrame, results: pd.DataFrame, heads: Sequence[str], alpha: float = ALPHA) -> pd.DataFrame:
    """One line per claim and head: the difference of its rows, its intervals in points, and the verdict.

    claims: columns name, family, primary (bool), dataset, regime, better, worse, paper_effect (NaN where there is
    none); results: columns model, dataset, regime, head, seed, value (%), and `right` (see `over_images`) where it is
    recorded. Primary claims have the level 1 - alpha, uncorrected; the others of a column share alpha by Holm's
    procedure. `overall` is a primary claim's verdict over all heads, empty for the others.
    """
    columns = dict(iter(results.groupby(COLUMN)))
    lines = []
    for (dataset, regime), group in claims.groupby(["dataset", "regime"], sort=False):
        for head in heads:
            cells = columns.get((dataset, regime, head), results.iloc[:0])
            lines += [{"head": head, **line} for line in _judge_column(group, cells, alpha)]
    table = claims.join(pd.DataFrame(lines).set_index("claim").astype(TYPES))
    together = table.verdict.groupby(level=0).agg(lambda verdicts: overall(list(verdicts)))
    return table.assign(overall=together.where(claims.primary, "")).reset_index(drop=True)


def _judge_column(claims: pd.DataFrame, cells: pd.DataFrame, alpha: float) -> list[dict[str, object]]:
    """The lines of one column's claims; `claim` is the index of each in `claims`."""
    right: dict[str, dict[int, np.ndarray | None]] = {}
    for cell in cells.itertuples():
        right.setdefault(cell.model, {})[cell.seed] = getattr(cell, "right", None)
    column = Column(cells) if len(cells) else None
    found = {
        claim.Index: column.difference(claim.better, claim.worse) if column else None for claim in claims.itertuples()
    }
    p_values = {claim: difference.p for claim, difference in found.items() if difference and not claims.primary[claim]}
    tested = {claim: p for claim, p in p_values.items() if p is not None}
    levels = dict(zip(tested, holm(list(tested.values()), alpha), strict=True))
    lines: list[dict[str, object]] = []
    for claim in claims.itertuples():
        difference, level = found[claim.Index], 1 - levels.get(claim.Index, alpha)
        if difference is None:
            lines.append({**NOTHING, "claim": claim.Index})
            continue
        interval = difference.interval(level)
        images = over_images(right[claim.better], right[claim.worse], level)
        lines.append(
            NOTHING
            | {"claim": claim.Index, "difference": difference.value, "n": difference.seeds, "level": level}
            | ({"low": interval[0], "high": interval[1], "df": difference.df} if interval else {})
            | ({"image_low": images[0], "image_high": images[1]} if images else {})
            | {"verdict": verdict(interval, None if pd.isna(claim.paper_effect) else claim.paper_effect)}
        )
    return lines
