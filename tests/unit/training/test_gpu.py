"""Trainings on an NVIDIA GPU, where each step is one CUDA graph: `make test-gpu`.

They need PyTorch, pytest, pydantic and ruamel.yaml, and neither Snakemake nor DVC.
"""

import functools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers import finetune, pretrain, weighted

import patchvae
from patchvae.data import tensors
from patchvae.records import checkpoint
from patchvae.training import finetune as finetuning
from patchvae.training import pretrain as pretraining
from patchvae.training.graphs import record
from patchvae.training.loop import train

pytestmark = pytest.mark.gpu
GAN = {"weight": 1.0, "generator_step": "joint", "lr": 1e-4, "adam_betas": [0.5, 0.999]}
KINDS = [
    ("beta-vae", {}),
    ("patchvae", {"flip": True}),
    ("patchvae", {"gan": GAN, "weighted_loss": True, "flip": True}),
    ("beta-vae", {"gan": {**GAN, "generator_step": "double"}}),
    ("bigan", {}),
    ("supervised", {}),
]
HEADS = [
    ("none", {}),
    ("conv1", {"head_dropout": 0.5}),
    ("conv1-3", {"last_batch": "keep", "batch_size": 9}),
    ("conv1-5", {"decay_every": 1}),
    ("conv1-5", {"flip": True}),
    ("conv1-5", {"frozen_batch_norm": "train"}),
]
# A job in a process of its own, which a signal stops before step STOP
JOB = """
import json, os, pathlib, signal, sys
from patchvae.params.configs import check_config
from patchvae.jobs.computing import compute
from patchvae.training import finetune as f, pretrain as p
rule, config, data, more, out, stop = sys.argv[1:]
config, data, out, stop = check_config(rule, json.loads(config)), pathlib.Path(data), pathlib.Path(out), int(stop)
task = p.PretrainTask if rule == "pretrain" else f.FinetuneTask
prepare = task.prepare
def stopping(self, step):
    if step == stop:
        os.kill(os.getpid(), signal.SIGTERM)
    return prepare(self, step)
task.prepare = stopping
files = {"checkpoint": out / "model.pt"} if rule == "pretrain" else {}
if more:
    files["masks" if rule == "pretrain" else "pretrained"] = pathlib.Path(more)
compute(rule, config, data, out / "metrics.json", "cuda", 1, out / "scratch", **files)
"""


def python(code, *arguments):
    """A process with this package, whatever else the path of this one has."""
    places = [str(Path(patchvae.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def in_a_process(rule, config, data, more, out, stop=-1):
    done = python(JOB, rule, json.dumps(config.given), data, more or "", out, stop)
    assert done.returncode == (128 + signal.SIGTERM if stop >= 0 else 0), done.stderr


def state_of(out):
    """The weights of a finished training, by name, and its history."""
    (path,) = out.glob("scratch/*/state.pt")
    content = checkpoint.load(path)
    parts = content["task"].get("networks") or {part: content["task"][part] for part in ("trained", "frozen")}
    return {f"{part}.{key}": value for part, some in parts.items() for key, value in some.items()}, content["history"]


def same(found, expected):
    (weights, history), (expected_weights, expected_history) = state_of(found), state_of(expected)
    assert weights.keys() == expected_weights.keys()
    assert [key for key, value in weights.items() if not torch.equal(value, expected_weights[key])] == []
    assert history == expected_history


@pytest.fixture
def trained(packed, request, tmp_path, monkeypatch):
    """A function that trains with recorded steps or with plain ones; returns its folder and how many were recorded."""

    def run(config, name, plain=False):
        out, recordings = tmp_path / name, []

        def recorder(work):
            if plain:
                raise RuntimeError("plain steps")
            recordings.append(record(work))
            return recordings[-1]

        for module in (pretraining, finetuning):
            monkeypatch.setattr(module, "train", functools.partial(train, recorder=recorder))
        data, masks = packed
        if hasattr(config, "regime"):
            weights = request.getfixturevalue("weights")
            finetune(config, data, weights, out / "metrics.json", out / "scratch", "cuda", 1)
        else:
            paths = {"checkpoint": out / "model.pt", "metrics": out / "metrics.json", "scratch": out / "scratch"}
            pretrain(config, data, masks if weighted(config) else None, **paths, device="cuda", threads=1)
        return out, len(recordings)

    return run


@pytest.mark.parametrize(("name", "changes"), KINDS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_pretraining_is_recorded_and_keeps_its_bits(name, changes, precision, trained, pretrain_config):
    config = pretrain_config(name, precision=precision, epochs=4, snapshots=[1], **changes)
    (found, recordings), (expected, _) = trained(config, "graph"), trained(config, "plain", plain=True)
    assert recordings == 1
    same(found, expected)


@pytest.mark.parametrize(("regime", "changes"), HEADS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_finetuning_is_recorded_and_keeps_its_bits(regime, changes, precision, trained, finetune_config):
    config = finetune_config(regime=regime, precision=precision, **{"epochs": 5, **changes})
    (found, recordings), (expected, _) = trained(config, "graph"), trained(config, "plain", plain=True)
    assert recordings == (2 if config.last_batch == "keep" else 1)
    same(found, expected)


def test_without_determinism_it_is_recorded_too(trained, pretrain_config, finetune_config):
    assert trained(pretrain_config("bigan", deterministic=False), "bigan")[1] == 1
    assert trained(finetune_config(regime="none", deterministic=False), "head")[1] == 1


def test_images_that_do_not_fit_give_the_bits_of_those_that_do(trained, pretrain_config, monkeypatch):
    config = pretrain_config("patchvae", weighted_loss=True, flip=True, epochs=4)
    expected, _ = trained(config, "resident")
    monkeypatch.setattr(tensors.torch.cuda, "mem_get_info", lambda device: (0, 0))
    found, recordings = trained(config, "read")
    assert recordings == 1
    same(found, expected)


@pytest.mark.parametrize(
    ("name", "changes"),
    [("patchvae", {"precision": "bf16", "gan": GAN, "weighted_loss": True, "flip": True}), ("bigan", {})],
)
def test_a_pretraining_stopped_in_its_process_goes_on_in_another_to_the_same_bits(
    name, changes, packed, pretrain_config, tmp_path
):
    config = pretrain_config(name, epochs=4, **changes)
    data, masks = packed
    masks = masks if weighted(config) else None
    in_a_process("pretrain", config, data, masks, tmp_path / "whole")
    for stop in (2, 8, 17):  # before the recording, and after it in a second and a third process
        in_a_process("pretrain", config, data, masks, tmp_path / "cut", stop)
    in_a_process("pretrain", config, data, masks, tmp_path / "cut")
    same(tmp_path / "cut", tmp_path / "whole")


def test_a_head_stopped_in_its_process_goes_on_in_another_to_the_same_bits(packed, weights, finetune_config, tmp_path):
    config = finetune_config(epochs=4, head_dropout=0.5, decay_every=1)
    in_a_process("finetune", config, packed[0], weights, tmp_path / "whole")
    in_a_process("finetune", config, packed[0], weights, tmp_path / "cut", 8)
    in_a_process("finetune", config, packed[0], weights, tmp_path / "cut")
    same(tmp_path / "cut", tmp_path / "whole")


WAITING = """
import torch
from patchvae.training.graphs import Repeated, stream_of_its_own
gpu = torch.device("cuda")
def draws(waiting):
    torch.manual_seed(0)
    total, told = torch.zeros((), device=gpu), []
    def work():
        total.add_(torch.rand((), device=gpu))
        if waiting and float(total) > 1e9:
            total.zero_()
    with stream_of_its_own(gpu):
        repeated = Repeated(work, gpu, told.append)
        for _ in range(10):
            repeated()
    return float(total), len(repeated.recordings), told
recorded, plain, again = draws(False), draws(True), draws(False)
assert recorded[0] == plain[0] == again[0], (recorded, plain, again)
assert recorded[1:] == (1, []), recorded
assert plain[1] == again[1] == 0 and len(plain[2]) == len(again[2]) == 1, (plain, again)
print(plain[2][0], again[2][0], sep="\\n")
"""


def test_work_that_waits_for_the_gpu_is_done_plainly_with_the_same_random_numbers():
    """In a process of its own, which records nothing after that."""
    done = python(WAITING)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert "captur" in first and "an earlier recording failed" in second
