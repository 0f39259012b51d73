"""Scores of parts: hand values, an oracle that knows the truth, that nothing is picked on the test split."""

import math

import numpy as np
import pytest
import torch
from helpers import untrained
from sklearn.metrics import average_precision_score

from patchvae.data.digits import BLOCK, CELL
from patchvae.data.packed import PackedSplit, load_split, write_packed
from patchvae.data.tensors import open_array
from patchvae.errors import PatchVAEError
from patchvae.evaluation.parts import (
    NONE,
    assign,
    best_part_precision,
    cells_of,
    cluster_scores,
    logits_of_cells,
    score,
    trivial,
)
from patchvae.hardware import Place
from patchvae.jobs.computing import compute
from patchvae.records.metrics_files import read_metrics
from patchvae.training.pretrain import estimate_statistics

CPU = torch.device("cpu")
ON = Place(CPU, "fp32")


@pytest.fixture
def cells(scenes, config):
    splits = (load_split(scenes, split) for split in ("train", "test"))
    return tuple(cells_of(split.images, split.labels, split.occurrence) for split in splits)


def measured(config, data, path, out):
    compute("parts", config, data, out / "metrics.json", "cpu", 1, checkpoint=path)
    return read_metrics(out / "metrics.json")


def test_cells_of_the_scenes(scenes, cells):
    split, test = load_split(scenes, "test"), cells[1]
    assert test.patches.shape == (60 * 16, 8 * 8 * 3) and test.grid == BLOCK // CELL
    # Cell 6 of image 3 is in row 1, column 2.
    expected = split.images[3, 8:16, 16:24].reshape(-1) / 255
    assert test.patches[3 * 16 + 6] == pytest.approx(expected, abs=1e-6)
    assert test.repeated[3 * 16 + 6] == split.occurrence[3, 1, 2]
    assert test.digits[3 * 16 + 6] == split.labels[3]
    # Four repeats and two other digits in every scene
    assert (test.repeated.reshape(-1, 16).sum(1) == 4).all()
    assert (test.occupied.reshape(-1, 16).sum(1) == 6).all()
    assert test.occupied[test.repeated].all()


def test_average_precision_by_hand():
    truth = np.array([True, False, True, False])
    scores = np.array([[4.0, 3.0, 2.0, 1.0]]).T
    assert best_part_precision(scores, truth, scores, truth) == pytest.approx((1 + 2 / 3) / 2)


def test_the_part_is_picked_on_the_training_cells():
    truth = np.array([True, True, False, False])
    right, wrong = np.array([4.0, 3.0, 2.0, 1.0]), np.array([1.0, 2.0, 3.0, 4.0])
    train, test = np.stack([right, wrong], axis=1), np.stack([wrong, right], axis=1)
    worst = (1 / 3 + 2 / 4) / 2
    assert best_part_precision(train, truth, test, truth) == pytest.approx(worst)


def test_a_cell_without_a_likely_part_has_none():
    logits = np.array([[2.0, 1.0], [-0.1, 3.0], [-2.0, -1.0]], dtype=np.float32)
    assert assign(logits).tolist() == [0, 1, NONE]


def test_an_oracle_and_an_ignoramus(cells):
    """One part per digit at its cells, and one for other digits; then the same part everywhere."""
    train, test = cells
    scores = {}
    for name, split in (("train", train), ("test", test)):
        scores[name] = np.full((len(split.digits), 12), -5.0, dtype=np.float32)
        scores[name][split.repeated, split.digits[split.repeated]] = 5
        scores[name][split.occupied, 10] = 4
        scores[name][split.repeated, 11] = 4
    result = score(scores, assign(scores["test"]), train, test)
    assert result == {"ap_occupied": 1.0, "ap_repeated": 1.0, "nmi": pytest.approx(1.0)}
    same = {name: np.full_like(values, 5) for name, values in scores.items()}
    result = score(same, assign(same["test"]), train, test)
    assert result == {"ap_occupied": pytest.approx(6 / 16), "ap_repeated": pytest.approx(4 / 16), "nmi": 0.0}


def test_information_is_measured_where_the_digit_is_known(cells):
    """Half of the digits told apart: I = H(assignment) = log 2, H(digit) = log 10, so NMI = 2 log 2 / log 20."""
    train, test = cells
    scores = {"train": np.zeros((len(train.digits), 2)), "test": np.zeros((len(test.digits), 2))}
    assignment = np.where(test.repeated, test.digits % 2, 7)
    expected = 2 * math.log(2) / math.log(20)
    assert score(scores, assignment, train, test)["nmi"] == pytest.approx(expected)


def test_clusters_of_two_kinds_of_patches():
    patches = np.repeat(np.array([[0.0, 0.0], [1.0, 1.0]]), [30, 10], axis=0)
    scores = cluster_scores(patches, patches[[0, 39]], 2, seed=3)
    bright = int(scores["test"][1].argmax())
    assert scores["train"].shape == (40, 2) and scores["train"][:, bright].argmax() >= 30
    assert scores["test"][0] == pytest.approx([-math.sqrt(2), 0] if bright == 0 else [0, -math.sqrt(2)])


def test_logits_are_in_the_order_of_the_cells(cells, config, pretrain_config, scenes):
    test = cells[1]
    model = untrained(pretrain_config()).eval()
    logits = logits_of_cells(model, test, config(command="parts"), ON)
    image = torch.from_numpy(test.images[52:53]).permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.no_grad():
        expected = model.encoder(image).occurrence_logits[0, :, 1, 2]
    assert logits.shape == (60 * 16, 4)
    assert logits[52 * 16 + 6] == pytest.approx(expected.numpy(), rel=1e-3, abs=1e-4)


def test_trivial_scores_by_hand(cells):
    train, test = cells
    found = trivial({"train": train.occupied, "test": test.occupied}, train, test)
    # All that are occupied are equal, so of the six in a scene four are right.
    assert found == {"ap_occupied": 1.0, "ap_repeated": pytest.approx(4 / 6), "nmi": None}
    same = {"train": np.ones(len(train.digits)), "test": np.ones(len(test.digits))}
    assert trivial(same, train, test)["ap_repeated"] == pytest.approx(4 / 16)


def with_statistics(config, pretrain_config, scenes):
    """The model before training, with BatchNorm statistics of the training images."""
    model = untrained(pretrain_config())
    pixels = open_array(scenes / "train_images.npy", CPU)
    estimate_statistics(model, pixels, config(command="parts"), ON)
    return model


def test_the_metrics(config, pretrain_config, scenes, cells, save_model, tmp_path):
    path = save_model(pretrain_config(), with_statistics(config, pretrain_config, scenes))
    record = measured(config(command="parts"), scenes, path, tmp_path)
    assert (record["rule"], record["split"], record["count"]) == ("parts", "test", 60)
    for name in ("trained", "untrained", "kmeans"):
        assert set(record[name]) == {"ap_occupied", "ap_repeated", "nmi"}
        assert all(0 <= value <= 1 for value in record[name].values())
    test = cells[1]
    deviation = average_precision_score(test.occupied, test.patches.std(axis=1))
    assert record["deviation"]["ap_occupied"] == pytest.approx(deviation, abs=1e-6)
    assert record["occupied"] == {"ap_occupied": 1.0, "ap_repeated": pytest.approx(4 / 6), "nmi": None}
    assert record["deviation"]["nmi"] is None and 0 < record["deviation"]["ap_repeated"] < 1
    assert record["pretraining"]["model"] == pretrain_config()["model"]
    # The checkpoint was written before any training.
    assert record["trained"] == record["untrained"] != record["kmeans"]
    # Without the statistics it is another one, and what it is compared with stays.
    fresh = measured(config(command="parts"), scenes, save_model(pretrain_config()), tmp_path)
    assert fresh["trained"] != record["trained"] and fresh["untrained"] == record["untrained"]
    # Other weights change what is trained, and nothing else.
    path = save_model(pretrain_config(), untrained(pretrain_config(seed=5)))
    other = measured(config(command="parts"), scenes, path, tmp_path)
    assert other["trained"] != record["trained"]
    for name in ("untrained", "kmeans", "deviation", "occupied"):
        assert other[name] == record[name]


def rewritten(folder, scenes, change):
    """The scenes with `change` made to each split."""
    splits = {split: change(load_split(scenes, split)) for split in ("train", "test")}
    write_packed(folder, "digits", "digit-scenes", [str(digit) for digit in range(10)], splits, {})
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: PackedSplit(s.images, s.labels), "has no train_occurrence.npy"),
        (
            lambda s: PackedSplit(s.images, s.labels, s.occurrence.repeat(2, 1).repeat(2, 2)),
            r"\(4, 4\), that of the scenes is .8, 8",
        ),
        (lambda s: PackedSplit(s.images, s.labels, s.occurrence[:, :3, :3]), "no grid of cells for images of side 32"),
        (
            lambda s: PackedSplit(s.images * 0, s.labels, s.occurrence),
            "train_occurrence.npy: a digit in a flat cell",
        ),
    ],
)
def test_bad_data(change, message, config, pretrain_config, scenes, save_model, tmp_path):
    data = rewritten(tmp_path / "data", scenes, change)
    with pytest.raises(PatchVAEError, match=message):
        measured(config(command="parts"), data, save_model(pretrain_config()), tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_a_model_without_parts(config, pretrain_config, scenes, save_model, tmp_path):
    path = save_model(pretrain_config("beta-vae"))
    with pytest.raises(PatchVAEError, match="^beta-vae is a beta-vae, this needs a patchvae"):
        measured(config("beta-vae", "parts"), scenes, path, tmp_path)
