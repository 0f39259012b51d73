"""PatchVAE's pieces against closed forms, torch.distributions and invariances."""

import math

import pytest
import torch
from torch.distributions import RelaxedBernoulli

from patchvae.models.patchvae import (
    PatchVAE,
    patch_code,
    pool_appearance,
    sample_occurrence,
    temperature_at,
)
from patchvae.params.model_kinds import PatchVAENetwork, Temperature

TEMPERATURE = {"start": 1.0, "rate": 3e-5, "floor": 0.1}


def patchvae(**changes):
    config = {
        "name": "patchvae",
        "backbone": "resnet9",
        "num_parts": 4,
        "part_dim": 2,
        "occurrence_prior": "1/N",
        "occurrence_kl": "sum",
        "hard_occurrence": False,
        "detach_occurrence": True,
        "beta_app": 1.0,
        "beta_occ": 1.0,
        "temperature": {"start": 1.0, "rate": 1e-3, "floor": 0.1, "schedule": "exponential", "interval": 1},
        "init": "kaiming",
    }
    return PatchVAE(PatchVAENetwork.model_validate({**config, **changes}), 32)


def test_pooling_is_a_weighted_mean_of_means_and_of_variances():
    logits = torch.tensor([0.0, math.log(3)]).view(1, 1, 1, 2)  # p = 1/2, 3/4: weights 2/5, 3/5
    mean = torch.tensor([1.0, 2.0]).view(1, 1, 1, 1, 2)
    log_variance = torch.tensor([4.0, 9.0]).log().view(1, 1, 1, 1, 2)
    pooled_mean, pooled_variance = pool_appearance(logits, mean, log_variance)
    assert pooled_mean.shape == pooled_variance.shape == (1, 1, 1)
    assert pooled_mean.item() == pytest.approx(0.4 * 1 + 0.6 * 2, rel=1e-5)
    assert pooled_variance.item() == pytest.approx(0.4 * 4 + 0.6 * 9, rel=1e-5)


def test_pooling_keeps_float32_under_autocast():
    logits, mean, log_variance = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 5, 4, 4), torch.randn(2, 3, 5, 4, 4)
    expected = pool_appearance(logits, mean, log_variance)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = pool_appearance(logits, mean, log_variance)
    torch.testing.assert_close(pooled[0], expected[0])
    torch.testing.assert_close(pooled[1], expected[1])


def test_pooling_sends_no_gradient_into_the_occurrence_unless_asked():
    for detach in (True, False):
        logits = torch.randn(2, 3, 4, 4, requires_grad=True)
        mean = torch.randn(2, 3, 5, 4, 4, requires_grad=True)
        pooled, _ = pool_appearance(logits, mean, torch.zeros_like(mean), detach)
        pooled.square().sum().backward()
        assert mean.grad is not None and mean.grad.abs().sum() > 0
        assert (logits.grad is None) == detach


def test_pooling_of_an_absent_part_is_finite():
    logits = torch.full((1, 1, 2, 2), -1e4)
    mean, variance = pool_appearance(logits, torch.randn(1, 1, 3, 2, 2), torch.full((1, 1, 3, 2, 2), 200.0))
    assert mean.isfinite().all() and variance.isfinite().all() and (variance > 0).all()


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_relaxed_samples_follow_torch_distributions(temperature):
    torch.manual_seed(0)
    logits = torch.tensor([-2.0, 0.0, 1.5])
    ours = sample_occurrence(logits.expand(200_000, 3), temperature)
    theirs = RelaxedBernoulli(torch.tensor(temperature), logits=logits).sample((200_000,))
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        a, b = ours.quantile(quantile, dim=0), theirs.quantile(quantile, dim=0)
        torch.testing.assert_close(a, b, atol=0.01, rtol=0)
    # P(z > 1/2) is p at every temperature
    torch.testing.assert_close((ours > 0.5).float().mean(0), torch.sigmoid(logits), atol=0.005, rtol=0)


def gradient_of_occurrence(logits, temperature, hard):
    """The drawn occurrences, all with the same noise, and the gradient of their sum."""
    torch.manual_seed(0)
    logits = logits.clone().requires_grad_()
    drawn = sample_occurrence(logits, temperature, hard)
    drawn.sum().backward()
    return drawn.detach(), logits.grad


def test_hard_occurrences_are_thresholded_logits_with_the_gradient_of_the_relaxed_draw():
    logits = torch.randn(2, 3, 4, 4)
    _, relaxed = gradient_of_occurrence(logits, 0.5, hard=False)
    drawn, gradient = gradient_of_occurrence(logits, 0.5, hard=True)
    assert (relaxed > 0).all() and torch.equal(gradient, relaxed)
    assert torch.equal(drawn, (logits > 0).float())


def mean_gradient(logit, temperature):
    """Of the relaxed Bernoulli, over its noise: the density at -logit of L + T L' with two logistic variables L, L'."""
    x, density = abs(logit), math.exp(-abs(logit)) / (1 + math.exp(-abs(logit))) ** 2
    if temperature == 1:
        return math.exp(x) * ((x - 2) * math.exp(x) + x + 2) / math.expm1(x) ** 3
    # T L' has variance (pi T)^2 / 3: to second order in T
    return density * (1 + (math.pi * temperature) ** 2 / 6 * (1 - 6 * density))


@pytest.mark.parametrize(("logit", "temperature"), [(-2.7, 0.1), (1.0, 0.1), (-2.7, 1.0), (1.0, 1.0)])
@pytest.mark.parametrize("hard", [False, True])
def test_the_mean_gradient_of_an_occurrence_does_not_vanish_at_low_temperatures(logit, temperature, hard):
    _, gradient = gradient_of_occurrence(torch.full((1_000_000,), logit), temperature, hard)
    assert gradient.mean().item() == pytest.approx(mean_gradient(logit, temperature), abs=0.002)


def test_patch_code_copies_the_appearance_where_the_part_occurs():
    occurrence = torch.zeros(1, 2, 2, 2)
    occurrence[0, 1, 0, 1] = 1
    appearance = torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
    code = patch_code(occurrence, appearance)
    assert code.shape == (1, 6, 2, 2)
    assert code[0, :, 0, 1].tolist() == [0, 0, 0, 4, 5, 6]
    assert code.sum() == 15


def test_prior_defaults_to_one_over_n():
    assert patchvae(num_parts=32).prior == 1 / 32
    assert patchvae(occurrence_prior=0.05).prior == 0.05


def test_betas_weight_their_own_terms():
    images = torch.randn(2, 3, 32, 32)
    base, scaled = patchvae(), patchvae(beta_app=2.0, beta_occ=10.0)
    scaled.load_state_dict(base.state_dict())
    outputs = []
    for model in (base, scaled):
        torch.manual_seed(1)
        outputs.append(model.eval()(images, 1.0))
    torch.testing.assert_close(outputs[1].kl["kl_app"], 2 * outputs[0].kl["kl_app"])
    torch.testing.assert_close(outputs[1].kl["kl_occ"], 10 * outputs[0].kl["kl_occ"])
    assert outputs[0].reconstruction.shape == images.shape


def test_one_appearance_per_part_and_image():
    posterior = patchvae().encoder(torch.randn(3, 3, 64, 64))
    assert posterior.occurrence_logits.shape == (3, 4, 8, 8)
    assert posterior.mean.shape == posterior.variance.shape == (3, 4, 2)


def test_temperature_schedules():
    exponential = Temperature(**TEMPERATURE, schedule="exponential", interval=1)
    compounding = Temperature(**TEMPERATURE, schedule="compounding", interval=1000)
    assert temperature_at(0, exponential) == 1
    assert temperature_at(10_000, exponential) == pytest.approx(math.exp(-0.3))
    assert temperature_at(76_753, exponential) == 0.1
    # paper.md E10: 0.64 and 0.19 at the authors' steps 5001 and 10001, the floor at 12001
    # They set them behind the step, and ours count from 0: the next step is the first that has them.
    assert temperature_at(5_001, compounding) == pytest.approx(0.64, abs=0.005)
    assert temperature_at(10_001, compounding) == pytest.approx(0.19, abs=0.005)
    assert temperature_at(12_000, compounding) > 0.1 and temperature_at(12_001, compounding) == 0.1
    temperature = 1.0
    for step in range(1, 7_002):
        assert temperature_at(step - 1, compounding) == pytest.approx(temperature, rel=1e-12)
        if step % 1000 == 1:
            temperature = max(temperature * math.exp(-3e-5 * step), 0.1)
