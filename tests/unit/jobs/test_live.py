"""Live curves: there where TensorBoard is, and never in the way of a training."""

import json
import logging
import os
import signal
import sys
import types

import pytest
import torch
from helpers import finetune, pretrain

from patchvae.jobs.watch import Live, Watcher
from patchvae.records import checkpoint
from patchvae.training.pretrain import PretrainTask

MODULE = "torch.utils.tensorboard"


class FakeWriter:
    """TensorBoard's writer as far as it is used; keeps a line per number, and a file where the real one has it."""

    made = 0

    def __init__(self, folder):
        FakeWriter.made += 1
        os.makedirs(folder, exist_ok=True)
        self.path = os.path.join(folder, f"events.out.tfevents.{FakeWriter.made}")
        self.closed = False
        self.lines = []
        self.flush()

    def add_scalar(self, name, value, step):
        assert not self.closed
        self.lines.append([name, value, step])

    def flush(self):
        with open(self.path, "w", encoding="utf-8") as stream:
            json.dump(self.lines, stream)

    def close(self):
        self.flush()
        self.closed = True


class BrokenWriter(FakeWriter):
    """Its disk is full from the second epoch on."""

    def flush(self):
        if any(step == 2 for _, _, step in getattr(self, "lines", [])):
            raise OSError(28, "No space left on device")
        super().flush()


@pytest.fixture
def library(monkeypatch):
    """A function that puts a writer, or none, in the place of TensorBoard's."""

    def install(writer):
        module = None if writer is None else types.ModuleType(MODULE)
        if writer is not None:
            module.SummaryWriter = writer
        monkeypatch.setitem(sys.modules, MODULE, module)

    return install


def lines(folder):
    """All that the files of a folder tell, in the order of their names."""
    return [line for path in sorted(folder.glob("events*")) for line in json.loads(path.read_text())]


def run(config, packed, out, live=None):
    data, _ = packed
    pretrain(
        config, data, None, out / "model.pt", out / "metrics.json", out / "scratch", "cpu", 1, Watcher(live, "pretrain")
    )
    return checkpoint.load(out / "model.pt"), json.loads((out / "metrics.json").read_text())


def test_every_number_of_the_history_is_shown_and_no_bit_changes(packed, pretrain_config, library, tmp_path):
    library(FakeWriter)
    plain, told = run(pretrain_config(), packed, tmp_path / "plain")
    watched, metrics = run(pretrain_config(), packed, tmp_path / "watched", tmp_path / "live")
    assert all(torch.equal(plain["model"][key], watched["model"][key]) for key in plain["model"])
    assert told["history"] == metrics["history"]
    shown = {(step, name): value for name, value, step in lines(tmp_path / "live")}
    assert shown == {
        (record["epoch"], f"pretrain/{name}"): value
        for record in metrics["history"]
        for name, value in record.items()
        if name != "epoch"
    }
    assert (1, "pretrain/loss") in shown and (2, "pretrain/loss") in shown


def test_fine_tunings_have_charts_of_their_own(packed, pretrain_config, finetune_config, library, tmp_path):
    library(FakeWriter)
    run(pretrain_config(), packed, tmp_path)
    places = (packed[0], tmp_path / "model.pt", tmp_path / "m.json", tmp_path / "scratch")
    finetune(finetune_config(epochs=1), *places, "cpu", 1, Watcher(tmp_path / "live", "finetune"))
    names = [name for name, _, _ in lines(tmp_path / "live")]
    terms = ("loss", "train_top1", "loss_max", "train_top1_max", "test_top1", "test_top5")
    assert names == [f"finetune/{name}" for name in terms]


def test_a_resumed_or_repeated_training_shows_no_epoch_twice(packed, pretrain_config, library, tmp_path, monkeypatch):
    library(FakeWriter)
    config, live, prepare = pretrain_config(epochs=3), tmp_path / "live", PretrainTask.prepare

    def stopping(self, number):
        if number == 7:  # within the second of three epochs of five steps
            os.kill(os.getpid(), signal.SIGTERM)
        return prepare(self, number)

    monkeypatch.setattr(PretrainTask, "prepare", stopping)
    with pytest.raises(SystemExit):
        run(config, packed, tmp_path, live)
    assert {step for _, _, step in lines(live)} == {1}
    monkeypatch.setattr(PretrainTask, "prepare", prepare)
    (live / "notes.txt").write_text("mine")
    for _ in range(2):
        run(config, packed, tmp_path, live)
        shown = [step for name, _, step in lines(live) if name == "pretrain/loss"]
        assert shown == [1, 2, 3]
    assert (live / "notes.txt").exists()


def test_a_control_has_none(packed, pretrain_config, library, tmp_path):
    library(FakeWriter)
    run(pretrain_config("random"), packed, tmp_path, tmp_path / "live")
    assert not (tmp_path / "live").exists()


def test_without_the_library_nothing_happens(packed, pretrain_config, library, tmp_path, caplog):
    library(None)
    with caplog.at_level(logging.INFO):
        run(pretrain_config(), packed, tmp_path, tmp_path / "live")
    assert not (tmp_path / "live").exists()
    assert "TensorBoard is not installed" in caplog.text
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_an_error_ends_the_curves_and_not_the_training(packed, pretrain_config, library, tmp_path, caplog):
    library(BrokenWriter)
    _, metrics = run(pretrain_config(epochs=3), packed, tmp_path, tmp_path / "live")
    assert len(metrics["history"]) == 3
    assert {step for _, _, step in lines(tmp_path / "live")} == {1}
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1
    assert "No space left on device" in caplog.text


def test_a_folder_that_cannot_be_made_is_no_error(library, tmp_path, caplog):
    library(FakeWriter)
    (tmp_path / "file").write_text("")
    live = Live(tmp_path / "file" / "live")
    live.start([{"epoch": 1, "loss": 1.0}])
    live.add({"epoch": 2, "loss": 1.0})
    live.close()
    assert len(caplog.records) == 1


def test_the_real_library_writes_what_it_reads(tmp_path):
    pytest.importorskip(MODULE, reason="TensorBoard is not installed")
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for _ in range(2):
        live = Live(tmp_path / "live", "pretrain")
        live.start([{"epoch": 1, "loss": 0.5}])
        live.add({"epoch": 2, "loss": 0.25})
        live.close()
    events = accumulators.EventAccumulator(str(tmp_path / "live"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("pretrain/loss")] == [(1, 0.5), (2, 0.25)]
