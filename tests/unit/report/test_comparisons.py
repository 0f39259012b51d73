"""Intervals and verdicts: closed forms, error rates on made-up columns, and no verdict that its interval denies."""

import gc
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats import multitest

from patchvae.report.comparisons import ALPHA, Column, Difference, holm, judge, over_images, overall, spread, verdict

DECIDED = {"holds", "reversed", "smaller than printed", "holds, smaller than printed"}


def cells(values: Mapping[str, Mapping[int, float] | Sequence[float]], head: str = "table12") -> pd.DataFrame:
    """One column's results: model -> values by seed."""
    lines = [
        {"model": model, "seed": seed, "value": value}
        for model, row in values.items()
        for seed, value in (row.items() if isinstance(row, Mapping) else enumerate(row))
    ]
    return pd.DataFrame(lines).assign(dataset="cifar100", regime="conv1-5", head=head)


def claims(pairs: Sequence[tuple[str, str]], effect: float = math.nan, primary: int = 0) -> pd.DataFrame:
    """Claims over pairs of rows, the first `primary` of them primary ones."""
    frame = pd.DataFrame(pairs, columns=["better", "worse"])
    frame["name"] = frame.better + ">" + frame.worse
    return frame.assign(
        family="f", primary=frame.index < primary, dataset="cifar100", regime="conv1-5", paper_effect=effect
    )


def one(table: pd.DataFrame) -> Any:
    assert len(table) == 1
    return table.iloc[0]


def difference(values: Mapping[str, Mapping[int, float] | Sequence[float]]) -> Difference:
    """Of the rows a and b."""
    found = Column(cells(values)).difference("a", "b")
    assert found is not None
    return found


@pytest.mark.parametrize("seeds", [2, 3, 7])
def test_two_rows_give_the_paired_t_interval(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    a, b = 30 + rng.normal(size=(2, seeds)) + rng.normal(size=seeds) * 5
    found, test = difference({"a": a, "b": b}), stats.ttest_rel(a, b)
    assert found.value == pytest.approx((a - b).mean())
    assert found.p == pytest.approx(test.pvalue)
    assert (found.df, found.seeds) == (seeds - 1, seeds)
    for level in (0.5, 0.95, 0.999):
        assert found.interval(level) == pytest.approx(tuple(test.confidence_interval(level)))


def test_all_rows_of_a_column_share_their_scatter() -> None:
    values = np.array([[30.0, 31.0, 35.0], [28.0, 30.5, 33.0], [20.0, 21.0, 22.0], [25.0, 24.0, 29.0]])
    found = difference(dict(zip("abcd", values, strict=True)))
    rest = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    variance = (rest**2).sum() / 6
    assert (found.value, found.df, found.error) == pytest.approx((1.5, 6, math.sqrt(2 * variance / 3)))


def test_a_rows_mean_is_that_of_its_own_seeds() -> None:
    values = {
        "a": {0: 30.0, 1: 31.0, 2: 35.0},
        "b": {1: 30.5, 2: 33.0, 5: 29.0},
        "c": {0: 20.0, 2: 22.0},
        "d": {5: 1.0},
    }
    column = Column(cells(values))
    # Nine trainings, four rows and three differences of seeds
    half = stats.t.isf(0.025, 2) * math.sqrt(column.fit.ssr / 2)
    for model, row in values.items():
        value, interval = column.mean(model, 0.95)
        mean = sum(row.values()) / len(row)
        assert value == pytest.approx(mean)
        if model == "d":
            assert interval is None
        else:
            width = half / math.sqrt(len(row))
            assert interval == pytest.approx((mean - width, mean + width))
    # What a seed does to all rows alike is no scatter.
    alike = Column(cells({"a": [1.0, 2.0, 9.0], "b": [3.0, 4.0, 11.0]}))
    assert alike.mean("b", 0.95) == (pytest.approx(6), None)


def test_unequal_seeds() -> None:
    values = {"a": {0: 30.0, 1: 31.0, 2: 35.0}, "b": {1: 30.5, 2: 33.0, 5: 29.0}, "c": {0: 20.0, 2: 22.0, 5: 19.5}}
    found = difference(values)
    # The same model with as many unknowns as there are: a - b, b, c - b, seeds 1, 2 and 5 against 0
    lines = [(m, s, v) for m, row in values.items() for s, v in row.items()]
    design = np.array([[m == "a", 1, m == "c", s == 1, s == 2, s == 5] for m, s, _ in lines], float)
    y = np.array([v for _, _, v in lines])
    solution, (rest,), rank, _ = np.linalg.lstsq(design, y)
    error = math.sqrt(rest / (9 - rank) * np.linalg.inv(design.T @ design)[0, 0])
    assert (found.value, found.error, found.df, found.seeds) == pytest.approx((solution[0], error, 3, 3))
    assert solution[0] != pytest.approx(np.mean([30.0, 31.0, 35.0]) - np.mean([30.5, 33.0, 29.0]), abs=0.01)


def test_seeds_without_anything_in_common_tell_no_difference() -> None:
    apart = {"a": {0: 30.0, 1: 31.0}, "b": {2: 20.0, 3: 20.5}, "c": {0: 25.0, 1: 27.0}, "d": {2: 1.0, 3: 3.0}}
    assert difference(apart) == Difference(None, 2)
    assert difference(apart).p is None and difference(apart).interval(0.95) is None
    # A row with seeds of both links them; a shift of all values of a seed then changes nothing.
    linked = {**apart, "e": {0: 8.0, 1: 9.5, 2: 8.0, 3: 9.0}}
    shifted = {m: {s: v + 10 * (s == 3) for s, v in row.items()} for m, row in linked.items()}
    assert difference(linked).interval(0.95) == pytest.approx(difference(shifted).interval(0.95))
    assert difference(linked).value == pytest.approx(difference(shifted).value)


@pytest.mark.parametrize(
    "values",
    [
        {"a": [90.0], "b": [1.0]},
        {"a": [90.0], "b": [1.0], "c": [50.0]},
        # The other rows would tell the scatter, but of this one nothing was seen twice.
        {"a": {0: 90.0}, "b": {0: 1.0, 1: 1.1, 2: 1.3}, "c": {0: 5.0, 1: 5.2, 2: 5.1}},
        {"a": {0: 90.0, 1: 90.2, 2: 90.1}, "b": {2: 1.0}, "c": {0: 5.0, 1: 5.2, 2: 5.1}},
        # Seeds in agreement to the last image
        {"a": [90.0, 90.0], "b": [1.0, 1.0]},
        {"a": [30.1, 30.3, 30.2], "b": [20.1, 20.3, 20.2], "c": [7.7, 7.9, 7.8]},
    ],
)
def test_without_a_scatter_nothing_is_decided(values: dict[str, Any]) -> None:
    for pair in (("a", "b"), ("b", "a")):
        row = one(judge(claims([pair], 0.15, primary=1), cells(values), ["table12"]))
        assert (row.verdict, row.overall, row.level) == ("undecided", "undecided", 1 - ALPHA)
        assert pd.isna([row.low, row.high, row.df]).all()
        assert abs(row.difference) > 1


def test_the_papers_own_repeats_are_undecided() -> None:
    """Three cells of the paper that should be one, as a row's seeds, against the same in another order."""
    first, second, third = printed = [28.72, 28.94, 28.97]

    def judged(other: Sequence[float], effect: float) -> Any:
        return one(judge(claims([("a", "b")], effect, primary=1), cells({"a": printed, "b": other}), ["table12"]))

    for other in itertools.permutations(printed):
        if other != tuple(printed):
            row = judged(other, math.nan)
            assert row.verdict == "undecided" and row.low < 0 < row.high and row.difference == pytest.approx(0)
    for other in ([second, third, first], [third, first, second]):
        assert judged(other, 0.15).verdict == "undecided"
    # Two of these orders agree so well that the paper's difference lies outside; none says that either row is better.
    assert judged([first, third, second], 0.15).verdict == "smaller than printed"


def random_column(rng: np.random.Generator, means: Sequence[float], seeds: int) -> pd.DataFrame:
    """Rows m0, m1, ... with these true values, an effect of each seed, and a scatter of one point."""
    noise = rng.normal(size=(len(means), seeds)) + 3 * rng.normal(size=seeds)
    return cells({f"m{i}": mean + row for i, (mean, row) in enumerate(zip(means, noise, strict=True))})


def test_intervals_hold_the_true_difference_as_often_as_they_say() -> None:
    rng, hits = np.random.default_rng(0), []
    for repeat in range(400):
        results = random_column(rng, [30, 29, 25, 20, 20, 33], 2 + repeat % 3)
        if repeat % 2:  # some trainings are missing
            results = results.drop(index=[0, len(results) - 1]) if repeat % 3 else results.drop(index=4)
        column = Column(results)
        for better, worse, true in (("m0", "m1", 1), ("m5", "m2", 8)):
            found = column.difference(better, worse)
            interval = found.interval(0.9) if found else None
            if interval is not None:
                hits.append(interval[0] < true < interval[1])
    assert len(hits) > 500
    assert abs(np.mean(hits) - 0.9) < 4 * math.sqrt(0.9 * 0.1 / 400)


def test_few_columns_without_a_difference_show_one() -> None:
    """At most alpha of them, with 14 secondary claims in each; uncorrected, several times as many would."""
    rng, repeats = np.random.default_rng(1), 400
    models = [f"m{i}" for i in range(8)]
    pairs = [*itertools.pairwise(models), *zip(models, models[2:], strict=False), ("m0", "m7")]
    assert len(pairs) == 14
    results = pd.concat([random_column(rng, [20] * 8, 3).assign(dataset=f"d{i}") for i in range(repeats)])
    every = [claims(pairs).assign(dataset=f"d{i}") for i in range(repeats)]
    table = judge(pd.concat(every, ignore_index=True), results, ["table12"])
    wrong = table.verdict.isin(["holds", "reversed"]).groupby(table.dataset).any()
    assert 0 < wrong.mean() < ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / repeats)
    df = table.df.astype(float)
    error = (table.high - table.low) / 2 / stats.t.isf((1 - table.level) / 2, df)
    uncorrected = table.difference.abs() > error * stats.t.isf(ALPHA / 2, df)
    assert uncorrected.groupby(table.dataset).any().mean() > 4 * ALPHA


def test_true_differences_are_found() -> None:
    rng = np.random.default_rng(2)
    results = random_column(rng, [30, 20, 10, 10], 4)
    table = judge(claims([("m0", "m1"), ("m2", "m1"), ("m2", "m3")]), results, ["table12"])
    assert list(table.verdict) == ["holds", "reversed", "undecided"]


@pytest.fixture
def decisions(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[float]], list[bool]]:
    """Which p values Holm's procedure rejects according to statsmodels, which collects garbage in each call."""
    monkeypatch.setattr(gc, "collect", lambda: 0)
    return lambda p_values: list(multitest.multipletests(p_values, ALPHA, "holm")[0])


def test_holm_decides_as_statsmodels_does(decisions: Callable[[Sequence[float]], list[bool]]) -> None:
    rng = np.random.default_rng(3)
    rejected = 0
    for count in [*range(1, 12)] * 20:
        p_values = list(rng.beta(0.3, 3, count))
        levels, expected = holm(p_values), decisions(p_values)
        assert [p < level for p, level in zip(p_values, levels, strict=True)] == expected
        rejected += sum(expected)
    assert 200 < rejected < 1200
    assert holm([], 0.05) == []
    # The third is not rejected at 0.05 / 2, so the largest keeps that level although it is below 0.05.
    assert holm([0.04, 0.001, 0.03, 0.002], 0.05) == pytest.approx([0.025, 0.0125, 0.025, 0.05 / 3])


def test_intervals_exclude_0_where_holm_rejects(decisions: Callable[[Sequence[float]], list[bool]]) -> None:
    rng = np.random.default_rng(4)
    pairs = [("m0", f"m{i}") for i in range(1, 6)]
    rejected = []
    for _ in range(40):
        results = random_column(rng, rng.normal(20, 1.5, 6), 3)
        column = Column(results)
        p_values = [found.p for pair in pairs if (found := column.difference(*pair))]
        table = judge(claims([("m1", "m2"), *pairs], primary=1), results, ["table12"])
        expected = decisions(p_values)
        assert list((table.low > 0) | (table.high < 0))[1:] == expected
        assert table.level[0] == 1 - ALPHA  # the primary claim takes no part
        rejected += expected
    assert 0 < sum(rejected) < len(rejected)


@pytest.mark.parametrize(
    ("low", "high", "effect", "said"),
    [
        (0.1, 2.0, 1.5, "holds"),
        (0.1, 2.0, None, "holds"),
        (0.1, 0.9, 1.0, "holds, smaller than printed"),
        (-0.1, 0.9, 1.0, "smaller than printed"),
        (-0.1, 1.0, 1.0, "undecided"),
        (-0.1, 0.9, None, "undecided"),
        (0.0, 2.0, 1.5, "undecided"),
        (-2.0, 0.0, None, "undecided"),
        (-2.0, -0.1, 1.0, "reversed"),
        (-2.0, -0.1, None, "reversed"),
    ],
)
def test_verdicts(low: float, high: float, effect: float | None, said: str) -> None:
    assert verdict((low, high), effect) == said
    assert verdict(None, effect) == "undecided"


def supported(row: Any) -> str:
    """The verdict that a line's interval allows, found another way than the code finds it."""
    if pd.isna(row.low):
        return "not run" if row.n == 0 else "undecided"
    words = [("holds", row.low > 0), ("reversed", row.high < 0)]
    words.append(("smaller than printed", row.high < row.paper_effect and row.high >= 0))
    return ", ".join(word for word, true in words if true) or "undecided"


def test_no_verdict_without_its_interval() -> None:
    """Over random columns: rows and seeds missing, scatters small and large, effects of the paper or none."""
    rng, models, said = np.random.default_rng(5), [f"m{i}" for i in range(5)], set()
    pairs = list(itertools.permutations(models, 2))
    for _ in range(100):
        scale, effect = rng.choice([0.02, 0.3, 3]), rng.choice([0.15, 2, math.nan])
        values = {
            model: {int(seed): mean + scale * rng.normal() for seed in rng.permutation(4)[: rng.integers(5)]}
            for model, mean in zip(models, rng.normal(20, 1, 5), strict=True)
        }
        results = cells({model: row for model, row in values.items() if row} or {"m0": [1.0]})
        chosen = [pairs[i] for i in rng.permutation(len(pairs))[:6]]
        for row in judge(claims(chosen, effect, primary=1), results, ["table12"]).itertuples():
            assert row.verdict == supported(row)
            counts = [len(values[model]) for model in (row.better, row.worse)]
            assert (row.verdict == "not run") == (min(counts) == 0)
            if min(counts) < 2:
                assert row.verdict not in DECIDED
            if not pd.isna(row.low):
                assert row.low < row.difference < row.high and row.df > 0 and 1 - ALPHA <= row.level < 1
            said.add(row.verdict)
    assert said == {*DECIDED, "undecided", "not run"}


def test_a_primary_claim_is_judged_under_every_head() -> None:
    good, bad = {"a": [30.0, 31.0, 32.0], "b": [20.0, 21.1, 21.9]}, {"a": [20.0, 21.1, 21.9], "b": [30.0, 31.0, 32.0]}
    results = pd.concat([cells(good, "one"), cells(bad, "two"), cells(good, "three")])
    both = claims([("a", "b"), ("b", "a")], primary=1)
    for heads, verdicts, said in (
        (["one", "three"], ["holds", "holds"], "holds"),
        (["two"], ["reversed"], "reversed"),
        (["one", "two"], ["holds", "reversed"], "depends on the head"),
        (["one", "four"], ["holds", "not run"], "not run"),
        (["four"], ["not run"], "not run"),
    ):
        table = judge(both, results, heads)
        assert list(table["head"]) == heads * 2
        assert list(table.verdict[table.primary]) == verdicts
        assert set(table.overall[table.primary]) == {said}
        assert set(table.overall[~table.primary]) == {""}
    assert overall(["undecided", "holds"]) == "depends on the head"


def test_columns_do_not_mix() -> None:
    """Another head, regime or data set changes no interval."""
    rng = np.random.default_rng(6)
    results = random_column(rng, [20, 21, 22], 3)
    other = [random_column(rng, [50, 10, 90], 3).assign(**{key: "other"}) for key in ("dataset", "regime", "head")]
    alone = judge(claims([("m0", "m1")]), results, ["table12"])
    pd.testing.assert_frame_equal(judge(claims([("m0", "m1")]), pd.concat([*other, results]), ["table12"]), alone)
    assert alone.low.notna().all()


def test_over_images_by_hand() -> None:
    a0, b0 = np.array([1, 1, 0, 1], bool), np.array([0, 1, 0, 0], bool)
    a1, b1 = np.array([1, 0, 0, 1], bool), np.array([0, 0, 1, 1], bool)
    # Per image, in percent, over both seeds: 100, 0, -50, 50; their sample deviation over sqrt(4)
    half = 1.959964 * math.sqrt((75**2 + 25**2 + 75**2 + 25**2) / 3) / 2
    found = over_images({0: a0, 1: a1, 7: a1}, {1: b1, 0: b0, 9: b0}, 0.95)
    assert found == pytest.approx((25 - half, 25 + half))
    assert over_images({0: a0, 1: None}, {0: b0, 1: b1}, 0.95) is None
    assert over_images({0: a0, 1: None}, {0: b0, 2: b1}, 0.95) is not None
    assert over_images({0: a0}, {1: b1}, 0.95) is None
    assert over_images({}, {}, 0.95) is None


def test_over_images_and_over_seeds_stand_side_by_side() -> None:
    rng = np.random.default_rng(7)
    right = {model: [rng.random(500) < p for _ in range(3)] for model, p in (("a", 0.4), ("b", 0.3))}
    results = cells({model: [100 * r.mean() for r in rows] for model, rows in right.items()})
    row = one(judge(claims([("a", "b")]), results.assign(right=[*right["a"], *right["b"]]), ["table12"]))
    assert (
        (row.image_low + row.image_high) / 2 == pytest.approx(row.difference) == pytest.approx((row.low + row.high) / 2)
    )
    assert (row.image_low, row.image_high) == pytest.approx(
        over_images(dict(enumerate(right["a"])), dict(enumerate(right["b"])), row.level)
    )
    # No verdict rests on it: one seed is undecided whatever the images say.
    single = results.assign(right=[*right["a"], *right["b"]]).query("seed == 0")
    row = one(judge(claims([("a", "b")]), single, ["table12"]))
    assert row.verdict == "undecided" and row.image_low > 0 and pd.isna(row.low)
    assert pd.isna(one(judge(claims([("a", "b")]), results, ["table12"])).image_low)


def test_spread() -> None:
    runs = pd.DataFrame({"dataset": ["a", "b", "a", "a", "c", "c"], "top1": [3.0, 9.0, 1.0, 2.5, 4.0, 4.0]})
    assert spread(runs).to_dict() == {"a": 2.0, "c": 0.0}
