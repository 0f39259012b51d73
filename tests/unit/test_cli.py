"""The command line: what it prints, and one sentence for every mistake."""

import errno
import json
import logging
import re
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
from patchvae.hardware import pick_device
from patchvae.resolve import resolve


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
    done = run(root, "resolve", *job, "-p", "params.yaml", "configs/authors-code.yaml")
    assert done.returncode == 0, done.stderr
    config = json.loads(done.stdout)
    assert config["model"]["beta_occ"] == 10.0
    assert done.stdout == json.dumps(config, sort_keys=True, indent=1) + "\n"


MASKS = {"image_size": 32, "patch_size": 8, "per_channel": True, "normalise": "mean-one"}
JOB = ["resolve", "pretrain", "dataset=cifar100", "variant=patchvae"]
TRAIN = ["reconstruct", "--config", "{}", "--data", "d", "--checkpoint", "c", "--metrics", "m"]


def masks(config: str) -> list[str]:
    return ["masks", "--config", config, "--images", "a", "--out", "b"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["resolve", "masks", "dataset=mnist"], "masks: unknown dataset 'mnist', known are cifar100"),
        (["resolve", "masks", "dataset=cifar10"], "unknown dataset 'cifar10'; did you mean cifar100?"),
        (["resolve", "masks", "dataset=cifar100", "dataset=digits"], "dataset is given twice"),
        (["resolve", "masks", "cifar100"], "'cifar100' is not KEY=VALUE"),
        (["resolve", "masks", "data=cifar100"], "has no wildcard 'data'; did you mean dataset?"),
        (["resolve", "masks", "dataset=cifar100", "seed=0"], "has no wildcard 'seed', it has dataset"),
        (["resolve", "masks"], "masks: no 'dataset' among"),
        (["resolve", "mask", "dataset=cifar100"], "did you mean masks?"),
        (["resolve", "masks", "dataset=cifar100", "-p", "missing.yaml"], "missing.yaml"),
        ([*JOB, "seed=abc"], "seed 'abc' is not a whole number from 0 to 4294967295"),
        ([*JOB, "seed=-1"], "seed '-1' is no"),
        ([*JOB, "seed=1.0"], "seed '1.0' is no"),
        ([*JOB, "seed=4294967296"], "seed '4294967296' is no"),
        ([*JOB, "seed="], "seed '' is no"),
        ([*JOB, "seed=\u0663"], "seed '\u0663' is no"),
        ([*JOB], "pretrain: no 'seed' among"),
        ([*JOB, "seed=0", "run=demo"], "the parameters are those of run paper, not of 'demo'"),
        (["resolve", "pretrain", "dataset=cifar100", "variant=patchvea", "seed=0"], "did you mean patchvae?"),
        (["resolve", "sweep", "key=lr"], "unknown key 'lr'"),
        (["resolve", "figure_parts", "dataset=cifar100", "figure=figure2"], "unknown figure 'figure2'"),
        (["resolve", "table2", "-p", "params.yaml", "configs/cifar100-quick.yaml"], "so this run has no such table"),
        (["resolve", "table7", "-p", "params.yaml", "configs/cifar100-quick.yaml"], "so this run has no such table"),
        (["resolve", "parts_table", "-p", "params.yaml", "configs/cifar100-quick.yaml"], "no such table"),
        (["resolve", "table1", "-p", "params.yaml", "BAD"], "parameters: finetune.lrr: unknown key; did you mean lr?"),
        (["resolve", "table1", "-p", "params.yaml", "MIXED"], "add `run: NAME`"),
        (masks("{"), "--config"),
        (masks("[]"), "--config"),
        (masks("{}"), "--config: "),
        (["score-parts", *TRAIN[1:]], "--config: "),
        (["export", "gone.pt", "--out", "new/phi.pt"], "checkpoint gone.pt does not exist"),
        (["export", "gone.pt", "--out", "gone.pt"], "--out: gone.pt is the checkpoint and would be overwritten"),
        (["parts", "gone.pt", "cat.jpg", "--out", "new/parts.png"], "checkpoint gone.pt does not exist"),
        (["parts", "gone.pt", "cat.jpg", "--out", "new/parts.svg"], "new/parts.svg is neither .png nor .pdf"),
        (masks("@missing.json"), "missing.json"),
        (masks("@."), "--config: not readable as JSON"),
        (masks('{"image_size": NaN}'), "NaN is not a finite number"),
        (masks('{"image_size": -Infinity}'), "-Infinity is not a finite number"),
        (masks('{"image_size": 32, "image_size": 64}'), "'image_size' is there twice"),
        (masks('{"image_size": ' + "[" * 100_000), "--config: not readable as JSON"),
        (masks('{"image_size": ' + "9" * 5000 + "}"), "--config: not readable as JSON"),
        (masks(json.dumps(MASKS | {"image_size": 32.0})), "image_size: 32.0 is not a whole number; write 32"),
        (masks(json.dumps(MASKS | {"patchsize": 8})), "patchsize: unknown key; did you mean patch_size?"),
        (masks(json.dumps(MASKS | {"patch_size": 7})), "image_size: 32 is not a multiple of patch_size = 7"),
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
    overlays = {"BAD": "finetune: {lrr: 1}\n", "MIXED": "seeds: [7]\n"}
    for name, text in overlays.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(root)
    assert cli.main([str(tmp_path / word) if word in overlays else word for word in arguments]) == 1
    done = capsys.readouterr()
    assert part in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert done.out == ""


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        *(([*TRAIN, "--threads", text], "--threads: must be a whole number") for text in ("0", "-3", "abc", "1e9", "")),
        ([*TRAIN, "--threads", "10000000000"], "--threads: must be a whole number from 1 to 9999"),
        ([*TRAIN, "--thread", "2.5"], "--threads: must be a whole number"),
        ([*TRAIN, "--colour", "red"], "unrecognized arguments: --colour red"),
        (["trian"], "invalid choice: 'trian'"),
        ([], "required: COMMAND"),
        (TRAIN[:3], "required: --data, --checkpoint, --metrics"),
        (["parts", "model.pt", "--out", "parts.png"], "required: IMAGE"),
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


def test_every_rule_runs_a_command_that_there_is(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = "".join(path.read_text(encoding="utf-8") for path in (root / "workflow/rules").glob("*.smk"))
    commands = set(re.findall(r"patchvae\.cli ([a-z0-9-]+)", rules))
    assert {"pretrain", "score-parts"} <= commands and "parts" not in commands
    for command in commands:
        with pytest.raises(SystemExit) as caught:
            cli.main([command, "--help"])
        assert caught.value.code == 0 and f"patchvae {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "name", ["foo", "", "cuda:x", "cuda:99", "cuda:-1", "cpu:1", "mps", "meta", "xla", "CPU", "cpu\n"]
)
def test_a_device_that_is_not_there_is_one_sentence(name: str) -> None:
    with pytest.raises(PatchVAEError, match="--device: ") as caught:
        pick_device(name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_mistake_in_a_process_of_its_own_ends_it(root: Path) -> None:
    done = run(root, "resolve", "masks", "dataset=mnist")
    assert done.returncode == 1
    assert done.stderr.startswith("patchvae: error: masks: unknown dataset 'mnist'")
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
    def fail(args: Any) -> None:
        raise error

    monkeypatch.setattr(cli, "masks", fail)
    log = tmp_path / "logs/masks.log"
    log.parent.mkdir()
    log.write_text("from an earlier run\n")
    assert cli.main([*masks(json.dumps(MASKS)), "--log", str(log)]) == status
    terminal, written = capsys.readouterr().err, log.read_text()
    assert part in terminal
    assert "Traceback" not in terminal
    assert len(terminal.strip().splitlines()) == 1
    assert part in written
    assert ("Traceback" in written) == (status == 1)
    assert "earlier run" not in written


@pytest.mark.usefixtures("restored")
def test_masks_without_a_value_means_none(monkeypatch: pytest.MonkeyPatch, params: dict[str, Any]) -> None:
    seen: list[Any] = []
    config = json.dumps(resolve(params, "pretrain", {"dataset": "cifar100", "variant": "patchvae", "seed": 0}))
    monkeypatch.setattr(cli, "pretrain", seen.append)
    paths = ["--data", "d", "--checkpoint", "c", "--metrics", "m", "--scratch", "s"]
    assert cli.main(["pretrain", "--config", config, "--masks", *paths]) == 0
    assert cli.main(["pretrain", "--config", config, "--masks", "w.npy", *paths]) == 0
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

    kind = {"dataset": "pets", "format": "folders", "image_size": 32, "num_classes": 2, "max_undecodable": 0}
    config = json.dumps(kind)
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
