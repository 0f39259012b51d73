"""Reconstructions: hand values of PSNR and SSIM, what is drawn and what is not, bad inputs."""

import math

import numpy as np
import pytest
import torch
from helpers import untrained

from patchvae.data.packed import load_split
from patchvae.data.tensors import BATCH, batches
from patchvae.errors import PatchVAEError
from patchvae.evaluation.reconstruction import decode, reconstructions, similarity
from patchvae.files import file_digest
from patchvae.hardware import Place
from patchvae.jobs.computing import compute
from patchvae.jobs.run import Run
from patchvae.models.patchvae import patch_code
from patchvae.models.scaling import IMAGENET_STD, Scaling
from patchvae.pretrained import load_model
from patchvae.records.checkpoint import load, pretraining_record
from patchvae.records.metrics_files import read_metrics

CPU = torch.device("cpu")


def measured(config, data, path, out):
    compute("reconstruct", config, data, out / "metrics.json", "cpu", 1, checkpoint=path)
    return read_metrics(out / "metrics.json")


@pytest.mark.parametrize("name", ["symmetric", "imagenet"])
def test_to_unit_undoes_the_scaling(name):
    pixels = torch.randint(0, 256, (2, 8, 8, 3), dtype=torch.uint8)
    scaling = Scaling(name, CPU)
    torch.testing.assert_close(scaling.to_unit(scaling(pixels)), pixels.permute(0, 3, 1, 2) / 255, rtol=0, atol=1e-6)


def test_psnr_of_a_constant_difference():
    images = torch.full((2, 3, 16, 16), 0.25)
    copies = images + torch.tensor([0.1, 0.5]).view(2, 1, 1, 1)
    result = similarity(images, copies)
    assert result["psnr"].tolist() == pytest.approx([20.0, 10 * math.log10(4)], rel=1e-6)
    # Normalised, the error of a channel is divided by its deviation.
    factor = np.mean([1 / std**2 for std in IMAGENET_STD])
    expected = [-10 * math.log10(0.01 * factor), -10 * math.log10(0.25 * factor)]
    assert result["psnr_normalised"].tolist() == pytest.approx(expected, rel=1e-6)


def test_ssim_of_flat_images_is_its_luminance_term():
    images, copies = torch.full((1, 3, 16, 16), 0.25), torch.full((1, 3, 16, 16), 0.75)
    c1 = 0.01**2
    expected = (2 * 0.25 * 0.75 + c1) / (0.25**2 + 0.75**2 + c1)
    # in float32, SSIM's small variances are differences of rounded squares
    assert float(similarity(images, copies)["ssim"]) == pytest.approx(expected, rel=1e-3)
    assert float(similarity(images.double(), copies.double())["ssim"]) == pytest.approx(expected, rel=1e-9)
    noise = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(similarity(noise, noise)["ssim"], torch.ones(2))


def test_ssim_of_the_11_pixel_gaussian():
    """One pixel in the middle, seen through an explicit window of deviation 1.5 cut at 5 pixels."""
    image, copy = torch.zeros(1, 3, 33, 33), torch.zeros(1, 3, 33, 33)
    image[..., 16, 16], copy[..., 16, 16] = 1.0, 0.5
    line = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(line, line) / line.sum() ** 2
    mean, mean_copy = window, 0.5 * window
    variance, variance_copy, covariance = (
        window - mean**2,
        0.25 * window - mean_copy**2,
        0.5 * window - mean * mean_copy,
    )
    c1, c2 = 0.01**2, 0.03**2
    ssim = (2 * mean * mean_copy + c1) * (2 * covariance + c2)
    ssim /= (mean**2 + mean_copy**2 + c1) * (variance + variance_copy + c2)
    expected = 1 + (ssim - 1).sum() / 33**2
    assert float(similarity(image.double(), copy.double())["ssim"]) == pytest.approx(expected, rel=1e-9)


def test_images_come_in_order_and_in_batches():
    images = np.arange(BATCH + 3, dtype=np.uint8)[:, None, None, None].repeat(3, axis=3)
    parts = list(batches(images, CPU))
    assert [len(part) for part in parts] == [BATCH, 3]
    assert np.array_equal(np.concatenate(parts), images)


def test_codes_without_sampling(pretrain_config):
    torch.manual_seed(1)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        model = untrained(pretrain_config("beta-vae")).eval()
        assert torch.equal(decode(model, images, 1.0, False), model.decoder(model.encoder(images)[0]))
        model = untrained(pretrain_config("patchvae")).eval()
        logits, mean, _ = model.encoder(images)
        expected = model.decoder(patch_code(torch.sigmoid(logits), mean))
        assert torch.equal(decode(model, images, 1.0, False), expected)
        model.hard_occurrence = True
        expected = model.decoder(patch_code((logits > 0).float(), mean))
        torch.testing.assert_close(decode(model, images, 1.0, False), expected)


@pytest.mark.parametrize("variant", ["beta-vae", "patchvae"])
def test_sampling_is_that_of_training(variant, pretrain_config):
    model = untrained(pretrain_config(variant)).eval()
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.manual_seed(7)
        expected = model(images, 0.5).reconstruction
        torch.manual_seed(7)
        assert torch.equal(decode(model, images, 0.5, True), expected)
        assert not torch.equal(decode(model, images, 0.5, True), expected)
        assert torch.equal(decode(model, images, 0.5, False), decode(model, images, 0.5, False))


@pytest.mark.parametrize("scaling", ["symmetric", "imagenet"])
@pytest.mark.parametrize("variant", ["beta-vae", "patchvae"])
def test_metrics_are_means_over_all_test_images(
    variant, scaling, config, pretrain_config, scenes, save_model, tmp_path
):
    settings = config(variant, input_scaling=scaling)
    path = save_model(pretrain_config(variant, input_scaling=scaling))
    record = measured(settings, scenes, path, tmp_path)
    assert (record["rule"], record["variant"], record["split"], record["count"]) == ("reconstruct", variant, "test", 60)
    assert record["pretraining"] == pretraining_record(load(path) | {"sha256": file_digest(path)})
    assert (record["config"]["stand_in"], record["pretraining"]["stand_in"]) == (True, False)
    pixels = load_split(scenes, "test").images
    model, _ = load_model(path, settings, ("beta-vae", "patchvae"))
    pairs = reconstructions(settings, model, pixels, 1.0, Place(CPU, "fp32"))
    originals, copies = (torch.cat(parts) for parts in zip(*pairs, strict=True))
    assert np.array_equal((originals * 255).round().permute(0, 2, 3, 1).numpy(), pixels)
    squared = (originals - copies).pow(2).mean((1, 2, 3))
    assert record["psnr"] == pytest.approx(float((-10 * squared.log10()).mean()), rel=1e-5)
    assert record["ssim"] == pytest.approx(float(similarity(originals, copies)["ssim"].mean()), rel=1e-5)
    assert record["psnr_normalised"] < record["psnr"]
    # tanh confines what a model can paint: all of [0, 1], or the mean plus or minus one deviation
    low, high = (0, 1) if scaling == "symmetric" else (0.406 - 0.225, 0.485 + 0.229)
    assert low <= copies.min() and copies.max() <= high + 1e-6


def test_the_seed_decides_the_draws(config, pretrain_config, scenes, save_model, tmp_path):
    path = save_model(pretrain_config())
    first = measured(config(), scenes, path, tmp_path)
    torch.rand(5)
    assert measured(config(), scenes, path, tmp_path)["psnr"] == first["psnr"]
    assert measured(config(temperature=0.1), scenes, path, tmp_path)["psnr"] != first["psnr"]
    assert measured(config(sample=False), scenes, path, tmp_path)["psnr"] != first["psnr"]


def test_the_temperature_is_that_of_the_last_step(config, pretrain_config, scenes, save_model, tmp_path):
    settings = pretrain_config()
    settings["model"]["temperature"] |= {"start": 1.0, "rate": 0.05, "floor": 0.1, "schedule": "exponential"}
    path = save_model(settings)  # of ten steps, so that the last one is number 9
    record = measured(config(temperature="last"), scenes, path, tmp_path)
    assert record["temperature"] == pytest.approx(math.exp(-0.45))
    assert measured(config(temperature=math.exp(-0.45)), scenes, path, tmp_path)["psnr"] == record["psnr"]
    assert measured(config(temperature=1.0), scenes, path, tmp_path)["psnr"] != record["psnr"]


def test_nothing_but_the_metrics_is_left(config, pretrain_config, scenes, save_model, tmp_path):
    out = tmp_path / "out"
    (out / "neighbour").mkdir(parents=True)
    measured(config(), scenes, save_model(pretrain_config()), out)
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "neighbour"]


@pytest.mark.parametrize(
    ("saved", "asked", "message"),
    [
        ({"variant": "bigan"}, {"variant": "bigan"}, "^bigan is a bigan, this needs a beta-vae or patchvae$"),
        ({}, {"seed": 1}, "its seed is 0, not 1"),
        ({}, {"variant": "beta-vae"}, "its variant is 'patchvae', not 'beta-vae'"),
        ({}, {"dataset": "digits64"}, "its dataset is 'digits', not 'digits64'"),
        ({}, {"input_scaling": "imagenet"}, "its input_scaling is 'symmetric', not 'imagenet'"),
        ({"image_size": 64}, {"image_size": 64}, "images of side 32, but image_size is 64"),
    ],
)
def test_bad_inputs(saved, asked, message, config, pretrain_config, scenes, save_model, tmp_path):
    path = save_model(pretrain_config(**saved))
    with pytest.raises(PatchVAEError, match=message):
        measured(config(**asked), scenes, path, tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_a_broken_model_gives_no_number(config, pretrain_config, scenes, save_model, tmp_path):
    model = untrained(pretrain_config())
    with torch.no_grad():
        model.decoder.layers[0].weight[:] = math.nan
    path = save_model(pretrain_config(), model)
    with pytest.raises(PatchVAEError, match="patchvae.pt: the psnr of its reconstructions is nan"):
        measured(config(), scenes, path, tmp_path)
    assert not (tmp_path / "metrics.json").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"psnr": math.inf}, "psnr: inf is not a finite number"),
        ({"ssim": 2}, "ssim: 2 is not at most 1"),
        ({"pnsr": 1.0}, "pnsr: unknown key"),
    ],
)
def test_a_result_is_checked_before_it_is_written(changes, message, config, scenes, tmp_path):
    out = tmp_path / "m.json"
    run = Run("reconstruct", config(), scenes, out, "cpu", 1)
    record = {"split": "test", "count": 60, "psnr": 20, "ssim": 0.5, "psnr_normalised": 10.0}
    run.finish(record, 1.0, 60)
    assert '"psnr": 20,' in out.read_text()  # as it was measured, not 20.0
    out.unlink()
    with pytest.raises(PatchVAEError, match=f"m.json: {message}"):
        run.finish(record | changes, 1.0, 60)
    assert not out.exists()
