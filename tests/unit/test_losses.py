"""Loss terms against closed forms and torch.distributions."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, Normal, kl_divergence

from patchvae.losses import bernoulli_kl, fake_loss, gaussian_kl, real_loss, squared_error


def test_gaussian_kl_is_zero_at_the_prior_and_equals_torch():
    assert gaussian_kl(torch.zeros(3, 5), torch.ones(3, 5)).item() == 0
    mean, variance = torch.randn(4, 6, 2), torch.rand(4, 6, 2) + 0.1
    expected = kl_divergence(Normal(mean, variance.sqrt()), Normal(0.0, 1.0)).sum() / 4
    torch.testing.assert_close(gaussian_kl(mean, variance), expected)


def test_bernoulli_kl_by_hand():
    # p = 1/2 against 1/16: 0.7254 nat a cell, 185.7 for 256 cells x parts (paper.md a.5)
    logits = torch.zeros(2, 16, 4, 4)
    by_hand = 0.5 * math.log(0.5 * 16) + 0.5 * math.log(0.5 / (15 / 16))
    assert by_hand == pytest.approx(0.7254, abs=5e-5)
    assert bernoulli_kl(logits, 1 / 16).item() == pytest.approx(256 * by_hand, rel=1e-6)
    assert bernoulli_kl(logits, 1 / 16, "mean").item() == pytest.approx(by_hand, rel=1e-6)


def test_bernoulli_kl_equals_torch_and_stays_finite():
    logits = torch.randn(5, 3, 2, 2, dtype=torch.float64)
    expected = (
        kl_divergence(Bernoulli(logits=logits), Bernoulli(probs=torch.tensor(0.1, dtype=torch.float64))).sum() / 5
    )
    torch.testing.assert_close(bernoulli_kl(logits, 0.1), expected)
    extreme = torch.tensor([[-200.0, 200.0]], requires_grad=True)
    bernoulli_kl(extreme, 0.1).backward()
    assert extreme.grad is not None and extreme.grad.isfinite().all()
    assert bernoulli_kl(extreme, 0.1).item() == pytest.approx(math.log(1 / 0.9) + math.log(1 / 0.1), rel=1e-5)


def test_squared_error_sums_over_pixels_and_averages_over_the_batch():
    images, reconstruction = torch.randn(3, 3, 16, 16), torch.randn(3, 3, 16, 16)
    expected = sum(float(((x - y) ** 2).sum()) for x, y in zip(images, reconstruction, strict=True)) / 3
    assert squared_error(images, reconstruction).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("channels", [1, 3])
def test_weights_act_as_an_upsampled_mask(channels):
    images, reconstruction = torch.randn(3, 3, 16, 16), torch.randn(3, 3, 16, 16)
    weights = torch.rand(3, channels, 2, 2)
    mask = weights.repeat_interleave(8, 2).repeat_interleave(8, 3)
    expected = (mask * (images - reconstruction) ** 2).sum() / 3
    torch.testing.assert_close(squared_error(images, reconstruction, weights), expected)
    ones = torch.ones_like(weights)
    torch.testing.assert_close(squared_error(images, reconstruction, ones), squared_error(images, reconstruction))


def test_adversarial_losses_are_binary_cross_entropies():
    logits = torch.randn(7)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    torch.testing.assert_close(real_loss(logits), bce(logits, torch.ones(7)))
    torch.testing.assert_close(fake_loss(logits), bce(logits, torch.zeros(7)))
