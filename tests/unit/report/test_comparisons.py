"""Intervals and verdicts: closed forms, error rates on made-up columns, and no verdict that its interval denies."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from patchvae.report import comparisons
from patchvae.report.comparisons import (
    ALPHA,
    Difference,
    by_seed,
    judge,
    near_chance,
    of_pairs,
    of_pool,
    over_both,
    over_images,
    overall,
    row_means,
    verdict,
)

ORDERS = {"holds", "reversed"}
SIZES = {"smaller than printed", "larger than printed"}
Values = Mapping[str, Mapping[int, float] | Sequence[float]]


def cells(values: Values, head: str = "table12") -> pd.DataFrame:
    """One column's results: model -> values by seed."""
    lines = [
        {"model": model, "seed": seed, "value": value}
        for model, row in values.items()
        for seed, value in (row.items() if isinstance(row, Mapping) else enumerate(row))
    ]
    return pd.DataFrame(lines).assign(dataset="cifar100", regime="conv1-5", head=head, num_classes=100, right=None)


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


def judged(values: Values, pool: Sequence[str], effect: float = math.nan) -> Any:
    """The line of a primary claim that the row a is better than b."""
    return one(judge(claims([("a", "b")], effect, primary=1), cells(values), ["table12"], pool))


@pytest.mark.parametrize("seeds", [2, 3, 7])
def test_two_rows_give_the_paired_t_interval(seeds: int) -> None:
    rng = np.random.default_rng(seeds)
    a, b = 30 + rng.normal(size=(2, seeds)) + rng.normal(size=seeds) * 5
    found, test = of_pairs(by_seed(cells({"a": a, "b": b})), "a", "b"), stats.ttest_rel(a, b)
    assert found is not None
    assert found.value == pytest.approx((a - b).mean())
    assert found.p == pytest.approx(test.pvalue)
    assert (found.df, found.n) == (seeds - 1, seeds)
    for level in (0.5, 0.95, 0.999):
        assert found.interval(level) == pytest.approx(tuple(test.confidence_interval(level)))
    # One further pair: mean ± t s sqrt(1 + 1/n)
    half = stats.t.isf(0.025, seeds - 1) * (a - b).std(ddof=1) * math.sqrt(1 + 1 / seeds)
    assert found.further(0.95) == pytest.approx(((a - b).mean() - half, (a - b).mean() + half))
    # The same of a claim outside the pool
    row = judged({"a": a, "b": b, "c": a + b}, ["b", "c"])
    assert (row.difference, row.p, row.df, row.n) == pytest.approx(((a - b).mean(), test.pvalue, seeds - 1, seeds))
    assert (row.low, row.high) == pytest.approx(tuple(test.confidence_interval(0.95)))
    assert (row.low, row.high, row.error_from) == (row.paired_low, row.paired_high, "pair")


def test_the_rows_of_the_pool_share_their_scatter() -> None:
    values = np.array([[30.0, 31.0, 35.0], [28.0, 30.5, 33.0], [20.0, 21.0, 22.0], [25.0, 24.0, 29.0]])
    column = dict(zip("abcd", values, strict=True)) | {"e": [1.0, 90.0, 5.0]}
    rest = values - values.mean(1, keepdims=True) - values.mean(0) + values.mean()
    error = math.sqrt(2 * (rest**2).sum() / 6 / 3)
    row, half = judged(column, "abcd"), stats.t.isf(0.025, 6) * error
    assert (row.difference, row.low, row.high) == pytest.approx((1.5, 1.5 - half, 1.5 + half))
    assert row.p == pytest.approx(2 * stats.t.sf(1.5 / error, 6))
    further = half * math.sqrt(3) * math.sqrt(1 + 1 / 3)
    assert (row.next_low, row.next_high) == pytest.approx((1.5 - further, 1.5 + further))
    assert (row.df, row.n, row.error_from) == (6, 3, "pool")
    test = stats.ttest_rel(values[0], values[1]).confidence_interval(0.95)
    assert (row.paired_low, row.paired_high) == pytest.approx((test.low, test.high))


def test_a_rows_mean_is_that_of_its_own_seeds() -> None:
    values = {
        "a": {0: 30.0, 1: 31.0, 2: 35.0},
        "b": {1: 30.5, 2: 33.0, 5: 29.0},
        "c": {0: 20.0, 2: 22.0},
        "d": {5: 1.0},
    }
    means = row_means(cells(values), 0.95).set_index("model")
    assert list(means.index) == list(values)
    # Nine trainings, four rows and three differences of seeds
    frame = cells(values)
    design = np.hstack([pd.get_dummies(frame[key], dtype=float) for key in ("model", "seed")])
    fitted = design @ np.linalg.lstsq(design, frame.value, rcond=None)[0]
    half = stats.t.isf(0.025, 2) * math.sqrt(((frame.value - fitted) ** 2).sum() / 2)
    for model, row in values.items():
        mean, width = sum(row.values()) / len(row), half / math.sqrt(len(row))
        ends = (math.nan, math.nan) if model == "d" else (mean - width, mean + width)
        assert tuple(means.loc[model]) == pytest.approx((len(row), mean, *ends), nan_ok=True)
    # What a seed does to all rows alike is no scatter.
    alike = row_means(cells({"a": [1.0, 2.0, 9.0], "b": [3.0, 4.0, 11.0]}), 0.95)
    assert tuple(alike.loc[1]) == pytest.approx(("b", 3, 6, math.nan, math.nan), nan_ok=True)


def test_unequal_seeds_are_matched() -> None:
    """The difference is over common seeds; the scatter of the pool over the seeds that all of its rows have."""
    values = {
        "a": {0: 30.0, 1: 31.0, 2: 35.0, 3: 33.0},
        "b": {1: 30.5, 2: 33.0, 3: 32.5, 5: 29.0},
        "c": {0: 20.0, 2: 22.0, 3: 19.5, 5: 19.5},
    }
    row = judged(values, "abc")
    block = np.array([[35.0, 33.0], [33.0, 32.5], [22.0, 19.5]])  # seeds 2 and 3
    rest = block - block.mean(1, keepdims=True) - block.mean(0) + block.mean()
    half = stats.t.isf(0.025, 2) * math.sqrt(2 * (rest**2).sum() / 2 / 3)
    value = (0.5 + 2.0 + 0.5) / 3
    assert (row.difference, row.low, row.high) == pytest.approx((value, value - half, value + half))
    assert (row.n, row.df) == (3, 2)


def test_seeds_without_anything_in_common_say_nothing() -> None:
    apart: Values = {"a": {0: 30.0, 1: 31.0}, "b": {2: 20.0, 3: 20.5}, "c": {0: 25.0, 1: 27.0, 2: 8.0, 3: 9.0}}
    row = judged(apart, "ab")
    assert (row.verdict, row.n) == ("undecided", 0)
    assert pd.isna([row.difference, row.low, row.p]).all()


@pytest.mark.parametrize(
    "values",
    [
        {"a": [90.0], "b": [1.0]},
        {"a": [90.0], "b": [1.0], "c": [50.0]},
        # The other rows would tell the scatter, but of this one nothing was seen twice.
        {"a": {0: 90.0}, "b": {0: 1.0, 1: 1.1, 2: 1.3}, "c": {0: 5.0, 1: 5.2, 2: 5.1}},
        {"a": {0: 90.0, 1: 90.2, 2: 90.1}, "b": {2: 1.0}, "c": {0: 5.0, 1: 5.2, 2: 5.1}},
        # Seeds in agreement to the last image
        {"a": [90.0, 90.0], "b": [10.0, 10.0]},
        {"a": [30.1, 30.3, 30.2], "b": [20.1, 20.3, 20.2], "c": [7.7, 7.9, 7.8]},
    ],
)
def test_without_a_scatter_nothing_is_decided(values: dict[str, Any]) -> None:
    shifted = {model: np.add(row, 10) if isinstance(row, list) else row for model, row in values.items()}
    shifted = {m: {s: v + 10 for s, v in row.items()} if isinstance(row, dict) else row for m, row in shifted.items()}
    for pair, pool in itertools.product((("a", "b"), ("b", "a")), (["a", "b"], ["b", "c"], ["a", "b", "c"])):
        row = one(judge(claims([pair], 0.15, primary=1), cells(shifted), ["table12"], pool))
        assert (row.verdict, row.overall, row.level) == ("undecided", "undecided", 1 - ALPHA)
        assert pd.isna([row.low, row.high, row.df, row.p, row.next_low, row.paired_low]).all()
        assert abs(row.difference) > 1


def test_the_papers_own_repeats_are_undecided() -> None:
    """Three cells of the paper that should be one, as a row's seeds, against the same in another order."""
    printed = [28.72, 28.94, 28.97]
    for other in itertools.permutations(printed):
        if other != tuple(printed):
            row = judged({"a": printed, "b": other}, ["a", "b"], 0.15)
            assert row.verdict.startswith("undecided") and row.low < 0 < row.high and row.difference == pytest.approx(0)


def random_column(rng: np.random.Generator, means: Sequence[float], seeds: int) -> pd.DataFrame:
    """Rows m0, m1, ... with these true values, an effect of each seed, and a scatter of one point."""
    noise = rng.normal(size=(len(means), seeds)) + 3 * rng.normal(size=seeds)
    return cells({f"m{i}": mean + row for i, (mean, row) in enumerate(zip(means, noise, strict=True))})


def test_intervals_hold_what_they_are_of_as_often_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """The true difference, and one further pair; with rows of the pool and without, and with trainings missing."""
    monkeypatch.setattr(comparisons, "ALPHA", 0.1)
    rng, hits, further, froms = np.random.default_rng(0), [], [], set()
    pairs = claims([("m0", "m1"), ("m5", "m2")], primary=2)
    for repeat in range(250):
        results = random_column(rng, [30, 29, 25, 20, 20, 33], 3 + repeat % 3)
        if repeat % 2:
            results = results.drop(index=[0, len(results) - 1]) if repeat % 3 else results.drop(index=4)
        table = judge(pairs, results, ["table12"], ["m0", "m1", "m2", "m3"])
        for row, true in zip(table.itertuples(), (1, 8), strict=True):
            if not pd.isna(row.low):
                hits.append(row.low < true < row.high)
                further.append(row.next_low < true + math.sqrt(2) * rng.normal() < row.next_high)
                froms.add(row.error_from)
    assert len(hits) > 430 and froms == {"pool", "pair"}
    for found in (hits, further):
        assert abs(np.mean(found) - 0.9) < 4 * math.sqrt(0.9 * 0.1 / 250)


def test_few_columns_without_a_difference_show_one() -> None:
    """At most alpha of them, with 14 secondary claims in each; uncorrected, several times as many would."""
    rng, repeats = np.random.default_rng(1), 400
    models = [f"m{i}" for i in range(8)]
    pairs = [*itertools.pairwise(models), *zip(models, models[2:], strict=False), ("m0", "m7")]
    assert len(pairs) == 14
    results = pd.concat([random_column(rng, [20] * 8, 3).assign(dataset=f"d{i}") for i in range(repeats)])
    every = [claims(pairs).assign(dataset=f"d{i}") for i in range(repeats)]
    table = judge(pd.concat(every, ignore_index=True), results, ["table12"], models)
    wrong = table.verdict.isin(["holds", "reversed"]).groupby(table.dataset).any()
    assert 0 < wrong.mean() < ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / repeats)
    assert (table.p < ALPHA).groupby(table.dataset).any().mean() > 4 * ALPHA


def test_true_differences_are_found() -> None:
    rng = np.random.default_rng(2)
    results = random_column(rng, [30, 20, 10, 10], 4)
    pairs = claims([("m0", "m1"), ("m2", "m1"), ("m2", "m3")])
    table = judge(pairs, results, ["table12"], ["m0", "m1", "m2", "m3"])
    assert list(table.verdict) == ["holds", "reversed", "undecided"]


def test_the_level_is_of_the_claims_that_are_listed() -> None:
    """Run or not; an interval excludes 0 where p is below 0.05 / m. Primary claims are not corrected, nor counted."""
    rng, pairs, rejected = np.random.default_rng(4), [("m0", f"m{i}") for i in range(1, 6)], []
    for _ in range(40):
        results = random_column(rng, rng.normal(20, 1.5, 6), 3)
        listed = claims([("m1", "m2"), *pairs, ("m0", "gone"), ("gone", "m1")], primary=1)
        table = judge(listed, results, ["table12"], ["m0", "m1", "m2", "m3"])
        assert list(table.level[:6]) == [1 - ALPHA, *[1 - ALPHA / 7] * 5]
        assert list(table.verdict[6:]) == ["not run", "not run"] and table.level[6:].isna().all()
        alphas = np.array([ALPHA, *[ALPHA / 7] * 5])
        decided = (table.p < np.append(alphas, [0, 0])).tolist()
        assert ((table.low > 0) | (table.high < 0)).tolist() == decided
        rejected += decided[:6]
    assert 0 < sum(rejected) < len(rejected)


NUMBERS = ["difference", "low", "high", "level", "p", "df", "paired_low", "both_high", "next_low", "verdict"]


def test_what_is_beside_a_pair_changes_nothing_of_it() -> None:
    """A further row, seed of another row or run claim; the claims listed, the pair's cells and the pool stay."""
    rng = np.random.default_rng(8)
    results = random_column(rng, [30, 28, 20, 24], 3)
    results["right"] = [rng.random(400) < value / 100 for value in results.value]
    pool = ["m0", "m1", "m2", "m3"]
    pairs = claims([("m0", "m1"), ("m0", "m2"), ("m5", "m1"), ("m5", "m6")], 1.0, primary=1)
    alone = judge(pairs, results, ["table12"], pool)
    assert list(alone.verdict[2:]) == ["not run", "not run"] and (alone.error_from[:2] == "pool").all()

    def more(model: str, seeds: Sequence[int]) -> pd.DataFrame:
        found = cells({model: {seed: 40 + 9 * rng.normal() for seed in seeds}})
        return found.assign(right=[rng.random(400) < 0.5 for _ in seeds])

    for extra in (
        more("m5", [0, 1, 2]),  # a further row, of which there is a claim
        more("m9", [0, 1, 2, 3]),  # and one of which there is none
        more("m3", [3]),  # a further seed of a row of the pool
        pd.concat([more("m5", [1, 2, 3]), more("m6", [0, 1, 2])]),
    ):
        table = judge(pairs, pd.concat([results, extra]), ["table12"], pool)
        pd.testing.assert_frame_equal(table.loc[:1, NUMBERS], alone.loc[:1, NUMBERS])
    # A claim outside the pool: the same
    outside = pd.concat([results, more("m5", [0, 1, 2])])
    before = judge(pairs, outside, ["table12"], pool).loc[2, NUMBERS]
    assert before.verdict != "not run"
    for extra in (more("m6", [0, 1]), more("m0", [7]), more("m2", [3, 4])):
        after = judge(pairs, pd.concat([outside, extra]), ["table12"], pool).loc[2, NUMBERS]
        pd.testing.assert_series_equal(after, before)


@pytest.mark.parametrize(
    ("interval", "further", "effect", "said"),
    [
        ((0.1, 2.0), (-1, 3), 1.5, "holds"),
        ((0.1, 2.0), (-1, 3), math.nan, "holds"),
        ((0.1, 0.9), (-1, 2), 2.1, "holds, smaller than printed"),
        ((0.1, 0.9), (-1, 2), 1.9, "holds"),
        ((2.1, 2.9), (1, 4), 0.9, "holds, larger than printed"),
        ((2.1, 2.9), (1, 4), 1.1, "holds"),
        ((-0.1, 0.9), (-1, 2), 2.1, "undecided, smaller than printed"),
        ((-0.1, 4.9), (1, 4), 0.5, "undecided, larger than printed"),
        ((-0.1, 1.0), (-1, 2), 1.0, "undecided"),
        ((-0.1, 0.9), (-1, 2), math.nan, "undecided"),
        ((0.0, 2.0), (-1, 3), 1.5, "undecided"),
        ((-2.0, 0.0), (-3, 1), math.nan, "undecided"),
        ((-2.0, -0.1), (-3, 1), 1.5, "reversed"),
        ((-2.0, -0.1), (-3, 1), math.nan, "reversed"),
        (None, None, 1.0, "undecided"),
    ],
)
def test_verdicts(interval: Any, further: Any, effect: float, said: str) -> None:
    assert verdict(interval, further, effect) == said


def test_a_size_beside_the_papers() -> None:
    """Two rows a point apart, give or take some hundredths."""
    values: Values = {"a": [31.0, 31.52, 32.01], "b": [30.0, 30.5, 31.03]}
    for effect, said in ((0.5, "holds, larger than printed"), (1.0, "holds"), (1.5, "holds, smaller than printed")):
        row = judged(values, ["a", "b"], effect)
        assert row.verdict == said
        assert (row.next_low > effect, row.next_high < effect) == ("larger" in said, "smaller" in said)


def supported(row: Any) -> str:
    """The verdict that a line's intervals allow, found another way than the code finds it."""
    if row.n == 0 and pd.isna(row.difference) and pd.isna(row.level):
        return "not run"
    words = [("holds", row.low > 0), ("reversed", row.high < 0), ("undecided", not (row.low > 0 or row.high < 0))]
    words += [("smaller than printed", row.next_high < row.paper_effect and not row.high < 0)]
    words += [("larger than printed", row.next_low > row.paper_effect)]
    return ", ".join(word for word, true in words if true)


def test_no_verdict_without_its_interval() -> None:
    """Over random columns: rows and seeds missing, scatters small and large, effects of the paper or none."""
    rng, models, said = np.random.default_rng(5), [f"m{i}" for i in range(5)], set()
    pairs = list(itertools.permutations(models, 2))
    for _ in range(100):
        scale, effect = rng.choice([0.02, 0.3, 3]), rng.choice([0.15, 2, math.nan])
        values = {
            model: {int(seed): mean + scale * rng.normal() for seed in rng.permutation(4)[: rng.integers(5)]}
            for model, mean in zip(models, rng.normal(30, 1, 5), strict=True)
        }
        results = cells({model: row for model, row in values.items() if row} or {"m0": [1.0]})
        chosen = [pairs[i] for i in rng.permutation(len(pairs))[:6]]
        for row in judge(claims(chosen, effect, primary=1), results, ["table12"], models[:3]).itertuples():
            assert row.verdict == supported(row)
            counts = [len(values[model]) for model in (row.better, row.worse)]
            assert (row.verdict == "not run") == (min(counts) == 0)
            if len(values[row.better].keys() & values[row.worse].keys()) < 2:
                assert row.verdict in ("undecided", "not run")
            if not pd.isna(row.low):
                assert row.low < row.difference < row.high and row.df > 0 and 1 - ALPHA <= row.level < 1
            said |= set(row.verdict.split(", "))
    assert said == {*ORDERS, *SIZES, "undecided", "not run"}


def test_a_claim_is_judged_under_every_head() -> None:
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
        table = judge(both, results, heads, ["a", "b"])
        assert list(table["head"]) == heads * 2
        assert list(table.verdict[table.primary]) == verdicts
        assert set(table.overall[table.primary]) == {said}
        turned = {"holds": "reversed", "reversed": "holds"}
        assert set(table.overall[~table.primary]) == {turned.get(said, said)}


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (["undecided", "holds"], "depends on the head"),
        (["holds", "holds, larger than printed"], "holds"),
        (["holds, larger than printed"] * 2, "holds, larger than printed"),
        (["holds, smaller than printed", "holds, larger than printed"], "holds"),
        (["undecided, smaller than printed", "reversed"], "depends on the head"),
        (["near chance", "holds"], "depends on the head"),
        (["near chance", "near chance"], "near chance"),
        (["not run", "reversed"], "not run"),
    ],
)
def test_heads_together(verdicts: list[str], said: str) -> None:
    assert overall(verdicts) == overall(verdicts[::-1]) == said


def test_near_chance_there_is_no_order() -> None:
    assert near_chance(4.99, 100) and not near_chance(5.0, 100) and near_chance(2.4, 205)
    assert not near_chance(11.0, 10)  # five times chance would be 50 %
    values: Values = {"a": [31.0, 31.5, 32.1], "b": [4.0, 4.9, 5.2]}
    row = judged(values, ["a", "b"], 1.0)
    assert (row.verdict, row.overall, row.n) == ("near chance", "near chance", 3)
    assert pd.isna([row.difference, row.low, row.p, row.paired_low, row.next_low, row.level]).all()
    assert judged({**values, "b": [5.0, 5.1, 5.2]}, ["a", "b"], 1.0).verdict == "holds, larger than printed"
    turned = judge(claims([("b", "a")]), cells(values), ["table12"], ["a", "b"])
    assert one(turned).verdict == "near chance"


def test_columns_do_not_mix() -> None:
    """Another head, regime or data set changes no interval."""
    rng, pool = np.random.default_rng(6), ["m0", "m1", "m2"]
    results = random_column(rng, [20, 21, 22], 3)
    other = [random_column(rng, [50, 10, 90], 3).assign(**{key: "other"}) for key in ("dataset", "regime", "head")]
    alone = judge(claims([("m0", "m1")]), results, ["table12"], pool)
    mixed = judge(claims([("m0", "m1")]), pd.concat([*other, results]), ["table12"], pool)
    pd.testing.assert_frame_equal(mixed, alone)
    assert alone.low.notna().all()


def over(ours: Mapping[int, Any], theirs: Mapping[int, Any]) -> Difference | None:
    """`over_images` of what two rows got right, by seed."""
    lines = [(model, *one) for model, row in (("a", ours), ("b", theirs)) for one in row.items()]
    return over_images(pd.DataFrame(lines, columns=["model", "seed", "right"]), "a", "b")


def test_over_images_by_hand() -> None:
    a0, b0 = np.array([1, 1, 0, 1], bool), np.array([0, 1, 0, 0], bool)
    a1, b1 = np.array([1, 0, 0, 1], bool), np.array([0, 0, 1, 1], bool)
    # Per image, in percent, over both seeds: 100, 0, -50, 50; their sample deviation over sqrt(4)
    error = math.sqrt((75**2 + 25**2 + 75**2 + 25**2) / 3) / 2
    found = over({0: a0, 1: a1, 7: a1}, {1: b1, 0: b0, 9: b0})
    assert found is not None
    assert (found.value, found.error, found.df) == pytest.approx((25, error, 3))
    half = stats.t.isf(0.025, 3) * error
    assert found.interval(0.95) == pytest.approx((25 - half, 25 + half))
    assert over({0: a0, 1: None}, {0: b0, 1: b1}) is None
    assert over({0: a0, 1: None}, {0: b0, 2: b1}) is not None
    assert over({0: a0}, {1: b1}) is None
    assert over({}, {}) is None


def test_both_variances_by_hand() -> None:
    """Satterthwaite: equal errors have the sum of their degrees of freedom, others fewer."""
    same = Difference(2.0, 4, 1.0, 3)
    found = over_both(same, same, 0.95)
    assert found is not None
    half = stats.t.isf(0.025, 6) * math.sqrt(0.25 + 0.25)
    assert found == (pytest.approx((2 - half, 2 + half)), pytest.approx(6))
    # 0.5^2 of 2 and 0.2^2 of 9999 degrees of freedom: 0.29^2 / (0.25^2 / 2 + 0.04^2 / 9999)
    found = over_both(Difference(1.0, 4, 1.0, 2), Difference(1.0, 10000, 20.0, 9999), 0.9)
    assert found is not None
    df = 0.29**2 / (0.0625 / 2 + 0.0016 / 9999)
    half = stats.t.isf(0.05, df) * math.sqrt(0.29)
    assert found == (pytest.approx((1 - half, 1 + half)), pytest.approx(df))
    # Images that all agree add nothing.
    found = over_both(same, Difference(2.0, 50, 0.0, 49), 0.95)
    assert found is not None and found[0] == pytest.approx(same.interval(0.95)) and found[1] == pytest.approx(3)
    assert over_both(Difference(2.0, 1), same, 0.95) is None


def test_over_images_and_over_seeds_stand_side_by_side() -> None:
    rng = np.random.default_rng(7)
    right = {model: [rng.random(500) < p for _ in range(3)] for model, p in (("a", 0.4), ("b", 0.3))}
    results = cells({model: [100 * r.mean() for r in rows] for model, rows in right.items()})
    pictured = results.assign(right=[*right["a"], *right["b"]])
    row = one(judge(claims([("a", "b")]), pictured, ["table12"], ["a", "b"]))
    middles = [(row[f"{kind}low"] + row[f"{kind}high"]) / 2 for kind in ("", "paired_", "image_", "both_", "next_")]
    assert middles == pytest.approx([row.difference] * 5)
    images = over_images(pictured, "a", "b")
    assert images is not None and (row.image_low, row.image_high) == pytest.approx(images.interval(row.level))
    seeds = of_pool(by_seed(results), ["a", "b"])
    assert seeds is not None and seeds.scatter is not None
    both = over_both(Difference(row.difference, 3, seeds.scatter, seeds.df), images, row.level)
    assert both is not None and ((row.both_low, row.both_high), row.both_df) == (pytest.approx(both[0]), both[1])
    assert row.both_high > max(row.image_high, row.difference) and row.both_df > 2
    # No verdict rests on it: one seed is undecided whatever the images say.
    row = one(judge(claims([("a", "b")]), pictured.query("seed == 0"), ["table12"], ["a", "b"]))
    assert row.verdict == "undecided" and row.image_low > 0 and pd.isna([row.low, row.both_low]).all()
    row = one(judge(claims([("a", "b")]), results, ["table12"], ["a", "b"]))
    assert pd.isna([row.image_low, row.both_low]).all() and row.low > 0
