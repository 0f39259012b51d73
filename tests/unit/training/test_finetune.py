"""Fine-tuning: what is frozen stays frozen, the cache changes nothing, resumed bits are equal."""

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import do_step, finetune, pretrain

from patchvae.data.packed import load_manifest, write_manifest
from patchvae.errors import PatchVAEError
from patchvae.evaluation.bits import unpacked_bits
from patchvae.files import file_digest
from patchvae.hardware import Place
from patchvae.jobs.run import Run
from patchvae.models.weights import backbone_weights
from patchvae.records import checkpoint
from patchvae.records.digests import DIGESTS
from patchvae.records.metrics_files import read_metrics
from patchvae.records.provenance import config_sha256
from patchvae.training import finetune as finetuning
from patchvae.training.finetune import FinetuneTask
from patchvae.training.labelled import of_each_class

CPU = torch.device("cpu")
OWN = {"dataset": "squares", "variant": "patchvae", "snapshot": None}


def task_of(config, data, weights):
    phi = backbone_weights(checkpoint.load(weights), config.pretrained.snapshot)
    data = Run("finetune", config, data, Path("none.json"), "cpu", 1).open()
    return FinetuneTask(config, phi, data, Place(CPU, "fp32"))


def run(config, packed, weights, out):
    data, _ = packed
    finetune(config, data, weights, out / "metrics.json", out / "scratch", "cpu", 1)
    return read_metrics(out / "metrics.json")


def test_it_learns_and_reports_last_and_best(packed, weights, finetune_config, tmp_path):
    metrics = run(finetune_config(epochs=6, regime="conv1"), packed, weights, tmp_path)
    accuracies = [record["test_top1"] for record in metrics["history"]]
    assert metrics["top1"]["last"] == accuracies[-1] and metrics["top1"]["best"] == max(accuracies)
    assert accuracies[metrics["top1"]["best_epoch"] - 1] == max(accuracies)
    assert metrics["count"] == 12 and metrics["split"] == "test"
    content = checkpoint.load(weights)
    config = content["config"]
    assert metrics["pretraining"] == {
        "dataset": "squares",
        "variant": "patchvae",
        "epochs": 2,
        "model": config["model"],
        "stand_in": False,
        "game": None,
        "config_sha256": config_sha256(config),
        "code_sha256": content["code_sha256"],
        "checkpoint_sha256": file_digest(weights),
        **{key: {"train": content[key]["train"]} for key in DIGESTS},
    }
    assert max(accuracies) > 60  # chance is 33 %
    right = unpacked_bits(metrics["right"], 12)
    assert 100 * right.mean() == pytest.approx(accuracies[-1])
    assert metrics["train_top1"] == metrics["history"][-1]["train_top1"]
    assert metrics["head"] == "table12" and metrics["train_images"] == 40 and metrics["peak_memory_mb"] > 50


def test_the_pretraining_of_a_control_on_a_stand_in(pretrain_config):
    content = {
        "config": pretrain_config("random", stand_in=True).given,
        "game": None,
        "code_sha256": "c" * 64,
        **{key: {"train": "d" * 64} for key in DIGESTS},
    }
    content["sha256"] = "e" * 64
    told = checkpoint.pretraining_record(content)
    assert (told["variant"], told["epochs"], told["stand_in"]) == ("random", 0, True)


@pytest.mark.parametrize("regime", ["none", "conv1", "conv1-3", "conv1-5"])
def test_frozen_means_frozen(regime, packed, weights, finetune_config):
    data, _ = packed
    task = task_of(finetune_config(regime=regime), data, weights)
    stages = {"none": 0, "conv1": 1, "conv1-3": 2, "conv1-5": 3}[regime]
    assert len(task.frozen) == stages
    before = {key: value.clone() for key, value in task.frozen.state_dict().items()}
    trained = {key: value.clone() for key, value in task.trained.state_dict().items()}
    for step in range(3):
        do_step(task, step)
    task.end_epoch(1)
    assert all(torch.equal(before[key], value) for key, value in task.frozen.state_dict().items())
    assert all(not torch.equal(trained[key], value) for key, value in task.trained.state_dict().items())


def test_the_cache_of_frozen_features_changes_nothing(packed, weights, finetune_config, monkeypatch):
    data, _ = packed
    cached = task_of(finetune_config(), data, weights)
    monkeypatch.setattr(finetuning, "CACHE_BYTES", 0)
    direct = task_of(finetune_config(), data, weights)
    assert set(cached.cache) == {"train", "test"} and not direct.cache
    for step in range(5):
        a, b = do_step(cached, step)["loss"], do_step(direct, step)["loss"]
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert cached.end_epoch(1) == direct.end_epoch(1)


def test_statistics_of_frozen_layers_move_only_when_asked(packed, weights, finetune_config):
    data, _ = packed
    task = task_of(finetune_config(frozen_batch_norm="train"), data, weights)
    assert not task.cache
    before = {key: value.clone() for key, value in task.frozen.state_dict().items()}
    do_step(task, 0)
    moved = {key for key, value in task.frozen.state_dict().items() if not torch.equal(before[key], value)}
    assert moved and all("running" in key or "num_batches" in key for key in moved)


def test_batch_norm_weights_of_trained_stages_can_be_left_alone(packed, weights, finetune_config):
    data, _ = packed
    task = task_of(finetune_config(regime="conv1", train_batch_norm=False), data, weights)
    fixed = [name for name, p in task.trained.named_parameters() if not p.requires_grad]
    assert fixed and all("bn" in name or "downsample.1" in name for name in fixed)


def test_flips_run_without_a_cache(packed, weights, finetune_config, tmp_path):
    data, _ = packed
    assert not task_of(finetune_config(flip=True), data, weights).cache
    run(finetune_config(flip=True, head_dropout=0.5, head_relu=False), packed, weights, tmp_path)


def test_learning_rate_steps(packed, weights, finetune_config):
    data, _ = packed
    task = task_of(finetune_config(), data, weights)
    rates = []
    for epoch in range(3):
        do_step(task, epoch * task.steps_per_epoch)
        rates.append(float(task.optimizer.param_groups[0]["lr"]))
    assert rates == pytest.approx([0.05, 0.05, 0.005])


def test_a_stopped_run_goes_on_to_the_same_bits(packed, weights, finetune_config, tmp_path, monkeypatch):
    config = finetune_config(regime="conv1-3", head_dropout=0.5)
    whole = run(config, packed, weights, tmp_path / "whole")
    prepare = FinetuneTask.prepare

    def stopping(self, number):
        if number == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return prepare(self, number)

    monkeypatch.setattr(FinetuneTask, "prepare", stopping)
    with pytest.raises(SystemExit) as stop:
        run(config, packed, weights, tmp_path / "cut")
    assert stop.value.code == 128 + signal.SIGINT
    monkeypatch.setattr(FinetuneTask, "prepare", prepare)
    cut = run(config, packed, weights, tmp_path / "cut")
    assert whole["history"] == cut["history"]


def test_images_without_a_label_are_left_out(packed, weights, finetune_config, tmp_path):
    data, _ = packed
    part = shutil.copytree(data, tmp_path / "part")
    labels = np.load(part / "train_labels.npy")
    labels[10:] = -1
    np.save(part / "train_labels.npy", labels)
    write_manifest(part, load_manifest(data))
    task = task_of(finetune_config(), part, weights)
    assert task.steps_per_epoch == 1
    used = {int(index) for step in range(5) for index in task.order.drawn(step)[0]}
    assert used == set(range(10))
    assert torch.isfinite(do_step(task, 0)["loss"])


def test_so_many_labels_per_class(packed, weights, finetune_config):
    data, _ = packed
    labels = torch.from_numpy(np.load(data / "train_labels.npy"))
    task = task_of(finetune_config(labels_per_class=4, batch_size=6), data, weights)
    used = torch.cat([task.order.drawn(step)[0] for step in range(task.order.steps_per_pass)])
    assert sorted(labels[used].tolist()) == [0] * 4 + [1] * 4 + [2] * 4
    with pytest.raises(PatchVAEError, match="labels_per_class: 14, but class 1 has 13 images"):
        task_of(finetune_config(labels_per_class=14), data, weights)


def test_images_of_each_class_are_drawn_from_the_seed():
    labels = torch.arange(90) % 4 - 1
    first, again, other = (of_each_class(labels, 4, 3, "key", seed, "purpose") for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_standardised_features(packed, weights, finetune_config):
    data, _ = packed
    task = task_of(finetune_config(standardise=True), data, weights)
    kept, plain = task.cache["train"], task_of(finetune_config(), data, weights).cache
    assert kept.mean(0).abs().max() < 1e-5
    deviation, constant = kept.std(0, correction=0), plain["train"].std(0) == 0
    torch.testing.assert_close(deviation[~constant], torch.ones_like(deviation[~constant]), atol=1e-3, rtol=0)
    assert (kept[:, constant] == 0).all()
    # The test images are moved and scaled by the numbers of the training images.
    mean, scale = plain["train"].mean(0), plain["train"].std(0, correction=0)
    expected = torch.where(constant, 0.0, (plain["test"] - mean) / scale)
    torch.testing.assert_close(task.cache["test"], expected, atol=1e-3, rtol=1e-3)
    with pytest.raises(PatchVAEError, match="standardise: the frozen features of this training are not kept"):
        task_of(finetune_config(standardise=True, frozen_batch_norm="train"), data, weights)


def test_it_starts_from_a_snapshot(packed, pretrain_config, finetune_config, tmp_path):
    data, _ = packed
    path = tmp_path / "kept.pt"
    pretrain(pretrain_config(snapshots=[1]), data, None, path, tmp_path / "pretrain.json", tmp_path / "s", "cpu", 1)
    metrics = run(finetune_config(pretrained={**OWN, "snapshot": 1}), packed, path, tmp_path)
    assert metrics["pretraining"]["epochs"] == 1
    task = task_of(finetune_config(pretrained={**OWN, "snapshot": 1}), data, path)
    weights = checkpoint.load(path)["snapshots"][1]
    assert torch.equal(task.frozen.state_dict()["0.0.weight"], weights["conv1.0.weight"])


def test_top5_counts_the_label_among_the_five_best(packed, weights, finetune_config, monkeypatch):
    data, _ = packed
    task = task_of(finetune_config(num_classes=7), data, weights)
    labels = task.labels["test"]
    ranks = torch.arange(len(labels)) % 7  # the place of the label among the logits, from 0
    places = torch.stack([(torch.arange(7) - label + rank) % 7 for label, rank in zip(labels, ranks, strict=True)])
    monkeypatch.setattr(task, "classify", lambda rows: -places.float())
    accuracies = task.end_epoch(1)
    expected = [100 * (ranks < k).double().mean().item() for k in (1, 5)]
    assert [accuracies["test_top1"], accuracies["test_top5"]] == pytest.approx(expected)


def test_checkpoints_that_do_not_fit_are_refused(packed, weights, finetune_config, tmp_path):
    with pytest.raises(PatchVAEError, match="of another model: its variant is 'patchvae', not 'beta-vae'"):
        run(finetune_config(pretrained={**OWN, "variant": "beta-vae"}), packed, weights, tmp_path)
    with pytest.raises(PatchVAEError, match="of another model: its dataset is 'squares', not 'circles'"):
        run(finetune_config(pretrained={**OWN, "dataset": "circles"}), packed, weights, tmp_path)
    with pytest.raises(PatchVAEError, match="its seed is 0, not 1"):
        run(finetune_config(seed=1), packed, weights, tmp_path)
    cut = tmp_path / "cut.pt"
    cut.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(PatchVAEError, match=r"cut.pt cannot be read: it is truncated"):
        run(finetune_config(), packed, cut, tmp_path)
    with pytest.raises(PatchVAEError, match="does not exist"):
        run(finetune_config(), packed, tmp_path / "none.pt", tmp_path)
    other = tmp_path / "other.pt"
    torch.save({"weights": 1}, other)
    with pytest.raises(PatchVAEError, match="was not written by this version"):
        run(finetune_config(), packed, other, tmp_path)
    flipped = bytearray(weights.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    other.write_bytes(flipped)
    with pytest.raises(PatchVAEError, match=r"other.pt is damaged: .*data/\d+ in it is not what was written"):
        run(finetune_config(), packed, other, tmp_path)
    content = checkpoint.load(weights)
    for key in ("model", "config", "snapshots", "steps", "code_sha256", "data_sha256"):
        for wrong in ({}, {key: 5.0}):
            checkpoint.save(other, {name: content[name] for name in content.keys() - {key}} | wrong)
            with pytest.raises(PatchVAEError, match=f"other.pt is of no pretraining: it holds no {key}"):
                run(finetune_config(), packed, other, tmp_path)
    name = "encoder.backbone.conv1.0.weight"
    for model in ({**content["model"], name: torch.zeros(2)}, {**content["model"], name: 1}, {}):
        checkpoint.save(other, content | {"model": model})
        with pytest.raises(PatchVAEError, match="the weights of patchvae do not fit the network"):
            run(finetune_config(), packed, other, tmp_path)
    assert not (tmp_path / "metrics.json").exists()
