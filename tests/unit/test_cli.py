"""The command line: what it prints, and one sentence for every mistake."""

import errno
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_files import packed_files, write_job
from PIL import Image

from patchvae import cli
from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.hardware import pick_device
from patchvae.jobs import work


@pytest.fixture
def restored() -> Iterator[None]:
    """`main` sets up logging and SIGTERM for a process of its own; give both back."""
    logger = logging.getLogger()
    handlers, level, sigterm = logger.handlers[:], logger.level, signal.getsignal(signal.SIGTERM)
    yield
    for handler in logger.handlers:
        if handler not in handlers:
            handler.close()
    logger.handlers[:] = handlers
    logger.setLevel(level)
    logging.captureWarnings(False)
    signal.signal(signal.SIGTERM, sigterm)


def run(root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "patchvae.cli", *arguments]
    return subprocess.run(command, cwd=root, env={"PYTHONPATH": "src"}, capture_output=True, text=True, timeout=60)


RUN = ["run", "jobs/small/masks.json"]


def job(**changes: Any) -> Path:
    """The file of a job of weight masks in the current folder, with another configuration."""
    config = {"image_size": 32, "patch_size": 8, "per_channel": True, "normalise": "mean-one"} | changes
    return write_job("masks", config, {}, {"masks": "masks/train.npy", "manifest": "masks/manifest.json"})


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["cost", "-p", "missing.yaml"], "missing.yaml"),
        (["plan", "-p", "PARAMS", "missing.yaml"], "missing.yaml"),
        (["plan", "-p", "PARAMS", "BAD"], "finetune.lrr"),
        (["cost", "-p", "PARAMS", "BAD"], "finetune.lrr"),
        (["status", "-p", "PARAMS", "MIXED"], "`run: NAME`"),
        (["export", "gone.pt", "--out", "new/phi.pt"], "gone.pt does not exist"),
        (["export", "gone.pt", "--out", "gone.pt"], "gone.pt is the checkpoint"),
        (["parts", "gone.pt", "cat.jpg", "--out", "new/parts.png"], "gone.pt does not exist"),
        (["parts", "gone.pt", "cat.jpg", "--out", "new/parts.svg"], "new/parts.svg"),
        (["run", "gone.json"], "gone.json"),
        (["run", "."], "."),
        (["run", "BROKEN"], "BROKEN"),
        (["run", "BROKEN", "--log", "own.log"], "BROKEN"),
        (["run", "PARAMS"], "params.yaml"),
        (["run", "BOTTOMLESS"], "BOTTOMLESS"),
        (["run", "MASKS"], "image_size"),
    ],
)
@pytest.mark.usefixtures("restored")
def test_a_mistake_is_one_sentence_and_status_1(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    root: Path,
    tmp_path: Path,
    arguments: list[str],
    part: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    overlays = {"BAD": "finetune: {lrr: 1}\n", "MIXED": "seeds: [7]\n", "BROKEN": "{", "BOTTOMLESS": "[" * 100_000}
    for name, text in overlays.items():
        Path(name).write_text(text)
    words = {"PARAMS": str(root / "params.yaml"), "MASKS": str(job(patch_size=7))}
    assert cli.main([words.get(word, word) for word in arguments]) == 1
    done = capsys.readouterr()
    assert part in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        *(([*RUN, "--threads", text], "--threads") for text in ("0", "-3", "abc", "1e9", "", "10000000000")),
        ([*RUN, "--thread", "2.5"], "--threads"),
        ([*RUN, "--colour", "red"], "--colour red"),
        (["trian"], "'trian'"),
        (["masks", "--config", "{}"], "'masks'"),
        ([], "COMMAND"),
        (["run"], "JOBFILE"),
        (["parts", "model.pt", "--out", "parts.png"], "IMAGE"),
    ],
)
def test_wrong_arguments_are_one_sentence_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], part: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    said = capsys.readouterr().err
    assert caught.value.code == 2
    assert part in said and len(said.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "name", ["foo", "", "cuda:x", "cuda:99", "cuda:-1", "cpu:1", "mps", "meta", "xla", "CPU", "cpu\n"]
)
def test_a_device_that_is_not_there_is_one_sentence(name: str) -> None:
    with pytest.raises(PatchVAEError, match="--device: ") as caught:
        pick_device(name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_mistake_in_a_process_of_its_own_ends_it(root: Path) -> None:
    done = run(root, "run", "gone.json")
    assert done.returncode == 1
    assert done.stderr.startswith("patchvae: error: ") and "gone.json" in done.stderr
    assert done.stdout == "" and len(done.stderr.strip().splitlines()) == 1


class OutOfMemoryError(RuntimeError):
    """Named as PyTorch's."""


@pytest.mark.parametrize(
    ("error", "status", "part"),
    [
        (PatchVAEError("data.npy is broken"), 1, "data.npy is broken"),
        (OSError(errno.ENOSPC, "No space left on device", "out.npy"), 1, "out.npy: No space left on device"),
        (MemoryError(), 1, "memory"),
        (OutOfMemoryError("CUDA"), 1, "memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (TypeError("odd"), 1, "unexpected error: TypeError: odd"),
    ],
)
@pytest.mark.usefixtures("restored")
def test_an_error_goes_to_the_terminal_as_a_sentence_and_to_the_log_in_full(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    error: BaseException,
    status: int,
    part: str,
) -> None:
    def fail(*args: Any) -> None:
        raise error

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(work.WORK, "masks", fail)
    log = tmp_path / "logs/masks.log"
    log.parent.mkdir()
    log.write_text("from an earlier run\n")
    assert cli.main(["run", str(job())]) == status
    terminal, written = capsys.readouterr().err, log.read_text()
    assert part in terminal
    assert "Traceback" not in terminal
    assert len(terminal.strip().splitlines()) == 1
    assert part in written
    assert ("Traceback" in written) == (status == 1)
    assert "earlier run" not in written


@pytest.mark.usefixtures("restored")
def test_download_and_prepare_meet_in_the_record(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("train/cat/a.png", "train/dog/b.png", "test/cat/c.png", "test/dog/d.png")):
        Path("pets", name).parent.mkdir(parents=True)
        Image.fromarray(np.full((32, 32, 3), number, dtype=np.uint8)).save(Path("pets", name))
    record = "data/sources/pets.json"
    kind = {"dataset": "pets", "format": "folders", "image_size": 32, "num_classes": 2, "max_undecodable": 0}
    packed = packed_files("data/packed/pets")
    source = {"location": str(tmp_path / "pets"), "checksum": "unverified"}
    missing = {"a": source, "b": source | {"location": "/nowhere"}}
    prepare = str(write_job("prepare", kind, {"sources": record}, {"packed": packed}))
    for sources, status in ((missing, 1), ({"a": source}, 0)):
        download = write_job("download", {"dataset": "pets", "sources": sources}, {}, {"out": record})
        assert cli.main(["run", str(download)]) == status
        assert Path(record).exists() == Path("download.record").exists() == (status == 0)
        assert ("source b of pets" in capsys.readouterr().err) == (status == 1)
        assert cli.main(["run", prepare]) == status
        assert (record in capsys.readouterr().err) == (status == 1)
    assert read_json(packed[0])["source"] == {"a": read_json(record)["sources"]["a"]["checksum"]}


def test_parameters_prints_csv(root: Path) -> None:
    done = run(root, "parameters")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "network,dataset,params,paper"
