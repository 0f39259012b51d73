"""The linear probe: the metrics, a direct computation beside it, what it may look at and what it may not."""

import shutil

import numpy as np
import pytest
import torch
from helpers import untrained
from sklearn import linear_model

from patchvae.data.packed import PackedSplit, image_digests, load_manifest, write_manifest, write_packed
from patchvae.errors import PatchVAEError
from patchvae.evaluation.bits import by_digest, unpacked_bits
from patchvae.evaluation.frozen import BATCH, pooled
from patchvae.evaluation.probe import split_labelled
from patchvae.jobs.computing import compute
from patchvae.records.metrics_files import read_metrics

CLASSES = ["red", "green", "blue"]
TRAIN, TEST = BATCH + 50, 60  # more than one batch

MACHINE = ("seconds", "images_per_second", "peak_memory_mb")  # differ from run to run


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    """A packed data set of images of side 32 in three classes, told apart by the colour of a faint square."""
    folder, generator, splits = tmp_path_factory.mktemp("squares"), np.random.default_rng(0), {}
    for split, count in (("train", TRAIN), ("test", TEST)):
        labels = np.arange(count) % 3
        images = generator.integers(0, 200, (count, 32, 32, 3), dtype=np.uint8)
        images[np.arange(count), 8:24, 8:24, labels] += 50
        splits[split] = PackedSplit(images, labels)
    write_packed(folder, "squares", "digit-scenes", CLASSES, splits, {})
    return folder


@pytest.fixture
def pretrained(pretrain_config):
    """The configuration of a pretraining elsewhere, so that a checkpoint need not be of these images."""
    return pretrain_config("beta-vae", dataset="elsewhere")


@pytest.fixture
def weights(save_model, pretrained):
    return save_model(pretrained)


@pytest.fixture
def probe_config(config):
    def build(**changes):
        own = {"num_classes": 3, "backbone": "resnet9"}
        block = {"pool": 1, "holdout": 0.2, "lambdas": [0.01, 0.1, 1.0]}
        source = {"dataset": "elsewhere", "variant": "beta-vae", "snapshot": None}
        return config("beta-vae", "probe", **{"dataset": "squares", "pretrained": source, **own, **block, **changes})

    return build


def measured(config, data, weights, out):
    compute("probe", config, data, out / "metrics.json", "cpu", 1, pretrained=weights)
    return read_metrics(out / "metrics.json")


def changed(squares, folder, **arrays):
    """The squares with other arrays, for example `train_labels`."""
    shutil.copytree(squares, folder)
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    write_manifest(folder, load_manifest(squares))
    return folder


def found(record):
    """A record without what the machine and the clock say."""
    return {key: value for key, value in record.items() if key not in MACHINE}


def test_the_metrics(squares, weights, probe_config, tmp_path):
    record = measured(probe_config(), squares, weights, tmp_path)
    assert (record["rule"], record["split"], record["count"], record["variant"]) == ("probe", "test", TEST, "beta-vae")
    assert record["pretraining"]["dataset"] == "elsewhere" and record["config"] == probe_config().given
    assert (record["train_count"], record["held_out"], record["features"]) == (TRAIN, TRAIN // 5, 128)
    assert record["top1"] > 90 and record["top5"] == 100  # three classes
    assert record["train_top1"] >= 95 and record["constant_features"] < 128
    right = unpacked_bits(record["right"], TEST)
    assert 100 * right.mean() == pytest.approx(record["top1"])
    tried = {entry["lambda"]: entry["held_out_top1"] for entry in record["lambdas"]}
    assert [*tried] == sorted(tried) and {0.01, 0.1, 1.0} <= set(tried)
    assert tried[record["lambda"]] == max(tried.values())


def test_a_direct_computation(squares, weights, pretrained, probe_config, tmp_path):
    """All features in memory, NumPy's statistics, scikit-learn's regression."""
    record = measured(probe_config(pool=2), squares, weights, tmp_path)
    backbone, features = untrained(pretrained).encoder.backbone.eval(), {}
    for split in ("train", "test"):
        images = torch.from_numpy(np.load(squares / f"{split}_images.npy")).permute(0, 3, 1, 2).float() / 127.5 - 1
        with torch.no_grad():
            maps = torch.cat([backbone(part) for part in images.split(100)])
        features[split] = maps.unflatten(2, (2, 2)).unflatten(4, (2, 2)).mean((3, 5)).flatten(1).double().numpy()
    mean, deviation = features["train"].mean(0), features["train"].std(0)
    deviation[deviation == 0] = np.inf
    train, test = ((features[split] - mean) / deviation for split in ("train", "test"))
    targets, labels = np.eye(3)[np.arange(TRAIN) % 3], np.arange(TEST) % 3
    theirs = linear_model.Ridge(alpha=TRAIN * record["lambda"]).fit(train, targets)
    assert record["features"] == train.shape[1] == 512
    theirs_right = by_digest(theirs.predict(test).argmax(1) == labels, image_digests(squares, "test")[1])
    assert np.array_equal(unpacked_bits(record["right"], TEST), theirs_right)
    assert record["train_top1"] == pytest.approx(100 * (theirs.predict(train).argmax(1) == targets.argmax(1)).mean())


def test_the_same_bits_again(squares, weights, probe_config, tmp_path):
    first = measured(probe_config(), squares, weights, tmp_path)
    torch.manual_seed(5)  # nothing is drawn from the global generator
    assert found(measured(probe_config(), squares, weights, tmp_path)) == found(first)


def test_the_test_split_chooses_nothing(squares, weights, probe_config, tmp_path):
    first = measured(probe_config(), squares, weights, tmp_path)
    images = np.load(squares / "test_images.npy")[::-1] // 2
    other = changed(squares, tmp_path / "other", test_labels=(np.arange(TEST) + 1) % 3, test_images=images)
    second = measured(probe_config(), other, weights, tmp_path)
    assert second["top1"] < 50 < first["top1"]
    for key in ("lambda", "lambdas", "train_top1", "at_edge", "constant_features"):
        assert second[key] == first[key]


def test_labels_without_a_meaning_are_learnt_by_heart(squares, weights, probe_config, tmp_path):
    """512 features of 240 images: what was fitted is right, what was held out is guessed."""
    labels = np.random.default_rng(2).permutation(np.arange(TRAIN) % 3)
    other = changed(squares, tmp_path / "other", train_labels=labels)
    record = measured(probe_config(pool=2, lambdas=[1e-6, 1e-5]), other, weights, tmp_path)
    assert max(entry["held_out_top1"] for entry in record["lambdas"]) < 60  # chance is 33 %, of 60 images
    assert 10 < record["top1"] < 60 and record["top5"] == 100


def test_images_without_a_label_are_left_out(squares, weights, probe_config, tmp_path):
    labels, images = np.load(squares / "train_labels.npy"), np.load(squares / "train_images.npy")
    labels[::4] = -1
    part = changed(squares, tmp_path / "part", train_labels=labels)
    first = measured(probe_config(), part, weights, tmp_path)
    assert (first["train_count"], first["held_out"]) == (TRAIN * 3 // 4, TRAIN * 3 // 20)
    images[::4] = 0
    second = measured(probe_config(), changed(part, tmp_path / "dark", train_images=images), weights, tmp_path)
    same = ("top1", "train_top1", "lambda", "lambdas", "right")
    assert {key: second[key] for key in same} == {key: first[key] for key in same}


def test_parts_of_the_labelled_images():
    labels = torch.arange(100) % 7 - 1
    labelled = set((labels >= 0).nonzero().flatten().tolist())
    fitted, held = (part.tolist() for part in split_labelled(labels, 0.1, 0))
    assert len(held) == round(0.1 * len(labelled)) and set(fitted) | set(held) == labelled
    assert not set(fitted) & set(held) and fitted == sorted(fitted) and held == sorted(held)
    assert split_labelled(labels, 0.1, 0)[1].tolist() == held != split_labelled(labels, 0.1, 1)[1].tolist()


@pytest.mark.parametrize(("holdout", "held"), [(0.01, 1), (0.5, 2), (0.99, 3)])
def test_neither_part_is_empty(holdout, held):
    assert [len(part) for part in split_labelled(torch.zeros(4, dtype=torch.int64), holdout, 0)] == [4 - held, held]


def test_one_label_is_too_few():
    with pytest.raises(PatchVAEError, match="2 labelled training images or more are needed, not 1"):
        split_labelled(torch.tensor([-1, 0, -1]), 0.1, 0)


@pytest.mark.parametrize(("pool", "window", "stride"), [(1, 4, 4), (2, 2, 2), (3, 2, 1), (4, 1, 1), (9, 1, 1)])
def test_maps_are_averaged_to_a_grid(pool, window, stride):
    maps = torch.randn(2, 128, 4, 4)
    found = pooled(maps, pool)
    expected = maps.unfold(2, window, stride).unfold(3, window, stride).mean((4, 5)).flatten(1)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, expected.double(), rtol=0, atol=1e-6)


def test_features_in_bf16(squares, weights, probe_config, tmp_path):
    record = measured(probe_config(precision="bf16"), squares, weights, tmp_path)
    assert record["precision"] == "bf16" and record["top1"] > 80


def test_the_range_grows(squares, weights, probe_config, tmp_path):
    record = measured(probe_config(lambdas=[1e-4, 1e-3]), squares, weights, tmp_path)
    assert record["lambda"] > 1e-3 and len(record["lambdas"]) > 2 and not record["at_edge"]


def test_checkpoints_that_do_not_fit_are_refused(squares, weights, probe_config, tmp_path):
    with pytest.raises(PatchVAEError, match="its variant is 'beta-vae', not 'patchvae'"):
        measured(
            probe_config(pretrained={"dataset": "elsewhere", "variant": "patchvae", "snapshot": None}),
            squares,
            weights,
            tmp_path,
        )
    with pytest.raises(PatchVAEError, match="its seed is 0, not 1"):
        measured(probe_config(seed=1), squares, weights, tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_a_pretraining_on_other_images_of_its_name_is_refused(
    squares, pretrain_config, save_model, probe_config, tmp_path
):
    path = save_model(pretrain_config("beta-vae", dataset="squares"))
    config = probe_config(pretrained={"dataset": "squares", "variant": "beta-vae", "snapshot": None})
    with pytest.raises(PatchVAEError, match="was pretrained on other images"):
        measured(config, squares, path, tmp_path)


def test_features_that_are_no_numbers_are_refused(squares, pretrained, save_model, probe_config, tmp_path):
    model = untrained(pretrained)
    model.encoder.backbone.conv4_5[1].bn2.bias.data[3] = torch.nan
    path = save_model(pretrained, model)
    with pytest.raises(PatchVAEError, match="beta-vae.pt: its phi gives features that are not finite"):
        measured(probe_config(), squares, path, tmp_path)
    assert not (tmp_path / "metrics.json").exists()
