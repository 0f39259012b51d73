"""Differences between two rows of a table, their intervals over seeds and test images, and the verdicts."""

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.tools.sm_exceptions import SingularMatrixWarning

Interval = tuple[float, float]
Right = Mapping[int, np.ndarray | None]
Rows = Mapping[str, Mapping[int, float]]  # model -> seed -> accuracy in percent

COLUMN = ["dataset", "regime", "head"]  # the keys of a table's column
ALPHA = 0.05
ROUNDING = 1e-9  # smaller relative residuals are rounding, not scatter of trainings
TIMES_CHANCE, FEW_CLASSES = 5, 10

HOLDS = "holds"
REVERSED = "reversed"
UNDECIDED = "undecided"
SMALLER = "smaller than printed"
LARGER = "larger than printed"
NEAR_CHANCE = "near chance"
NOT_RUN = "not run"
DEPENDS = "depends on the head"

FROM_POOL, FROM_PAIR = "pool", "pair"  # where a standard error is from

# A claim's line before any result
ENDS = ["low", "high"]
POINTS = ["difference", *ENDS, "level", "p"]
POINTS += [f"{kind}_{end}" for kind in ("paired", "image", "both", "next") for end in ENDS]
NOTHING: dict[str, object] = {
    **dict.fromkeys(POINTS),
    "df": None,
    "both_df": None,
    "error_from": None,
    "n": 0,
    "verdict": NOT_RUN,
}
TYPES = {**dict.fromkeys([*POINTS, "both_df"], "float64"), "df": "Int64"}


@dataclass(frozen=True)
class Difference:
    """A mean of `n` differences in points, NaN of none.

    scatter: standard deviation of one such difference, with `df` degrees of freedom; None where it is unknown.
    """

    value: float
    n: int
    scatter: float | None = None
    df: int = 0

    @property
    def error(self) -> float | None:
        """Standard error of the mean, or None without a scatter."""
        return None if self.scatter is None else self.scatter / math.sqrt(self.n)

    @property
    def p(self) -> float | None:
        """Two-sided p value of no difference, or None without an error."""
        return None if self.error is None else float(2 * stats.t.sf(abs(self.value) / self.error, self.df))

    def interval(self, level: float) -> Interval | None:
        """The t interval at a confidence level, or None without an error."""
        return None if self.error is None else _t_interval(level, self.df, self.value, self.error)

    def further(self, level: float) -> Interval | None:
        """The prediction interval of one further difference, or None without a scatter."""
        if self.scatter is None:
            return None
        return _t_interval(level, self.df, self.value, self.scatter * math.sqrt(1 + 1 / self.n))


def _t_interval(level: float, df: float, value: float, error: float) -> Interval:
    half = float(stats.t.isf((1 - level) / 2, df)) * error
    return value - half, value + half


def by_model(cells: pd.DataFrame) -> Rows:
    """The rows of one column (data set, regime, head); cells: columns model, seed, value, one line per training."""
    rows: dict[str, dict[int, float]] = {}
    for model, seed, value in zip(cells.model, cells.seed, cells.value, strict=True):
        rows.setdefault(model, {})[seed] = float(value)
    return rows


def right_by_model(cells: pd.DataFrame) -> dict[str, dict[int, np.ndarray | None]]:
    """Which images each training got right, by row and seed; None where that was not recorded. See `over_images`."""
    rows: dict[str, dict[int, np.ndarray | None]] = {}
    right = cells.right if "right" in cells else [None] * len(cells)
    for model, seed, found in zip(cells.model, cells.seed, right, strict=True):
        rows.setdefault(model, {})[seed] = found
    return rows


def rows_near_chance(cells: pd.DataFrame) -> set[str]:
    """The rows of one column whose mean accuracy is near chance; cells: columns model, value, num_classes."""
    classes = dict(zip(cells.model, cells.num_classes, strict=True))
    return {
        model for model, row in by_model(cells).items() if near_chance(sum(row.values()) / len(row), classes[model])
    }


def of_pairs(rows: Rows, better: str, worse: str) -> Difference | None:
    """`better` minus `worse` over the seeds that both have, its scatter that of the pairs; None where a row is missing.

    Without any scatter it is unknown, not zero: accuracies are counts of images and can agree by chance.
    """
    if better not in rows or worse not in rows:
        return None
    ours, theirs = rows[better], rows[worse]
    gains = np.array([ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())])
    count = len(gains)
    if count < 2:
        return Difference(float(gains[0]) if count else math.nan, count)
    return Difference(float(gains.mean()), count, *_known(float(gains.std(ddof=1)), count - 1, [ours, theirs]))


def of_pool(rows: Rows, pool: Collection[str]) -> Difference | None:
    """The scatter of a difference between two rows of `pool`, estimated from all of them; None where it is unknown.

    It is the residual of the fit value = row + seed to the rows of the pool alone, over the seeds that every one of
    them has, times the root of 2. With all rows at all seeds it is independent of every seed-matched difference, so t
    intervals are exact. It assumes that the trainings of these rows scatter equally.
    `value` is NaN and `n` the number of those seeds.
    """
    if not set(pool) <= rows.keys():
        return None
    found = [rows[model] for model in pool]
    seeds = sorted(set.intersection(*map(set, found)))
    if len(found) < 2 or len(seeds) < 2:
        return None
    table = np.array([[row[seed] for seed in seeds] for row in found])
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    df = (len(found) - 1) * (len(seeds) - 1)
    scatter, df = _known(math.sqrt(2 * (rest**2).sum() / df), df, found)
    return None if scatter is None else Difference(math.nan, len(seeds), scatter, df)


def _known(scatter: float, df: int, rows: Sequence[Mapping[int, float]]) -> tuple[float | None, int]:
    """The scatter with its degrees of freedom where it is more than rounding of these rows' values."""
    scale = max(1.0, *(abs(value) for row in rows for value in row.values()))
    return (scatter, df) if scatter > ROUNDING * scale else (None, 0)


class Column:
    """The fit of value = row + seed to all rows of one column (data set, regime, head); rows may have different seeds.

    cells: columns model, seed, value; one line per training. For the bars of the figure; no verdict rests on it.
    """

    def __init__(self, cells: pd.DataFrame) -> None:
        models, seeds = cells.model.to_numpy(), cells.seed.to_numpy()
        self.models = list(dict.fromkeys(models))
        self.seeds = {model: set(seeds[models == model]) for model in self.models}
        effects = [(models, model) for model in self.models] + [(seeds, seed) for seed in dict.fromkeys(seeds)]
        self.design = np.stack([labels == label for labels, label in effects], axis=1).astype(float)
        values = cells.value.to_numpy(float)
        with warnings.catch_warnings():
            # The columns of rows and those of seeds each add up to one: only differences are determined, if at all.
            warnings.simplefilter("ignore", SingularMatrixWarning)
            self.fit = OLS(values, self.design).fit()
        self.df = int(self.fit.df_resid)
        scale = max(1.0, float(np.abs(values).max()))
        self.scatters = self.df > 0 and math.sqrt(self.fit.ssr / self.df) > ROUNDING * scale

    def mean(self, model: str, level: float) -> tuple[float, Interval | None]:
        """A row's mean over its seeds, and its t interval, or None with a single seed or without any scatter.

        An effect of a seed on all rows is no error: rows are compared within seeds.
        """
        contrast = self.design[self.design[:, self.models.index(model)] == 1].mean(axis=0)
        value = float(contrast @ self.fit.params)
        if len(self.seeds[model]) < 2 or not self.scatters:
            return value, None
        return value, _t_interval(level, self.df, value, math.sqrt(contrast @ self.fit.cov_params() @ contrast))


def over_images(better: Right, worse: Right) -> Difference | None:
    """Two rows' difference in points over test images, for these trainings alone: a mean of one gain per image.

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
    gain = np.mean(gains, axis=0)
    return Difference(float(gain.mean()), len(gain), float(gain.std(ddof=1)), len(gain) - 1)


def over_both(seeds: Difference, images: Difference, level: float) -> tuple[Interval, float] | None:
    """Interval of a difference for other seeds and other test images at once, and its degrees of freedom.

    seeds: over trainings; images: of `over_images`, for the same rows and seeds. The variances of the two means are
    added, with the degrees of freedom of Satterthwaite (Biometrics Bulletin 2, 1946). This takes effects of trainings
    and of images for independent; what differs per training and image is in both variances, so the interval is rather
    too wide. None where either error is unknown.
    """
    if seeds.error is None or images.error is None:
        return None
    parts = [(one.error or 0.0, one.df) for one in (seeds, images)]
    variance = sum(error**2 for error, _ in parts)
    df = variance**2 / sum(error**4 / df for error, df in parts)
    return _t_interval(level, df, seeds.value, math.sqrt(variance)), df


def near_chance(accuracy: float, classes: float) -> bool:
    """Whether an accuracy in percent is below TIMES_CHANCE times chance: such a classifier orders no features.

    With FEW_CLASSES or fewer that is no small accuracy, and nothing is near chance. NaN is not either.
    """
    return classes > FEW_CLASSES and accuracy < 100 * TIMES_CHANCE / classes


def verdict(interval: Interval | None, further: Interval | None = None, effect: float | None = None) -> str:
    """The verdict of a difference: its order by `interval`, then its size beside the paper's.

    further: prediction interval of one further difference; effect: the paper's difference, above 0, or None. A
    reversed difference has no size, as it is smaller than any printed one.
    """
    order = UNDECIDED
    if interval is not None:
        order = HOLDS if interval[0] > 0 else REVERSED if interval[1] < 0 else UNDECIDED
    size = ""
    if further is not None and effect is not None and order != REVERSED:
        size = SMALLER if effect > further[1] else LARGER if effect < further[0] else ""
    return f"{order}, {size}" if size else order


def overall(verdicts: Sequence[str]) -> str:
    """The verdict under all heads where they agree, else NOT_RUN while one was not run, else DEPENDS.

    Heads agree where their orders do; a size is named where it is the same under all.
    """
    orders = [verdict.split(", ")[0] for verdict in verdicts]
    if len(set(orders)) == 1:
        return verdicts[0] if len(set(verdicts)) == 1 else orders[0]
    return NOT_RUN if NOT_RUN in verdicts else DEPENDS


def spread(repeats: pd.DataFrame) -> pd.Series:
    """Largest minus smallest `top1` per data set, over nominally equal runs, where there are several."""
    top1 = repeats.groupby("dataset").top1
    return (top1.max() - top1.min())[top1.size() > 1].rename("paper_spread")


def judge(
    claims: pd.DataFrame, results: pd.DataFrame, heads: Sequence[str], pool: Collection[str], alpha: float = ALPHA
) -> pd.DataFrame:
    """One line per claim and head: the difference of its rows, its intervals in points, and the verdict.

    claims: columns name, family, primary (bool), dataset, regime, better, worse, paper_effect (NaN where there is
    none), every claim of the file; results: columns model, dataset, regime, head, seed, value (%), num_classes, and
    `right` (see `over_images`) where it is recorded. `difference` is the mean of paired differences over common seeds.
    Its error is from the pool (see `of_pool`) where both rows are in it and it has an estimate, else from its own
    pairs; `error_from` says which. Intervals are at `level`: 1 - alpha for primary claims; for the others of a data set
    and regime 1 - alpha / m, where m counts them in `claims`, run or not (Bonferroni). `paired_` ends are from the own
    pairs, `both_` of `over_both`; `next_` is the prediction interval of one further pair at 1 - alpha. Where a row is
    near chance all this is empty. `overall` is a claim's verdict over all heads.
    """
    columns = dict(iter(results.groupby(COLUMN)))
    lines = []
    for (dataset, regime), group in claims.groupby(["dataset", "regime"], sort=False):
        listed = int((~group.primary).sum())
        for head in heads:
            cells = columns.get((dataset, regime, head), results.iloc[:0])
            rows, right, near = by_model(cells), right_by_model(cells), rows_near_chance(cells)
            shared = of_pool(rows, pool)
            for claim in group.itertuples():
                level = 1 - alpha / (1 if claim.primary else listed)
                effect = None if pd.isna(claim.paper_effect) else float(claim.paper_effect)
                pair = (claim.better, claim.worse)
                paired = of_pairs(rows, *pair)
                if paired is None:
                    line = NOTHING
                elif near & {*pair}:
                    line = NOTHING | {"n": paired.n, "verdict": NEAR_CHANCE}
                else:
                    images = over_images(*(right[model] for model in pair))
                    line = _line(paired, shared if {*pair} <= {*pool} else None, images, effect, level, alpha)
                lines.append({**line, "claim": claim.Index, "head": head})
    table = claims.join(pd.DataFrame(lines).set_index("claim").astype(TYPES))
    together = table.verdict.groupby(level=0).agg(lambda verdicts: overall(list(verdicts)))
    return table.assign(overall=together).reset_index(drop=True)


def _line(
    paired: Difference,
    shared: Difference | None,
    images: Difference | None,
    effect: float | None,
    level: float,
    alpha: float,
) -> dict[str, object]:
    """What one column says of one pair of rows; shared: of the pool, if both are in it."""
    shared = shared if paired.n > 1 else None
    found = paired if shared is None else replace(paired, scatter=shared.scatter, df=shared.df)
    both = over_both(found, images, level) if images else None
    interval, further = found.interval(level), found.further(1 - alpha)
    return (
        NOTHING
        | {"difference": paired.value, "n": paired.n, "level": level, "verdict": verdict(interval, further, effect)}
        | ({"p": found.p, "df": found.df, "error_from": FROM_POOL if shared else FROM_PAIR} if interval else {})
        | _ends("", interval)
        | _ends("paired_", paired.interval(level))
        | _ends("image_", images.interval(level) if images else None)
        | _ends("both_", both[0] if both else None)
        | ({"both_df": both[1]} if both else {})
        | _ends("next_", further)
    )


def _ends(prefix: str, interval: Interval | None) -> dict[str, object]:
    return {} if interval is None else {f"{prefix}{end}": value for end, value in zip(ENDS, interval, strict=True)}
