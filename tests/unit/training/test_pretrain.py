"""Pretraining: every variant runs, resumes bit by bit, and stops on NaN."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import do_step, pretrain, weighted

import patchvae
from patchvae.data.tensors import open_array
from patchvae.errors import PatchVAEError
from patchvae.files import file_digest
from patchvae.hardware import Place
from patchvae.jobs.computing import open_masks_or_labels
from patchvae.jobs.run import Run
from patchvae.jobs.watch import Watcher
from patchvae.losses import squared_error
from patchvae.models.weights import backbone_weights
from patchvae.params.model_kinds import modules
from patchvae.records import checkpoint
from patchvae.records.metrics_files import read_metrics
from patchvae.records.provenance import code_sha256
from patchvae.training import loop
from patchvae.training.pretrain import PretrainTask, shuffled

GAN = {"weight": 1.0, "generator_step": "joint", "lr": 1e-4, "adam_betas": [0.5, 0.999]}
CPU = torch.device("cpu")
ON = Place(CPU, "fp32")


def run(config, packed, out, **changes):
    data, masks = packed
    paths = {"checkpoint": out / "model.pt", "metrics": out / "metrics.json", "scratch": out / "scratch"}
    masks = masks if weighted(config) else None
    pretrain(config, data, masks, **paths, device="cpu", threads=1, **changes)
    return checkpoint.load(out / "model.pt"), read_metrics(out / "metrics.json")


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("beta-vae", {}),
        ("patchvae", {}),
        ("patchvae", {"weighted_loss": True, "flip": True}),
        ("beta-vae", {"gan": GAN}),
        ("patchvae", {"gan": {**GAN, "generator_step": "double"}}),
        ("bigan", {}),
        ("supervised", {}),
        ("patchvae", {"epoch_images": 16, "input_scaling": "imagenet"}),
    ],
)
def test_every_kind_trains(name, changes, packed, pretrain_config, tmp_path):
    config = pretrain_config(name, **changes)
    content, metrics = run(config, packed, tmp_path)
    assert content["config"] == metrics["config"] == config.given
    assert [record["epoch"] for record in metrics["history"]] == [1, 2]
    assert all(value == value for value in metrics["loss"].values())
    assert metrics["epochs"] == 2 and metrics["seed"] == 0 and metrics["threads"] == 1
    assert metrics["code_sha256"] == code_sha256("patchvae.training.pretrain", *modules(name))
    (state,) = (tmp_path / "scratch").glob("*/state.pt")  # stays until somebody has accepted the outputs
    assert checkpoint.load(state)["history"] == metrics["history"]


def test_loss_falls(packed, pretrain_config, tmp_path):
    _, metrics = run(pretrain_config(epochs=8), packed, tmp_path)
    losses = [record["loss"] for record in metrics["history"]]
    assert losses[-1] < 0.8 * losses[0]


def test_phi_starts_alike_in_every_variant_and_the_control_keeps_its_weights(packed, pretrain_config, tmp_path):
    random, metrics = run(pretrain_config("random"), packed, tmp_path)
    assert metrics["epochs"] == 0 and metrics["history"] == []
    data, _ = packed
    images = open_array(data / "train_images.npy", CPU)
    control = backbone_weights(random)
    for name in ("patchvae", "beta-vae", "bigan"):
        task = PretrainTask(pretrain_config(name), images, None, ON)
        phi = dict(task.objective.networks["model"].encoder.backbone.named_parameters())
        assert phi
        assert all(torch.equal(phi[key], control[key]) for key in phi), name
    other, _ = run(pretrain_config("random", seed=1), packed, tmp_path)
    assert not torch.equal(backbone_weights(other)["conv1.0.weight"], control["conv1.0.weight"])


def test_the_control_can_have_the_statistics_of_the_data(packed, pretrain_config, tmp_path):
    born, _ = run(pretrain_config("random"), packed, tmp_path)
    assert backbone_weights(born)["conv1.1.running_mean"].abs().max() == 0
    config = pretrain_config("random")
    config = config.model_copy(update={"model": config.model.model_copy(update={"statistics": "data"})})
    random, _ = run(config, packed, tmp_path)
    data, _ = packed
    phi = backbone_weights(random)
    images = open_array(data / "train_images.npy", CPU).permute(0, 3, 1, 2) / 127.5 - 1
    features = torch.nn.functional.conv2d(images, phi["conv1.0.weight"], stride=2, padding=3)
    torch.testing.assert_close(phi["conv1.1.running_mean"], features.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(phi["conv1.1.running_var"], features.var((0, 2, 3)), rtol=1e-3, atol=1e-4)


def first_step(config, packed):
    """The terms of a training's first step."""
    data, masks = packed
    images = open_array(data / "train_images.npy", CPU)
    run = Run("pretrain", config, data, Path("none.json"), "cpu", 1)
    task = PretrainTask(config, images, open_masks_or_labels(run, config, masks, images), ON)
    return {name: float(value.detach()) for name, value in do_step(task, 0).items()}


@pytest.mark.parametrize("name", ["beta-vae", "patchvae"])
def test_twins_of_one_architecture_see_the_same_weights_and_noise(name, packed, pretrain_config):
    plain = first_step(pretrain_config(name), packed)
    gan = first_step(pretrain_config(name, gan=GAN), packed)
    weighted = first_step(pretrain_config(name, weighted_loss=True), packed)
    assert gan["reconstruction"] == plain["reconstruction"]
    for key in plain.keys() - {"loss", "reconstruction"}:
        assert gan[key] == weighted[key] == plain[key]
    assert weighted["reconstruction"] != plain["reconstruction"]
    assert first_step(pretrain_config(name, seed=1), packed)["reconstruction"] != plain["reconstruction"]


def test_an_epoch_tells_the_maximum_of_every_term(packed, pretrain_config, tmp_path):
    _, metrics = run(pretrain_config("beta-vae", epochs=1), packed, tmp_path)
    data, _ = packed
    images = open_array(data / "train_images.npy", CPU)
    task = PretrainTask(pretrain_config("beta-vae", epochs=1), images, None, ON)
    steps = [float(do_step(task, step)["kl"]) for step in range(task.steps_per_epoch)]
    (epoch,) = metrics["history"]
    assert epoch["kl_max"] == pytest.approx(max(steps), rel=1e-5) and epoch["kl_max"] > epoch["kl"]


def test_a_snapshot_is_the_phi_of_a_shorter_training(packed, pretrain_config, tmp_path, monkeypatch):
    short, _ = run(pretrain_config(epochs=1), packed, tmp_path / "short")
    config = pretrain_config(epochs=3, snapshots=[1, 2])
    whole, _ = run(config, packed, tmp_path / "whole")
    expected = backbone_weights(short)
    found = backbone_weights(whole, 1)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert not torch.equal(backbone_weights(whole)["conv1.0.weight"], found["conv1.0.weight"])
    with pytest.raises(PatchVAEError, match="no snapshot of epoch 3, only of 1, 2"):
        backbone_weights(whole, 3)
    # A training that is stopped behind a snapshot keeps it.
    prepare = PretrainTask.prepare

    def stopping(self, number):
        if number == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return prepare(self, number)

    monkeypatch.setattr(PretrainTask, "prepare", stopping)
    with pytest.raises(SystemExit):
        run(config, packed, tmp_path / "cut")
    monkeypatch.setattr(PretrainTask, "prepare", prepare)
    cut, _ = run(config, packed, tmp_path / "cut")
    for epoch in (1, 2):
        found, expected = backbone_weights(cut, epoch), backbone_weights(whole, epoch)
        assert all(torch.equal(found[key], expected[key]) for key in expected)
    assert (tmp_path / "cut/model.pt").read_bytes() == (tmp_path / "whole/model.pt").read_bytes()


def test_shuffled_labels_are_the_same_labels_on_other_images():
    labels = torch.tensor([0, 1, -1, 2, 0, 1, -1, 2, 2, 2] * 5)
    images = (labels >= 0).nonzero().flatten()
    dealt = shuffled(labels, images, 0)
    assert not torch.equal(dealt, labels) and torch.equal(dealt, shuffled(labels, images, 0))
    assert torch.equal(dealt[images].sort().values, labels[images].sort().values)
    assert (dealt[labels < 0] == -1).all()
    assert not torch.equal(dealt, shuffled(labels, images, 1))


def test_labels_can_be_learned_and_shuffled_ones_need_memory(packed, pretrain_config, tmp_path):
    given, metrics = run(pretrain_config("supervised", epochs=6), packed, tmp_path / "given")
    _, other = run(pretrain_config("supervised", epochs=6, labels="shuffled"), packed, tmp_path / "shuffled")
    assert metrics["loss"]["train_top1"] > other["loss"]["train_top1"] + 10
    assert given["game"] is None and metrics["game"] is None


def test_a_new_discriminator_tells_whether_the_game_is_dead(packed, pretrain_config, tmp_path, monkeypatch):
    content, metrics = run(pretrain_config("beta-vae", gan={**GAN, "lr": 1e-3}, epochs=4), packed, tmp_path / "alive")
    assert content["game"] == metrics["game"] == checkpoint.pretraining_record(content | {"sha256": "s"})["game"]
    assert metrics["checkpoint_sha256"] == file_digest(tmp_path / "alive" / "model.pt")
    assert 0 <= metrics["game"]["accuracy"] <= 100 and metrics["game"]["fresh"] > 60
    assert metrics["game"]["accuracy"] == metrics["loss"]["discriminator_accuracy"]
    # One that cannot learn stays at chance, and the new one beats it.
    _, metrics = run(pretrain_config("beta-vae", gan={**GAN, "lr": 1e-9}, epochs=1), packed, tmp_path / "dead")
    assert abs(metrics["game"]["accuracy"] - 50) < 25


def test_bigans_game_lives(packed, pretrain_config):
    images = open_array(packed[0] / "train_images.npy", CPU)
    config = pretrain_config("bigan", batch_size=20, adam_betas=[0.5, 0.999])
    task = PretrainTask(config, images, None, ON)
    model, real = task.objective.networks["model"], task.scaling(images)

    @torch.no_grad()
    def error():
        found = squared_error(real, model.eval().decoder(model.encode(real)))
        model.train()
        return float(found)

    before = error()
    accuracy = [float(do_step(task, step)["discriminator_accuracy"]) for step in range(30)]
    assert error() < before / 2
    assert sum(accuracy[15:]) / 15 > 60
    samples = model.decoder(torch.randn(40, 8))
    assert samples.std(0).mean() > real.std(0).mean() / 4


def test_bigans_latents_are_standardised_like_the_prior(packed, pretrain_config):
    images = open_array(packed[0] / "train_images.npy", CPU)
    task = PretrainTask(pretrain_config("bigan"), images, None, ON)
    (_, latents), (_, prior) = task.objective.pairs(task.scaling(images), torch.tensor(0))
    assert latents.shape == prior.shape == (40, 8)
    torch.testing.assert_close(latents.mean(0), torch.zeros(8), rtol=0, atol=1e-3)
    torch.testing.assert_close(latents.var(0, correction=0), torch.ones(8), rtol=0, atol=1e-2)


def test_the_gradient_penalty_flattens_bigans_discriminator(packed, pretrain_config):
    images = open_array(packed[0] / "train_images.npy", CPU)
    slopes = []
    for penalty in (0.0, 100.0):
        task = PretrainTask(pretrain_config("bigan", gradient_penalty=penalty), images, None, ON)
        for step in range(5):
            do_step(task, step)
        (real, latents), _ = task.objective.pairs(task.scaling(images), torch.tensor(0))
        real.requires_grad_(True)
        logits = task.objective.networks["discriminator"](real, latents)
        slopes.append(float(torch.autograd.grad(logits.sum(), real)[0].square().sum()))
    assert slopes[1] < slopes[0] / 4


@pytest.mark.parametrize(
    ("name", "changes"),
    [("patchvae", {"weighted_loss": True, "flip": True}), ("beta-vae", {"gan": GAN}), ("bigan", {})],
)
def test_a_stopped_run_goes_on_to_the_same_bits(name, changes, packed, pretrain_config, tmp_path, monkeypatch):
    config = pretrain_config(name, **changes)
    whole, whole_metrics = run(config, packed, tmp_path / "whole")
    prepare = PretrainTask.prepare
    for kill_at in (3, 7):  # within the first epoch of five steps and within the second

        def stopping(self, number, kill_at=kill_at):
            if number == kill_at:
                os.kill(os.getpid(), signal.SIGTERM)
            return prepare(self, number)

        monkeypatch.setattr(PretrainTask, "prepare", stopping)
        with pytest.raises(SystemExit) as stop:
            run(config, packed, tmp_path / "cut")
        assert stop.value.code == 128 + signal.SIGTERM
        assert not (tmp_path / "cut" / "model.pt").exists()
    monkeypatch.setattr(PretrainTask, "prepare", prepare)
    cut, cut_metrics = run(config, packed, tmp_path / "cut")
    assert whole["model"].keys() == cut["model"].keys()
    assert all(torch.equal(whole["model"][key], cut["model"][key]) for key in whole["model"])
    assert whole_metrics["history"] == cut_metrics["history"]


def test_kill_minus_nine_loses_at_most_what_came_after_the_last_state(packed, pretrain_config, tmp_path):
    config = pretrain_config(epochs=3)
    whole, _ = run(config, packed, tmp_path / "whole")
    data, _ = packed
    code = f"""
import os, signal
from pathlib import Path
from patchvae.jobs.computing import compute
from patchvae.training import loop, pretrain as p
import functools, json
from patchvae.params.configs import check_config
p.train = functools.partial(loop.train, save_every=0.0)
prepare = p.PretrainTask.prepare
def stopping(self, number):
    if number == 8:
        os.kill(os.getpid(), signal.SIGKILL)
    return prepare(self, number)
p.PretrainTask.prepare = stopping
out = Path({str(tmp_path / "cut")!r})
config = check_config("pretrain", json.loads({json.dumps(config.given)!r}))
here = ("cpu", 1, out / "scratch")
compute("pretrain", config, Path({str(data)!r}), out / "metrics.json", *here, checkpoint=out / "model.pt")
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(patchvae.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    states = list((tmp_path / "cut" / "scratch").glob("*/state.pt"))
    assert len(states) == 1 and checkpoint.load(states[0])["step"] == 8
    cut, _ = run(config, packed, tmp_path / "cut")
    assert all(torch.equal(whole["model"][key], cut["model"][key]) for key in whole["model"])


def test_a_state_of_another_configuration_is_not_taken(packed, pretrain_config, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "all_finite", lambda tensors: True)
    saved = []
    save, train = checkpoint.save, loop.train
    monkeypatch.setattr(checkpoint, "save", lambda path, content: (saved.append(Path(path)), save(path, content)))
    monkeypatch.setattr("patchvae.training.pretrain.train", lambda *a: train(*a, save_every=0.0))
    data, _ = packed
    for lr in (1e-3, 2e-3):
        pretrain(pretrain_config(lr=lr), data, None, tmp_path / "o", tmp_path / "m", tmp_path / "s", "cpu", 1)
    states = {path.parent.name for path in saved if path.name == "state.pt"}
    assert len(states) == 2


def test_nan_stops_the_run_names_the_step_and_keeps_the_last_good_state(packed, pretrain_config, tmp_path, monkeypatch):
    train, step = loop.train, PretrainTask.step
    monkeypatch.setattr("patchvae.training.pretrain.train", lambda *a: train(*a, save_every=0.0))

    def poisoned(self, number):
        terms = step(self, number)
        return {**terms, "loss": terms["loss"] * float("nan")} if number == 6 else terms

    monkeypatch.setattr(PretrainTask, "step", poisoned)
    with pytest.raises(PatchVAEError, match=r"NaN or infinite at step 7 of 10; the last good state is kept in"):
        run(pretrain_config(), packed, tmp_path)
    (state,) = (tmp_path / "scratch").glob("*/state.pt")
    assert checkpoint.load(state)["step"] == 6
    assert not (tmp_path / "model.pt").exists() and not (tmp_path / "metrics.json").exists()


def test_real_divergence_is_caught(packed, pretrain_config, tmp_path):
    with pytest.raises(PatchVAEError, match="NaN or infinite"):
        run(pretrain_config().model_copy(update={"lr": 1e30}), packed, tmp_path)


def test_masks_that_do_not_fit_are_refused(packed, pretrain_config):
    data, masks = packed
    config = pretrain_config(weighted_loss=True)
    images = open_array(data / "train_images.npy", CPU)
    run = Run("pretrain", config, data, Path("none.json"), "cpu", 1)
    with pytest.raises(PatchVAEError, match="do not fit"):
        open_masks_or_labels(run, config, masks, images[:5])


def moving(monkeypatch, stop_at):
    """Have the training stop at a step, and keep what other steps are done."""
    prepare, seen = PretrainTask.prepare, []

    def counted(self, number):
        seen.append(number)
        if number == stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        return prepare(self, number)

    monkeypatch.setattr(PretrainTask, "prepare", counted)
    return seen


def test_a_training_goes_on_on_another_machine(packed, pretrain_config, tmp_path, monkeypatch):
    seen = moving(monkeypatch, stop_at=6)
    monkeypatch.setattr("patchvae.jobs.run.describe", lambda device: "Old CPU (4 cores)")
    with pytest.raises(SystemExit):
        run(pretrain_config(), packed, tmp_path)
    assert seen == list(range(7))
    seen = moving(monkeypatch, stop_at=None)
    monkeypatch.setattr("patchvae.jobs.run.describe", lambda device: "New CPU (64 cores)")
    data, _ = packed
    paths = {"checkpoint": tmp_path / "model.pt", "metrics": tmp_path / "metrics.json", "scratch": tmp_path / "scratch"}
    pretrain(pretrain_config(), data, None, **paths, device="cpu", threads=2)
    assert seen == [7, 8, 9]
    metrics = read_metrics(tmp_path / "metrics.json")
    assert metrics["device"] == "Old CPU (4 cores); New CPU (64 cores)"
    assert [(machine["device"], machine["threads"]) for machine in metrics["machines"]] == [
        ("Old CPU (4 cores)", 1),
        ("New CPU (64 cores)", 2),
    ]


def test_a_finished_training_whose_outputs_are_lost_is_not_run_again(packed, pretrain_config, tmp_path, monkeypatch):
    content, metrics = run(pretrain_config(), packed, tmp_path)
    for name in ("model.pt", "metrics.json"):  # as Snakemake does where a benchmark file cannot be written
        (tmp_path / name).unlink()
    seen = moving(monkeypatch, stop_at=0)
    again, again_metrics = run(pretrain_config(), packed, tmp_path)
    assert seen == []
    assert all(torch.equal(content["model"][key], again["model"][key]) for key in content["model"])
    # Of this process, whatever it has trained
    for content in (again_metrics, metrics):
        assert content.pop("peak_memory_mb") > 0
    assert again_metrics == metrics


def test_a_damaged_state_is_replaced(packed, pretrain_config, tmp_path, caplog):
    content, _ = run(pretrain_config(), packed, tmp_path)
    (state,) = (tmp_path / "scratch").glob("*/state.pt")
    state.write_bytes(state.read_bytes()[:1000])
    data, _ = packed
    paths = (tmp_path / "model.pt", tmp_path / "metrics.json", tmp_path / "scratch")
    pretrain(pretrain_config(), data, None, *paths, "cpu", 1, Watcher())
    assert f"{state} cannot be read" in caplog.text and "starts again from its first step" in caplog.text
    again = checkpoint.load(tmp_path / "model.pt")
    assert all(torch.equal(content["model"][key], again["model"][key]) for key in content["model"])
    assert checkpoint.load(state)["step"] == 10


def test_a_state_that_is_another_thing_names_itself(packed, pretrain_config, tmp_path):
    config = pretrain_config(epochs=1)
    run(config, packed, tmp_path)
    (state,) = (tmp_path / "scratch").glob("*/state.pt")
    content = checkpoint.load(state)
    for key in ("task", "losses", "history", "step", "seconds", "machines", "random"):
        checkpoint.save(state, {name: content[name] for name in content.keys() - {key}})
        with pytest.raises(PatchVAEError, match=r"state\.pt is no state of this training .*: delete it and run again"):
            run(config, packed, tmp_path)
    state.unlink()
    run(config, packed, tmp_path)


def test_a_batch_of_fewer_images_than_asked_for_is_told(packed, pretrain_config, tmp_path, caplog):
    data, _ = packed
    paths = (tmp_path / "model.pt", tmp_path / "metrics.json", tmp_path / "scratch")
    pretrain(pretrain_config(batch_size=64), data, None, *paths, "cpu", 1, Watcher())
    assert "a batch is all 40 images, fewer than batch_size 64" in caplog.text
    assert read_metrics(tmp_path / "metrics.json")["batch_size"] == 40


def test_masks_of_other_images_are_refused(packed, pretrain_config, tmp_path):
    data, masks = packed
    config = pretrain_config(weighted_loss=True)
    paths = (tmp_path / "model.pt", tmp_path / "metrics.json", tmp_path / "scratch")
    other = tmp_path / "masks.npy"
    other.write_bytes(masks.read_bytes())
    record = json.loads((masks.parent / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps(record | {"images_sha256": "0" * 64}))
    with pytest.raises(PatchVAEError, match="masks of other images"):
        pretrain(config, data, other, *paths, "cpu", 1)
    assert not (tmp_path / "model.pt").exists()
