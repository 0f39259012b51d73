"""Learning rates chosen on training images."""

import shutil

import numpy as np
import pytest
import torch
from helpers import finetune

from patchvae.data.packed import load_manifest, write_manifest
from patchvae.errors import PatchVAEError
from patchvae.jobs.computing import compute
from patchvae.params.configs import check_config
from patchvae.records.metrics_files import read_metrics
from patchvae.training.batches import Order
from patchvae.training.labelled import parted
from patchvae.training.rates import best, next_rate, scale_of

GRID = [0.001, 0.003, 0.01, 0.03, 0.1]


@pytest.fixture
def search(finetune_config):
    """A function of changes, giving a resolved `rates` configuration."""
    given = finetune_config(lr="chosen").given

    def build(**changes):
        return check_config("rates", given | {"grid": [0.01, 0.05], "held_out": 8, "epochs": 2} | changes)

    return build


def chosen(config, data, weights, out):
    compute("rates", config, data, out / "rates.json", "cpu", 1, out / "scratch", pretrained=weights)
    return read_metrics(out / "rates.json")


@pytest.mark.parametrize(
    ("accuracies", "following"),
    [
        ([1, 2, 3, 2, 1], None),
        ([5, 4, 3, 2, 1], 0.0003),
        ([1, 2, 3, 4, 5], 0.3),
        ([5, 5, 3, 2, 1], 0.0003),  # of equal ones the smaller rate is better
        ([1, 5, 5, 2, 1], None),
        ([1, 2, 3, 5, 5], None),
    ],
)
def test_the_grid_goes_on_where_an_end_wins(accuracies, following):
    tried = dict(zip(GRID, map(float, accuracies), strict=True))
    assert next_rate(tried) == (None if following is None else pytest.approx(following))
    assert tried[best(tried)] == max(accuracies)


def test_the_held_out_images_are_drawn_and_not_trained_on():
    images = torch.arange(100, 200)
    trained, held_out = parted(images, 30, 0, "held out")
    assert sorted([*trained.tolist(), *held_out.tolist()]) == images.tolist() and len(held_out) == 30
    assert parted(images, 30, 0, "held out")[1].equal(held_out) and not parted(images, 30, 1, "held out")[1].equal(
        held_out
    )
    with pytest.raises(PatchVAEError, match="held_out: 100"):
        parted(images, 100, 0, "held out")


def test_the_rate_does_not_depend_on_test_images(packed, weights, search, tmp_path):
    data, _ = packed
    first = chosen(search(), data, weights, tmp_path / "a")
    other = tmp_path / "other"
    shutil.copytree(data, other)
    labels = np.load(other / "test_labels.npy")
    np.save(other / "test_labels.npy", np.roll(labels, 1))
    np.save(other / "test_images.npy", 255 - np.load(other / "test_images.npy"))
    write_manifest(other, load_manifest(other))
    second = chosen(search(), other, weights, tmp_path / "b")
    assert first["rates"] == second["rates"] and first["lr"] == second["lr"]
    assert first["split"] == "train" and first["count"] == 8
    by_rate = {line["lr"]: line["held_out_top1"] for line in first["rates"]}
    assert by_rate[first["lr"]] == max(by_rate.values()) and {0.01, 0.05} <= by_rate.keys()


def test_a_rate_that_diverges_is_not_chosen(packed, weights, search, tmp_path):
    data, _ = packed
    found = chosen(search(grid=[0.01, 10.0], momentum=0.99, head_relu=False, epochs=3), data, weights, tmp_path)
    lines = {line["lr"]: line["held_out_top1"] for line in found["rates"]}
    assert found["lr"] < 10.0
    assert lines[10.0] is None or lines[10.0] <= lines[found["lr"]]


def test_a_fine_tuning_takes_the_chosen_rate(packed, weights, search, finetune_config, tmp_path):
    data, _ = packed
    found = chosen(search(), data, weights, tmp_path)

    def tuned(config, name, rates=None):
        out = tmp_path / name
        finetune(config, data, weights, out, tmp_path / f"{name}-states", "cpu", 1, rates=rates)
        return read_metrics(out)

    by_file = tuned(finetune_config(lr="chosen"), "chosen", tmp_path / "rates.json")
    by_hand = tuned(finetune_config(lr=found["lr"]), "given")
    assert by_file["history"] == by_hand["history"]
    assert by_file["lr"] == found["lr"] and by_file["config"]["lr"] == "chosen"
    with pytest.raises(PatchVAEError, match="its head_dropout is 0.0, not 0.5"):
        tuned(finetune_config(lr="chosen", head_dropout=0.5), "wrong", tmp_path / "rates.json")
    with pytest.raises(PatchVAEError, match=r"given: not the metrics \(schema 1\) of a search for a rate"):
        tuned(finetune_config(lr="chosen"), "wrong", tmp_path / "given")


def test_a_last_batch_that_is_kept():
    images = torch.arange(10)
    dropped, kept = (Order(images, 4, "dataset", False, 0, last_batch) for last_batch in ("drop", "keep"))
    assert (dropped.steps_per_epoch, kept.steps_per_epoch) == (2, 3)
    seen = torch.cat([kept.drawn(step)[0] for step in range(3)])
    assert sorted(seen.tolist()) == images.tolist() and len(kept.drawn(2)[0]) == 2
    assert kept.drawn(3)[0].tolist() != kept.drawn(0)[0].tolist()  # the next pass
    assert [len(dropped.drawn(step)[0]) for step in range(4)] == [4] * 4


def test_the_scale_of_features():
    features = torch.randn(500, 2, 2, 3, generator=torch.Generator().manual_seed(0)) * 3 + 1
    rows = features.flatten(1).double()
    found = scale_of(features)
    assert found["mean_abs"] == pytest.approx(float(rows.abs().mean()), rel=1e-5)
    assert found["largest_eigenvalue"] == pytest.approx(float(torch.linalg.eigvalsh(rows.T @ rows / 500)[-1]), rel=1e-3)
    assert scale_of(10 * features)["largest_eigenvalue"] == pytest.approx(100 * found["largest_eigenvalue"], rel=1e-4)
