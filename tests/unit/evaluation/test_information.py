"""Mutual information: closed forms, independence, and the bias that permuted labels take off."""

import math

import numpy as np
import pytest

from patchvae.evaluation.information import equal_count_bins, information, mutual_information


def orders(count, permutations=50):
    generator = np.random.default_rng(0)
    return np.stack([generator.permutation(count) for _ in range(permutations)])


def test_information_in_closed_form():
    labels = np.repeat(np.arange(8), 25)
    assert mutual_information(labels, labels) == pytest.approx(3)  # log2 8
    assert mutual_information(labels // 2, labels) == pytest.approx(2)
    assert mutual_information(np.tile(np.arange(5), 40), labels) == pytest.approx(0, abs=1e-12)
    # Two bins, right in three of four: 1 - H(1/4)
    binary, noisy = np.repeat([0, 1], 40), np.repeat([0, 1, 0, 1], [30, 10, 10, 30])
    expected = 1 + 0.25 * math.log2(0.25) + 0.75 * math.log2(0.75)
    assert mutual_information(binary, noisy) == pytest.approx(expected)


def test_bins_of_equal_count():
    values = np.random.default_rng(1).permutation(1000)[:, None].astype(float)
    bins = equal_count_bins(values, 10)[:, 0]
    assert np.bincount(bins).tolist() == [100] * 10
    assert (bins[np.argsort(values[:, 0])] == np.repeat(np.arange(10), 100)).all()
    # An increasing function changes nothing.
    assert (equal_count_bins(np.exp(values / 100), 10)[:, 0] == bins).all()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_ties_share_a_bin_and_other_values_do_not(share):
    values = (np.arange(1000) < 1000 * share).astype(float)[:, None]
    bins = equal_count_bins(values, 10)[:, 0]
    assert len(set(bins[values[:, 0] == 1])) == len(set(bins[values[:, 0] == 0])) == 1
    assert len(set(bins)) == 2
    assert len(set(equal_count_bins(np.full((50, 1), 0.3), 10)[:, 0])) == 1


def test_independent_occurrence_says_nothing_and_a_determined_one_all():
    """Without the permutations, independent columns would seem to say (10 - 1)(8 - 1) / (2 n ln 2) bits."""
    count = 2000
    labels = np.repeat(np.arange(8), count // 8)
    independent = np.random.default_rng(2).random(count)
    told = information(equal_count_bins(np.stack([independent, labels], axis=1), 10), labels, orders(count))
    first, second, both = told.record([0]), told.record([1]), told.record([0, 1])
    assert first["chance"] == pytest.approx(9 * 7 / (2 * count * math.log(2)), rel=0.1)
    assert abs(first["bits"]) < 4 * first["error"] < 0.02
    assert second["bits"] + second["chance"] == pytest.approx(3)
    assert both["bits"] == pytest.approx((first["bits"] + second["bits"]) / 2)
    assert told.permuted.std(axis=0, ddof=1)[0] == pytest.approx(first["error"])


def test_the_error_covers_the_bits_of_meaningless_columns():
    generator = np.random.default_rng(3)
    count = 1000
    labels = generator.integers(5, size=count)
    told = information(equal_count_bins(generator.random((count, 40)), 8), labels, orders(count, 40))
    scores = [told.record([column])["bits"] / told.record([column])["error"] for column in range(40)]
    assert abs(np.mean(scores)) < 0.5 and 0.6 < np.std(scores) < 1.5
