"""Recorded steps: what a GPU does with them, imitated on the CPU by a tape of PyTorch's operations."""

import contextlib
import functools
import gc
import os
import signal
from types import SimpleNamespace

import pytest
import torch
from helpers import finetune, pretrain, weighted
from tape import Tape

from patchvae.records import checkpoint
from patchvae.records.metrics_files import read_metrics
from patchvae.training import finetune as finetuning
from patchvae.training import graphs
from patchvae.training import pretrain as pretraining
from patchvae.training.graphs import WARM_UP, Repeated
from patchvae.training.loop import train
from patchvae.training.pretrain import PretrainTask

CPU = torch.device("cpu")
GAN = {"weight": 1.0, "generator_step": "joint", "lr": 1e-4, "adam_betas": [0.5, 0.999]}


def run(config, packed, out):
    """The checkpoint and the metrics of a pretraining."""
    data, masks = packed
    paths = {"checkpoint": out / "model.pt", "metrics": out / "metrics.json", "scratch": out / "scratch"}
    pretrain(config, data, masks if weighted(config) else None, **paths, device="cpu", threads=1)
    return checkpoint.load(out / "model.pt"), read_metrics(out / "metrics.json")


def test_plain_calls_come_first_then_one_recording_for_each_shape():
    done, recorded, told = [], [], []

    def recorder(work):
        recorded.append(len(done))
        return lambda: done.append("replayed")

    repeated = Repeated(lambda: done.append("plain"), CPU, told.append, recorder)
    for shape in (4, 4, 2, 4, 4, 2, 4, 2, 2, 2):
        repeated(shape)
    assert WARM_UP == 3 and done == ["plain"] * 4 + ["replayed", "plain", "replayed", "plain", "replayed", "replayed"]
    assert recorded == [4, 8] and told == []


def test_what_cannot_be_recorded_is_done_plainly_and_said_once():
    values, told = torch.zeros(2), []

    def work():
        values[0] += 1
        if float(values[0]) > 0:  # waits for the device
            values[1] += 1

    repeated = Repeated(work, CPU, told.append, Tape)
    for _ in range(8):
        repeated()
    assert values[1] == 8 and len(told) == 1 and "\n" not in told[0] and "waits for the device" in told[0]


def test_after_a_failed_recording_no_earlier_one_is_used():
    """Its random numbers would not continue those of the plain calls."""
    done, told = [], []

    def recorder(work):
        if len(done) > 6:
            raise RuntimeError("out of memory")
        return lambda: done.append("replayed")

    repeated = Repeated(lambda: done.append("plain"), CPU, told.append, recorder)
    for shape in (4, 4, 4, 4, 2, 2, 2, 2, 4):
        repeated(shape)
    assert done == ["plain"] * 3 + ["replayed"] + ["plain"] * 5
    assert len(told) == 1 and told[0].endswith("out of memory")


class FakeGenerator:
    """The random numbers of a GPU that is not there."""

    def __init__(self):
        self.restored = []

    def clone_state(self):
        return "before"

    def graphsafe_set_state(self, state):
        self.restored.append(state)


@pytest.fixture
def fake_gpu(monkeypatch):
    """What `record` needs of PyTorch, without a GPU; returns its generator."""

    @contextlib.contextmanager
    def graph(recording, stream, capture_error_mode):
        assert not gc.isenabled() and capture_error_mode == "thread_local"
        try:
            yield
        except RuntimeError:
            raise RuntimeError("operation failed due to a previous error") from None

    generator = FakeGenerator()
    for name, value in {
        "default_generators": [generator],
        "current_device": lambda: 0,
        "current_stream": lambda: "a stream",
        "CUDAGraph": lambda: SimpleNamespace(replay=print),
        "graph": graph,
    }.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(graphs, "_failed", [])
    return generator


def test_a_recording_calls_the_work_once_and_leaves_the_generator_alone(fake_gpu):
    calls = []
    assert graphs.record(lambda: calls.append(1)) is print
    assert calls == [1] and fake_gpu.restored == [] and gc.isenabled()


def test_a_failed_recording_puts_the_generator_back_names_the_first_error_and_is_the_last(fake_gpu):
    def waiting():
        raise RuntimeError("not permitted when stream is capturing\nand more")

    done, told = [], []
    repeated = Repeated(lambda: done.append(1) if len(done) < 3 else waiting(), CPU, told.append, graphs.record)
    for _ in range(3):
        repeated()
    with pytest.raises(RuntimeError, match="not permitted"):  # the work itself fails here, as plain work would not
        repeated()
    assert fake_gpu.restored == ["before"] and gc.isenabled()
    assert len(told) == 1 and told[0].endswith("kernel by kernel: not permitted when stream is capturing")
    with pytest.raises(RuntimeError, match="an earlier recording failed: not permitted when stream is capturing"):
        graphs.record(lambda: done.append(1))
    assert len(done) == 3


def test_the_host_is_never_far_ahead_of_the_gpu(monkeypatch):
    """So that a signal or a save has little to wait for."""
    started, finished = [], []

    class Event:
        def __init__(self, blocking):
            self.number = len(started)

        def record(self):
            started.append(self.number)

        def synchronize(self):
            finished.append(self.number)

    monkeypatch.setattr(torch.cuda, "Event", Event)
    repeated = Repeated(lambda: None, torch.device("cuda"), print, lambda work: work)
    for number in range(1, 50):
        repeated()
        assert len(started) == number and len(finished) == max(0, number - graphs.AHEAD)
    assert finished == sorted(finished)


def recorded(monkeypatch):
    """Have trainings record their steps; returns the tapes."""
    tapes = []

    def recorder(work):
        tapes.append(Tape(work))
        return tapes[-1].replay

    for module in (pretraining, finetuning):
        monkeypatch.setattr(module, "train", functools.partial(train, recorder=recorder))
    return tapes


KINDS = [
    ("beta-vae", {}),
    ("patchvae", {}),
    ("patchvae", {"weighted_loss": True, "flip": True}),
    ("patchvae", {"gan": GAN, "weighted_loss": True}),
    ("beta-vae", {"gan": {**GAN, "generator_step": "double"}}),
    ("bigan", {}),
    ("supervised", {}),
    ("supervised", {"labels": "shuffled"}),
    ("patchvae", {"precision": "bf16"}),  # one kind, as bf16 is slow on a CPU without units for it
]


@pytest.mark.parametrize(("name", "changes"), KINDS)
def test_a_recorded_pretraining_gives_the_same_bits(name, changes, packed, pretrain_config, tmp_path, monkeypatch):
    config = pretrain_config(name, snapshots=[1], **changes)
    plain, told = run(config, packed, tmp_path / "plain")
    tapes = recorded(monkeypatch)
    found, metrics = run(config, packed, tmp_path / "recorded")
    assert len(tapes) == 1 and len(tapes[0].lines) > 100
    assert metrics["history"] == told["history"] and metrics["game"] == told["game"]
    assert all(torch.equal(found["model"][key], value) for key, value in plain["model"].items())
    assert all(torch.equal(found["snapshots"][1][key], value) for key, value in plain["snapshots"][1].items())


def test_a_state_from_a_cpu_can_go_on_as_graphs(packed, pretrain_config, tmp_path):
    """A saved state brings the options of its optimisers, and PyTorch records no step of one that is not capturable."""
    config = pretrain_config("beta-vae", gan=GAN, epochs=1)
    run(config, packed, tmp_path)
    (state,) = (tmp_path / "scratch").glob("*/state.pt")
    options = [optimizer["param_groups"][0] for optimizer in checkpoint.load(state)["task"]["optimizers"].values()]
    assert [option["capturable"] and option["fused"] for option in options] == [True, True]


def test_a_recorded_training_that_is_stopped_goes_on_to_the_same_bits(packed, pretrain_config, tmp_path, monkeypatch):
    config = pretrain_config("patchvae", gan=GAN, flip=True)
    whole, told = run(config, packed, tmp_path / "whole")
    tapes = recorded(monkeypatch)
    prepare = PretrainTask.prepare

    def stopping(self, number):
        if number == 6:  # between two replays
            os.kill(os.getpid(), signal.SIGTERM)
        return prepare(self, number)

    monkeypatch.setattr(PretrainTask, "prepare", stopping)
    with pytest.raises(SystemExit):
        run(config, packed, tmp_path / "cut")
    monkeypatch.setattr(PretrainTask, "prepare", prepare)
    cut, metrics = run(config, packed, tmp_path / "cut")
    assert len(tapes) == 1  # three steps were left, which are plain ones
    assert metrics["history"] == told["history"]
    assert all(torch.equal(cut["model"][key], value) for key, value in whole["model"].items())


def test_a_tape_repeats_operations_and_no_python():
    """So that a step which computed a value on the host would be found out."""
    on_host, on_device = torch.zeros(()), torch.zeros(())
    calls = []

    def work():
        calls.append(1)
        on_host.add_(len(calls))
        on_device.add_(on_device + 1)

    tape = Tape(work)
    for _ in range(3):
        tape.replay()
    assert len(calls) == 1 and on_host == 3 and on_device == 7


@pytest.mark.parametrize(
    ("regime", "changes"),
    [
        ("none", {}),
        ("conv1", {"head_dropout": 0.5}),
        ("conv1-3", {"last_batch": "keep"}),
        ("conv1-5", {"decay_every": 1}),
        ("conv1-5", {"flip": True}),
        ("conv1-5", {"frozen_batch_norm": "train"}),
        ("conv1", {"precision": "bf16"}),
    ],
)
def test_a_recorded_finetuning_gives_the_same_numbers(
    regime, changes, packed, weights, finetune_config, tmp_path, monkeypatch
):
    config = finetune_config(regime=regime, **{"epochs": 4, "batch_size": 9, **changes})
    plain, found = tmp_path / "plain", tmp_path / "recorded"
    finetune(config, packed[0], weights, plain / "metrics.json", plain / "scratch", "cpu", 1)
    tapes = recorded(monkeypatch)
    finetune(config, packed[0], weights, found / "metrics.json", found / "scratch", "cpu", 1)
    assert len(tapes) == (2 if config.last_batch == "keep" else 1)
    assert read_metrics(found / "metrics.json")["history"] == read_metrics(plain / "metrics.json")["history"]
    (state,), (expected,) = (
        [checkpoint.load(path)["task"] for path in place.glob("scratch/*/state.pt")] for place in (found, plain)
    )
    for part in ("trained", "frozen"):
        assert all(torch.equal(state[part][key], value) for key, value in expected[part].items())
