"""Differences between two rows of a table, their intervals over seeds and test images, and the verdicts."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

Interval = tuple[float, float]

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

# What `judge` adds to a claim
ENDS = [f"{kind}{end}" for kind in ("", "paired_", "image_", "both_", "next_") for end in ("low", "high")]
FOUND = {**dict.fromkeys(["difference", "level", "p", "both_df", *ENDS], "float64"), "df": "Int64", "n": "int64"}
FOUND |= dict.fromkeys(["error_from", "head", "verdict"], "object")


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


def by_seed(cells: pd.DataFrame) -> pd.DataFrame:
    """Accuracies of one column (data set, regime, head) by seed and row, NaN where a training was not run.

    cells: columns model, seed, value, one line per training.
    """
    return cells.pivot(index="seed", columns="model", values="value")


def rows_near_chance(cells: pd.DataFrame) -> set[str]:
    """The rows of one column whose mean accuracy is near chance; cells: columns model, value, num_classes."""
    means = cells.groupby("model")[["value", "num_classes"]].mean()
    return set(means.index[near_chance(means.value, means.num_classes)])


def of_pairs(rows: pd.DataFrame, better: str, worse: str) -> Difference | None:
    """`better` minus `worse` over the seeds that both have, its scatter that of the pairs; None where a row is missing.

    rows: of `by_seed`. Without any scatter it is unknown, not zero: accuracies are counts of images and can agree by
    chance.
    """
    if not {better, worse} <= set(rows):
        return None
    gains = (rows[better] - rows[worse]).dropna().to_numpy()
    count = len(gains)
    if count < 2:
        return Difference(float(gains[0]) if count else math.nan, count)
    known = _known(float(gains.std(ddof=1)), count - 1, rows[[better, worse]])
    return Difference(float(gains.mean()), count, *known)


def of_pool(rows: pd.DataFrame, pool: Collection[str]) -> Difference | None:
    """The scatter of a difference between two rows of `pool`, estimated from all of them; None where it is unknown.

    rows: of `by_seed`. The scatter is the residual of the fit value = row + seed to the rows of the pool alone, over
    the seeds that every one of them has, times the root of 2. With all rows at all seeds it is independent of every
    seed-matched difference, so t intervals are exact. It assumes that the trainings of these rows scatter equally.
    `value` is NaN and `n` the number of those seeds.
    """
    if not set(pool) <= set(rows):
        return None
    found = rows[list(pool)]
    table = found.dropna().to_numpy()
    if min(table.shape) < 2:
        return None
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    scatter, df = _known(math.sqrt(2 * (rest**2).sum() / df), df, found)
    return None if scatter is None else Difference(math.nan, len(table), scatter, df)


def _known(scatter: float, df: int, rows: pd.DataFrame) -> tuple[float | None, int]:
    """The scatter with its degrees of freedom where it is more than rounding of these rows' values."""
    return (scatter, df) if scatter > ROUNDING * max(1.0, rows.abs().max(axis=None)) else (None, 0)


def row_means(cells: pd.DataFrame, level: float) -> pd.DataFrame:
    """The mean of every row of one column (data set, regime, head) over its seeds `n`, and `low` and `high` of it.

    cells: columns model, seed, value; one line per training. The t interval is from the fit of value = row + seed to
    all rows, which may have different seeds; NaN with a single seed or without any scatter. An effect of a seed on all
    rows is no error: rows are compared within seeds. For the bars of the figure; no verdict rests on it.
    """
    models, seeds = (pd.get_dummies(cells[key], dtype=float)[cells[key].unique()] for key in ("model", "seed"))
    design, values = np.hstack([models, seeds]), cells.value.to_numpy(float)
    # The columns of rows and those of seeds each add up to one: only differences are determined, if at all.
    inverse = np.linalg.pinv(design)
    effects = inverse @ values
    df = len(values) - int(np.linalg.matrix_rank(design))
    variance = float(((values - design @ effects) ** 2).sum()) / max(df, 1)
    scatters = df > 0 and math.sqrt(variance) > ROUNDING * max(1.0, float(np.abs(values).max()))
    lines = []
    for model in models:
        own = design[models[model] == 1]
        contrast = own.mean(axis=0)
        value, error = float(contrast @ effects), math.sqrt(variance * ((contrast @ inverse) ** 2).sum())
        ends = _t_interval(level, df, value, error) if scatters and len(own) > 1 else (math.nan, math.nan)
        lines.append((model, len(own), value, *ends))
    return pd.DataFrame(lines, columns=["model", "n", "mean", "low", "high"])


def over_images(cells: pd.DataFrame, better: str, worse: str) -> Difference | None:
    """Two rows' difference in points over test images, for these trainings alone: a mean of one gain per image.

    cells: columns model, seed, and `right`: which test images were classified right, as booleans (count,), or None.
    Images are paired and common seeds averaged; None without such a seed, or where one of these was not recorded.
    """
    ours, theirs = (cells[cells.model == model].set_index("seed").right for model in (better, worse))
    pairs = [(ours[seed], theirs[seed]) for seed in sorted({*ours.index} & {*theirs.index})]
    if not pairs or any(right is None for pair in pairs for right in pair):
        return None
    gain = np.mean([100 * (one.astype(float) - other) for one, other in pairs], axis=0)
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
    ours, theirs = seeds.error**2, images.error**2
    variance = ours + theirs
    df = variance**2 / (ours**2 / seeds.df + theirs**2 / images.df)
    return _t_interval(level, df, seeds.value, math.sqrt(variance)), df


def near_chance(accuracy: Any, classes: Any) -> Any:
    """Whether accuracies in percent are below TIMES_CHANCE times chance: such a classifier orders no features.

    With FEW_CLASSES or fewer that is no small accuracy, and nothing is near chance. NaN is not either.
    """
    return (classes > FEW_CLASSES) & (accuracy < 100 * TIMES_CHANCE / classes)


def verdict(interval: Interval | None, further: Interval | None = None, effect: float = math.nan) -> str:
    """The verdict of a difference: its order by `interval`, then its size beside the paper's.

    further: prediction interval of one further difference; effect: the paper's difference, above 0, or NaN. A reversed
    difference has no size, as it is smaller than any printed one.
    """
    order = UNDECIDED
    if interval is not None:
        order = HOLDS if interval[0] > 0 else REVERSED if interval[1] < 0 else UNDECIDED
    size = ""
    if further is not None and order != REVERSED:
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


def judge(claims: pd.DataFrame, results: pd.DataFrame, heads: Sequence[str], pool: Collection[str]) -> pd.DataFrame:
    """One line per claim and head: the difference of its rows, its intervals in points, and the verdict.

    claims: columns name, family, primary (bool), dataset, regime, better, worse, paper_effect (NaN where there is
    none), every claim of the file; results: columns model, dataset, regime, head, seed, value (%), num_classes, and
    `right` (see `over_images`). `difference` is the mean of paired differences over common seeds.
    Its error is from the pool (see `of_pool`) where both rows are in it and it has an estimate, else from its own
    pairs; `error_from` says which. Intervals are at `level`: 1 - ALPHA for primary claims; for the others of a data set
    and regime 1 - ALPHA / m, where m counts them in `claims`, run or not (Bonferroni). `paired_` ends are from the own
    pairs, `both_` of `over_both`; `next_` is the prediction interval of one further pair at 1 - ALPHA. Where a row is
    near chance all this is empty. `overall` is a claim's verdict over all heads.
    """
    columns = dict(iter(results.groupby(COLUMN)))
    lines = []
    for (dataset, regime), group in claims.groupby(["dataset", "regime"], sort=False):
        listed = int((~group.primary).sum())
        for head in heads:
            cells = columns.get((dataset, regime, head), results.iloc[:0])
            rows, near = by_seed(cells), rows_near_chance(cells)
            shared = of_pool(rows, pool)
            for claim in group.itertuples():
                level = 1 - ALPHA / (1 if claim.primary else listed)
                pair = (claim.better, claim.worse)
                paired = of_pairs(rows, *pair)
                if paired is None:
                    line: dict[str, Any] = {"n": 0, "verdict": NOT_RUN}
                elif near & {*pair}:
                    line = {"n": paired.n, "verdict": NEAR_CHANCE}
                else:
                    shares = shared if {*pair} <= {*pool} else None
                    line = _line(paired, shares, over_images(cells, *pair), claim.paper_effect, level)
                lines.append({**line, "claim": claim.Index, "head": head})
    found = pd.DataFrame(lines, columns=["claim", *FOUND]).set_index("claim").astype(FOUND)
    table = claims.join(found)
    together = table.verdict.groupby(level=0).agg(lambda verdicts: overall(list(verdicts)))
    return table.assign(overall=together).reset_index(drop=True)


def _line(
    paired: Difference, shared: Difference | None, images: Difference | None, effect: float, level: float
) -> dict[str, Any]:
    """What one column says of one pair of rows; shared: of the pool, if both are in it; effect: maybe NaN."""
    shared = shared if paired.n > 1 else None
    found = paired if shared is None else replace(paired, scatter=shared.scatter, df=shared.df)
    interval, further = found.interval(level), found.further(1 - ALPHA)
    line = {"difference": paired.value, "n": paired.n, "level": level, "verdict": verdict(interval, further, effect)}
    intervals = {"": interval, "paired_": paired.interval(level), "next_": further}
    if interval is not None:
        line |= {"p": found.p, "df": found.df, "error_from": "pool" if shared else "pair"}
    if images is not None:
        intervals["image_"] = images.interval(level)
        if both := over_both(found, images, level):
            intervals["both_"], line["both_df"] = both
    for prefix, ends in intervals.items():
        if ends is not None:
            line[f"{prefix}low"], line[f"{prefix}high"] = ends
    return line
