"""Ridge regression with leave-one-out: against fits that really leave each image out, and scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn import linear_model

from patchvae.evaluation.leave_one_out import LeaveOneOut

CLASSES = 3


def made_up(count, size, seed=0):
    """Correlated float32 features (count, size) that are not centred, one of them constant, and labels (count,)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % CLASSES
    features = torch.randn(count, size, generator=generator) @ torch.randn(size, size, generator=generator) + 5
    features += torch.randn(CLASSES, size, generator=generator)[labels]
    features[:, 0] = 2
    return features, labels


def theirs(features, labels, alpha):
    """scikit-learn's regression with an intercept, and penalty alpha whatever the number of images."""
    targets = np.eye(CLASSES)[labels.numpy()]
    return linear_model.Ridge(alpha=alpha, solver="svd").fit(features.double().numpy(), targets)


@pytest.mark.parametrize("penalty", [1e-6, 1e-2, 1.0, 1e4])
@pytest.mark.parametrize(("count", "size"), [(12, 30), (12, 12), (40, 12)])
def test_left_out_images_are_left_out(count, size, penalty):
    features, labels = made_up(count, size)
    fit, others = LeaveOneOut(features, labels, CLASSES), torch.arange(count)
    expected = [
        theirs(features[others != row], labels[others != row], count * penalty).predict(features[[row]].double())[0]
        for row in range(count)
    ]
    assert fit.dual == (count <= size)
    assert fit.left_out(penalty).numpy() == pytest.approx(np.array(expected), abs=1e-6, rel=1e-5)
    top1 = 100 * (np.argmax(expected, 1) == labels.numpy()).mean()
    assert fit.left_out_top1([penalty]) == {penalty: pytest.approx(top1)}


@pytest.mark.parametrize(("count", "size"), [(20, 40), (60, 12)])
def test_the_fit_is_scikit_learns(count, size):
    features, labels = made_up(count, size)
    test, _ = made_up(30, size, seed=1)
    model = theirs(features, labels, count * 0.1)
    fit = LeaveOneOut(features, labels, CLASSES)
    assert fit.weights(0.1).numpy() == pytest.approx(model.coef_.T, abs=1e-8)
    assert fit.guesses(test, 0.1).tolist() == model.predict(test.double().numpy()).argmax(1).tolist()


@pytest.mark.parametrize("penalty", [1e-3, 10.0])
def test_both_forms_agree(penalty):
    """Zeros beside the features change no fit, and make them more than the images."""
    features, labels = made_up(40, 12)
    primal = LeaveOneOut(features, labels, CLASSES)
    dual = LeaveOneOut(torch.nn.functional.pad(features, (0, 40)), labels, CLASSES)
    assert dual.dual and not primal.dual
    torch.testing.assert_close(dual.left_out(penalty), primal.left_out(penalty), rtol=0, atol=1e-10)
    torch.testing.assert_close(dual.weights(penalty)[:12], primal.weights(penalty), rtol=0, atol=1e-10)


def test_an_image_that_is_alone_in_its_class_is_missed():
    features, labels = made_up(CLASSES, 12)
    fit = LeaveOneOut(features, labels, CLASSES)
    assert set(fit.left_out_top1([1e-4, 1.0, 1e4]).values()) == {0}
    assert fit.guesses(features, 1e-4).tolist() == labels.tolist()
