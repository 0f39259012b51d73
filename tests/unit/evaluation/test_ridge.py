"""Ridge regression in closed form: agreement with scikit-learn, the sums behind it, the choice of lambda."""

import itertools
import math

import numpy as np
import pytest
import torch
from sklearn import linear_model

from patchvae.evaluation.ridge import EXTENSIONS, Ridge, accuracies, choose, moments

CLASSES = 4


def drawn(count, size=12, seed=0, separation=1.0):
    """Correlated float32 features (count, size) of several sizes and offsets as float64, and labels (count,)."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(size, size, generator=torch.Generator().manual_seed(99))
    centres = torch.randn(CLASSES, size, generator=torch.Generator().manual_seed(98))
    labels = torch.randint(CLASSES, (count,), generator=generator)
    features = torch.randn(count, size, generator=generator) + separation * centres[labels]
    features = features @ mixing * torch.logspace(-2, 2, size) + torch.linspace(-50, 50, size)
    return features.float().double(), labels


def batched(features, labels, size=50):
    return list(zip(features.split(size), labels.split(size), strict=True))


@pytest.mark.parametrize("penalty", [1e-6, 1e-3, 1.0, 100.0])
def test_agreement_with_scikit_learn(penalty):
    features, labels = drawn(300)
    ridge = Ridge(moments(batched(features, labels), CLASSES))
    x = features.numpy()
    standardised = (x - x.mean(0)) / x.std(0)
    theirs = linear_model.Ridge(alpha=300 * penalty, fit_intercept=True)
    theirs.fit(standardised, np.eye(CLASSES)[labels.numpy()])
    weights = ridge.weights(penalty)
    assert ridge.standardise(features).numpy() == pytest.approx(standardised, abs=1e-9)
    assert weights.numpy() == pytest.approx(theirs.coef_.T, abs=1e-6)
    assert ridge.prior.numpy() == pytest.approx(theirs.intercept_, abs=1e-6)
    assert ridge.scores(features, weights).numpy() == pytest.approx(theirs.predict(standardised), abs=1e-6)


def test_more_features_than_images():
    features, labels = drawn(30, size=80)
    ridge = Ridge(moments(batched(features, labels), CLASSES))
    x = ridge.standardise(features).numpy()
    theirs = linear_model.Ridge(alpha=30 * 1e-4, solver="svd").fit(x, np.eye(CLASSES)[labels.numpy()])
    assert ridge.weights(1e-4).numpy() == pytest.approx(theirs.coef_.T, abs=1e-6)


def test_batches_and_parts_give_the_sums_of_all():
    features, labels = drawn(230)
    direct = features - features.mean(0)
    covariance = direct.T @ direct / 230
    sums = moments(batched(features[:130], labels[:130], 7), CLASSES)
    pivot = sums.pivot.clone()
    sums += moments(batched(features[130:], labels[130:], 33), CLASSES, sums.pivot)
    assert torch.equal(sums.pivot, pivot) and sums.counts.tolist() == torch.bincount(labels).tolist()
    shift = features.mean(0) - pivot
    torch.testing.assert_close(sums.gram / 230 - torch.outer(shift, shift), covariance, rtol=1e-9, atol=1e-9)
    whole = Ridge(moments(batched(features, labels, 230), CLASSES))
    parts = Ridge(sums)
    torch.testing.assert_close(parts.mean, features.mean(0), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(parts.values, whole.values, rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(parts.weights(0.01), whole.weights(0.01), rtol=1e-9, atol=1e-9)
    # the trace of a correlation matrix: the mean eigenvalue is 1, the unit of lambda
    assert float(whole.values.mean()) == pytest.approx(1)


def test_a_small_deviation_far_from_zero_is_not_lost():
    """Sums of squares around 1e8 times the variance: without a pivot half of the digits would go."""
    features = (1e3 + 0.1 * torch.randn(5000, 3, generator=torch.Generator().manual_seed(1))).float().double()
    ridge = Ridge(moments(batched(features, torch.arange(5000) % CLASSES), CLASSES))
    expected = 1 / features.numpy().std(0)
    assert ridge.scale.numpy() == pytest.approx(expected, rel=1e-11)


def test_constant_features_become_zero():
    features, labels = drawn(120)
    noise = 1 + 1e-7 * torch.randn(120, generator=torch.Generator().manual_seed(2))  # no more than rounding
    still = torch.stack([torch.zeros(120), torch.full((120,), 0.1), noise.float()], dim=1).double()
    ridge = Ridge(moments(batched(torch.cat([features, still], dim=1), labels), CLASSES))
    plain = Ridge(moments(batched(features, labels), CLASSES))
    assert (ridge.scale == 0).tolist() == [False] * 12 + [True] * 3
    weights = ridge.weights(1e-8)
    assert weights.isfinite().all() and not weights[12:].any()
    # even where one of them is another value on new images
    scores = ridge.scores(torch.cat([features, still + 5], dim=1), weights)
    torch.testing.assert_close(scores, plain.scores(features, plain.weights(1e-8)), rtol=1e-6, atol=1e-6)


def test_only_constant_features_give_the_shares_of_the_classes():
    labels = torch.tensor([0, 1, 1, 1, 2, 3])
    ridge = Ridge(moments(batched(torch.full((6, 2), 0.3).double(), labels), CLASSES))
    scores = ridge.scores(torch.full((1, 2), 0.3).double(), ridge.weights(0.1))
    assert scores[0].tolist() == pytest.approx([1 / 6, 3 / 6, 1 / 6, 1 / 6])


def test_separable_classes_are_told_apart():
    train, test = drawn(400, separation=20), drawn(200, seed=1, separation=20)
    ridge = Ridge(moments(batched(*train), CLASSES))
    assert ridge.right(batched(*test), ridge.weights(1e-4)).all()
    assert accuracies(ridge, batched(*test), [1e-4, 1e-2]) == {1e-4: 100, 1e-2: 100}


def test_shuffled_labels_are_guessed():
    features, labels = drawn(4000, separation=20)
    shuffled = labels[torch.randperm(4000, generator=torch.Generator().manual_seed(3))]
    ridge = Ridge(moments(batched(features[:2000], shuffled[:2000]), CLASSES))
    top1 = accuracies(ridge, batched(features[2000:], shuffled[2000:]), [1e-2])[1e-2]
    assert top1 == pytest.approx(25, abs=4 * 100 * math.sqrt(0.25 * 0.75 / 2000))


def test_right_among_the_best():
    features, labels = drawn(100, separation=0.3)
    ridge = Ridge(moments(batched(features, labels), CLASSES))
    weights = ridge.weights(0.1)
    right = ridge.right(batched(features, labels, 30), weights, 3)
    order = ridge.scores(features, weights).argsort(1, descending=True)
    assert right.shape == (100, 3) and torch.equal(right, order[:, :3] == labels[:, None])
    assert torch.equal(ridge.right(batched(features, labels), weights), right[:, :1])


def peak(accuracy):
    """A function of accuracies by the exponent of lambda in place of a measuring one, and the list of its calls."""
    calls = []

    def measure(penalties):
        calls.append([round(math.log10(penalty), 6) for penalty in penalties])
        return {penalty: accuracy(math.log10(penalty)) for penalty in penalties}

    return measure, calls


@pytest.mark.parametrize(
    ("best", "calls"),
    [
        (-1.0, [[-2, -1, 0]]),
        (-5.0, [[-2, -1, 0], [-3], [-4], [-5], [-6]]),
        (2.0, [[-2, -1, 0], [1], [2], [3]]),
    ],
)
def test_the_range_grows_until_the_best_is_inside(best, calls):
    measure, made = peak(lambda exponent: -abs(exponent - best))
    choice = choose(measure, [1, 0.01, 0.1])
    assert made == calls and not choice.at_edge
    assert choice.penalty == pytest.approx(10**best)
    assert sorted(round(math.log10(penalty)) for penalty in choice.tried) == sorted(itertools.chain(*calls))


def test_the_range_grows_by_the_ratio_at_its_end():
    measure, made = peak(lambda exponent: exponent)
    choose(measure, [1e-4, 1e-2, 1e-1])
    assert made[1:3] == [[0], [1]]
    measure, made = peak(lambda exponent: -exponent)
    choose(measure, [1e-4, 1e-2, 1e-1])
    assert made[1:3] == [[-6], [-8]]


def test_an_end_without_end_is_told():
    measure, made = peak(lambda exponent: exponent)
    choice = choose(measure, [0.1, 1])
    assert choice.at_edge and choice.penalty == pytest.approx(10**EXTENSIONS) and len(made) == 1 + EXTENSIONS


def test_of_equal_accuracies_the_larger_lambda_is_taken():
    measure, made = peak(lambda exponent: min(-exponent, 2))
    choice = choose(measure, [0.1, 1])
    assert choice.penalty == pytest.approx(0.01) and made == [[-1, 0], [-2], [-3]]


def test_a_range_far_off_is_left():
    """Measured and not made up: features that need a weak penalty, from a range that lets through nothing."""
    (train, labels), held = drawn(400, separation=3), batched(*drawn(400, seed=5, separation=3))
    ridge = Ridge(moments(batched(train, labels), CLASSES))
    choice = choose(lambda penalties: accuracies(ridge, held, penalties), [10.0, 100.0])
    assert choice.penalty < 10 and not choice.at_edge
    assert choice.tried[choice.penalty] == max(choice.tried.values())
    assert choice.tried == {penalty: accuracies(ridge, held, [penalty])[penalty] for penalty in choice.tried}
