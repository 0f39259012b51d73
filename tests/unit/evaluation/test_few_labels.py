"""Few labels: the metrics, which images are drawn, and pixels by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from patchvae.data.packed import PackedSplit, write_packed
from patchvae.errors import PatchVAEError
from patchvae.evaluation.few_labels import drawn, features_of_pixels, standardised
from patchvae.jobs.computing import compute
from patchvae.jobs.run import Run
from patchvae.records.metrics_files import read_metrics

TRAIN, TEST = 120, 60
CLASSES = ["red", "green", "blue"]
SETTINGS = {"num_classes": 3, "per_class": [1, 5, "all"], "draws": 2, "lambdas": [0.01, 0.1, 1.0]}
SOURCE = {"dataset": "elsewhere", "variant": "beta-vae", "snapshot": None}


def packed(folder, side, train):
    """A packed data set of images in three classes, told apart by the colour of a faint square; some have no label."""
    generator, splits = np.random.default_rng(0), {}
    for split, count in (("train", train), ("test", TEST)):
        labels = np.arange(count) % 3
        images = generator.integers(0, 200, (count, side, side, 3), dtype=np.uint8)
        images[np.arange(count), side // 4 : -side // 4, side // 4 : -side // 4, labels] += 50
        if split == "train":
            labels[:12] = -1
        splits[split] = PackedSplit(images, labels)
    write_packed(folder, "colours", "digit-scenes", CLASSES, splits, {})
    return folder


@pytest.fixture(scope="session")
def colours(tmp_path_factory):
    return packed(tmp_path_factory.mktemp("colours"), 32, TRAIN)


@pytest.fixture(scope="session", params=[TRAIN, 800])
def small(tmp_path_factory, request):
    """Images with 768 pixels, fewer of them or more."""
    return packed(tmp_path_factory.mktemp("small"), 16, request.param)


@pytest.fixture
def pixel_config(config):
    def build(variant="pixels", **changes):
        settings = {"dataset": "colours", "image_size": 16, "whitened_variance": 0.9, **SETTINGS, **changes}
        return config(variant, "few_labels_pixels", **settings)

    return build


@pytest.fixture
def phi_config(config):
    own = {"dataset": "colours", "pretrained": SOURCE, "backbone": "resnet9", "pool": 2}
    return config("beta-vae", "few_labels", **{**own, **SETTINGS})


@pytest.fixture
def weights(save_model, pretrain_config):
    return save_model(pretrain_config("beta-vae", dataset="elsewhere"))


def measured(config, data, weights, out):
    rule, more = ("few_labels", {"pretrained": weights}) if weights else ("few_labels_pixels", {})
    compute(rule, config, data, out / "metrics.json", "cpu", 1, **more)
    return read_metrics(out / "metrics.json")


def cells(record, key):
    return {(fit["per_class"], fit["draw"]): fit[key] for fit in record["fits"]}


def test_the_metrics_of_a_phi(colours, phi_config, weights, tmp_path):
    record = measured(phi_config, colours, weights, tmp_path)
    assert (record["rule"], record["variant"], record["split"], record["count"]) == (
        "few_labels",
        "beta-vae",
        "test",
        TEST,
    )
    assert record["pretraining"]["dataset"] == "elsewhere" and record["features"] == 128 * 4
    assert cells(record, "images") == {(1, 0): 3, (1, 1): 3, (5, 0): 15, (5, 1): 15, ("all", 0): TRAIN - 12}
    assert cells(record, "top1")["all", 0] > 90
    alone, whole = cells(record, "left_out_top1"), cells(record, "at_edge")
    assert alone[1, 0] == alone[1, 1] == 0 and whole[1, 0] and whole[1, 1] and not whole["all", 0]


def test_the_floors(small, pixel_config, tmp_path):
    for variant, size in (("pixels", 768), ("pixels-whitened", None)):
        record = measured(pixel_config(variant), small, None, tmp_path)
        assert record["variant"] == variant and "pretraining" not in record
        assert size in (None, record["features"]) and record["constant_features"] == 0
        assert cells(record, "top1")["all", 0] > 45  # chance is 33 %
        assert measured(pixel_config(variant), small, None, tmp_path)["fits"] == record["fits"]


def pixels(data, config):
    run = Run("few_labels", config, data, Path("none.json"), "cpu", 1)
    return features_of_pixels(config, run.open().images, run.on)


def test_whitened_pixels_are_uncorrelated(small, pixel_config):
    found = pixels(small, pixel_config("pixels-whitened"))
    train, raw = found["train"].double(), np.load(small / "train_images.npy") / 127.5 - 1
    count, raw = len(raw), raw.reshape(len(raw), -1)
    variances = np.linalg.svd(raw - raw.mean(0), compute_uv=False) ** 2
    shares = variances.cumsum() / variances.sum()
    assert train.shape[1] == int((shares < 0.9).sum()) + 1 == found["test"].shape[1]
    torch.testing.assert_close(train.T @ train / count, torch.eye(train.shape[1]).double(), rtol=0, atol=1e-5)
    same, constant = standardised(found)
    assert constant == 0
    torch.testing.assert_close(same["test"], found["test"], rtol=0, atol=1e-4)


def test_all_of_the_variance_is_as_many_components_as_there_are(small, pixel_config):
    found = pixels(small, pixel_config("pixels-whitened", whitened_variance=1.0))["train"]
    assert found.shape[1] == min(768, len(found) - 1) and found.isfinite().all()


def test_features_are_standardised_over_all_training_images():
    train = torch.tensor([[1.0, 7.0], [3.0, 7.0], [5.0, 7.0]])
    found, constant = standardised({"train": train, "test": torch.tensor([[3.0, 8.0]])})
    assert constant == 1 and found["test"].tolist() == [[0, 0]]
    assert found["train"][:, 0].tolist() == pytest.approx([-(1.5**0.5), 0, 1.5**0.5])


def test_draws():
    labels = torch.arange(90) % 4 - 1
    few, more, other = (drawn(labels, count, 3, 0, draw) for count, draw in ((2, 0), (5, 0), (2, 1)))
    assert labels[few].bincount().tolist() == [2, 2, 2] and labels[more].bincount().tolist() == [5, 5, 5]
    assert set(few.tolist()) < set(more.tolist())
    assert few.tolist() != other.tolist() and few.tolist() != drawn(labels, 2, 3, 1, 0).tolist()
    assert drawn(labels, "all", 3, 0, 0).tolist() == (labels >= 0).nonzero().flatten().tolist()


@pytest.mark.parametrize(("per_class", "said"), [(3, "class 1 has 2 images"), (1, "class 2 has 0 images")])
def test_a_class_with_too_few_images_is_named(per_class, said):
    with pytest.raises(PatchVAEError, match=said):
        drawn(torch.tensor([0, 0, 0, 1, 1, -1]), per_class, 3, 0, 0)


def test_one_label_is_too_few():
    with pytest.raises(PatchVAEError, match="2 labelled training images or more are needed, not 1"):
        drawn(torch.tensor([-1, 0]), "all", 2, 0, 0)
