"""The command line: what it prints, and one sentence for every mistake."""

import errno
import json
import logging
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from patchvae import cli
from patchvae.errors import PatchVAEError
from patchvae.files import read_json


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


def test_resolve_prints_sorted_json(root: Path) -> None:
    job = ["pretrain", "dataset=cifar100", "variant=patchvae", "seed=0"]
    files = ["-p", "params.yaml", "configs/authors-code.yaml", "--schema", "workflow/schemas/params.schema.yaml"]
    done = run(root, "resolve", *job, *files)
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)
    assert config["model"]["beta_occ"] == 10.0
    assert done.stdout == json.dumps(config, sort_keys=True, indent=1) + "\n"


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["resolve", "masks", "dataset=mnist"], "mnist"),
        (["resolve", "masks", "dataset=cifar100", "-p", "missing.yaml"], "missing.yaml"),
        (["masks", "--config", "{", "--images", "a", "--out", "b"], "--config"),
        (["masks", "--config", "[]", "--images", "a", "--out", "b"], "--config"),
        (["masks", "--config", "@missing.json", "--images", "a", "--out", "b"], "missing.json"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_1(root: Path, arguments: list[str], part: str) -> None:
    done = run(root, *arguments)
    assert done.returncode == 1
    assert part in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert done.stdout == ""


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
    def fail(args: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "masks", fail)
    log = tmp_path / "logs/masks.log"
    log.parent.mkdir()
    log.write_text("from an earlier run\n")
    arguments = ["masks", "--log", str(log), "--config", "{}", "--images", "a", "--out", "b"]
    assert cli.main(arguments) == status
    terminal, written = capsys.readouterr().err, log.read_text()
    assert part in terminal
    assert "Traceback" not in terminal
    assert len(terminal.strip().splitlines()) == 1
    assert part in written
    assert ("Traceback" in written) == (status == 1)
    assert "earlier run" not in written


@pytest.mark.usefixtures("restored")
def test_masks_without_a_value_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(cli, "pretrain", seen.append)
    paths = ["--data", "d", "--checkpoint", "c", "--metrics", "m", "--scratch", "s"]
    assert cli.main(["pretrain", "--config", "{}", "--masks", *paths]) == 0
    assert cli.main(["pretrain", "--config", "{}", "--masks", "w.npy", *paths]) == 0
    assert [args.masks for args in seen] == [None, Path("w.npy")]


@pytest.mark.usefixtures("restored")
def test_download_and_prepare_meet_in_the_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number, name in enumerate(("train/cat/a.png", "train/dog/b.png", "test/cat/c.png", "test/dog/d.png")):
        (tmp_path / "pets" / name).parent.mkdir(parents=True)
        Image.fromarray(np.full((32, 32, 3), number, dtype=np.uint8)).save(tmp_path / "pets" / name)
    source = {"location": str(tmp_path / "pets"), "checksum": "unverified"}
    raw, record = ["--raw-dir", str(tmp_path / "raw")], str(tmp_path / "sources" / "pets.json")
    download = ["download", *raw, "--out", record, "--config"]
    missing = {"a": source, "b": source | {"location": "/nowhere"}}
    assert cli.main([*download, json.dumps({"dataset": "pets", "sources": missing})]) == 1
    assert "patchvae: error: source b of pets: cannot read /nowhere" in capsys.readouterr().err
    assert not Path(record).exists()
    assert cli.main([*download, json.dumps({"dataset": "pets", "sources": {"a": source}})]) == 0

    config = json.dumps({"dataset": "pets", "format": "folders", "image_size": 32, "num_classes": 2})
    prepare = ["prepare", "--config", config, "--out-dir", str(tmp_path / "packed"), "--threads", "1"]
    assert cli.main(prepare) == 1
    assert "pets is made from raw files" in capsys.readouterr().err
    assert cli.main([*prepare, *raw, "--sources", record]) == 0
    recorded = read_json(record)["sources"]["a"]["checksum"]
    assert read_json(tmp_path / "packed" / "manifest.json")["source"] == {"a": recorded}


def test_parameters_prints_csv(root: Path) -> None:
    done = run(root, "parameters")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "network,dataset,params,paper"
