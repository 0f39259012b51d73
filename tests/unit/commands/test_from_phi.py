"""The commands from a phi to a cell's number: which they are, and a sentence for each phi that is not the cell's."""

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import changed
from table_files import Content, finetuning, probing

from patchvae import cli
from patchvae.params.configs import check_config
from patchvae.params.reading import load_params
from patchvae.plan.jobs import Job, fingerprint, read_job
from patchvae.plan.kinds import KINDS
from patchvae.plan.settings import resolve
from patchvae.records import checkpoint
from patchvae.records.digests import DIGESTS

WHOLE = "7" * 64  # digest of the checkpoint that phi was exported from
PROBE, TUNED = ("patchvae", "cifar100", "probe"), ("patchvae", "cifar100", "conv1-5")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: Path) -> Path:
    """A folder with the project's parameters, an overlay, the run `small` with a probe and a fine-tuning, and phi."""
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("params.yaml").write_text((root / "params.yaml").read_text(encoding="utf-8"))
    Path("configs/small.yaml").write_text("run: small\n")
    params = load_params([Path("params.yaml")])
    for seed in (0, 1):
        wildcards = {"dataset": "cifar100", "variant": "patchvae", "seed": seed, "regime": "conv1-5", "head": "table12"}
        probed = probing("patchvae", "cifar100", seed, 27.53)
        save("probe/cifar100/patchvae", recorded(probed, resolve(params, "probe", wildcards)))
        tuned = finetuning("patchvae", "cifar100", "conv1-5", seed, 30.75)
        save(
            "finetune/table1/conv1-5/table12/patchvae/cifar100", recorded(tuned, resolve(params, "finetune", wildcards))
        )
    export("phi.pt")
    return tmp_path


def recorded(content: Content, config: dict[str, Any], **more: Any) -> Content:
    """A metrics file with what the commands are made from."""
    pretraining = {**content["pretraining"], "checkpoint_sha256": WHOLE}
    machine = {"device": "AMD EPYC (2 cores)", "threads": 3}
    return {**content, **machine, "config": config, "pretraining": pretraining, **more}


def save(folder: str, content: Content, run: str = "small") -> None:
    path = Path("results", run, "metrics", folder, f"seed{content['seed']}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def export(path: str, whole: str = WHOLE, **names: Any) -> None:
    """The file of a phi of cifar100, patchvae and seed 0, unless `names` say otherwise."""
    config = {"dataset": "cifar100", "variant": "patchvae", "seed": 0, **names}
    content = {"model": {"encoder.backbone.w": torch.zeros(1)}, "config": config, "snapshots": {}, "steps": 1}
    digests = {"code_sha256": "c" * 64, **{key: {"train": "d" * 64} for key in DIGESTS}, "checkpoint_sha256": whole}
    checkpoint.save(path, {**content, **digests})


def commands(*cell: str, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str], str]:
    """The words of both commands, and the comment."""
    assert cli.main(["explain", *cell, "--run", "small", "--from", "phi.pt"]) == 0
    pack, job, comment = capsys.readouterr().out.splitlines()
    return shlex.split(pack), shlex.split(job), comment


def written() -> Job:
    """The job whose file was written."""
    return read_job("again/job.json")


@pytest.mark.parametrize(("cell", "rule"), [(PROBE, "probe"), (TUNED, "finetune")])
def test_the_commands_of_a_cell(cell: tuple[str, ...], rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    pack, run, comment = commands(*cell, capsys=capsys)
    assert pack == ["snakemake", "--configfile", "configs/small.yaml", "--", "data/packed/cifar100/manifest.json"]
    assert run == ["patchvae", "run", "again/job.json", "--device", "cpu", "--threads", "3"]
    (path,) = Path("results/small/metrics", rule).rglob("seed0.json")
    content = json.loads(path.read_text())
    job = written()
    assert (job.rule, job.config, job.code) == (rule, content["config"], fingerprint(KINDS[rule].module))
    assert set(job.inputs) == {"data", "pretrained"} and job.inputs["pretrained"] == "phi.pt"
    assert {str(Path(path).parent) for path in (*job.makes, job.record, job.log)} == {"again"}
    assert comment.startswith("# ") and str(path) in comment and comment.endswith(json.dumps(content["top1"]))


def test_the_configuration_is_the_recorded_one_and_later_keys_are_the_parameters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = Path("results/small/metrics/finetune/table1/conv1-5/table12/patchvae/cifar100/seed0.json")
    content = json.loads(path.read_text())
    later = content["config"].pop("momentum")
    content["config"]["lr"] = 0.5
    path.write_text(json.dumps(content))
    commands(*TUNED, capsys=capsys)
    config = written().config
    assert check_config("finetune", config)
    assert config == {**content["config"], "momentum": later} and config["lr"] == 0.5


def test_a_chosen_rate_is_given_as_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("results/small/metrics/finetune/table1/conv1-5/table12/patchvae/cifar100/seed0.json")
    content = changed(json.loads(path.read_text()), "config/lr", "chosen") | {"lr": 0.003}
    path.write_text(json.dumps(content))
    commands(*TUNED, capsys=capsys)
    config = written().config
    assert check_config("finetune", config) and config == content["config"] | {"lr": 0.003}


def refusal(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["explain", *words]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1 and "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"seed": 7}, "seed 7 was not run, only 0, 1"),
        ({"whole": "8" * 64}, "phi.pt: not the phi behind results/small/metrics/probe/cifar100/patchvae/seed0.json"),
        ({"whole": "8" * 64, "variant": "beta-vae"}, "but one of beta-vae on cifar100, seed 0"),
    ],
)
def test_another_phi_is_refused(names: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    export("phi.pt", **names)
    assert message in refusal(*PROBE, "--run", "small", "--from", "phi.pt", capsys=capsys)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--run", "small", "--from", "params.yaml"], "params.yaml cannot be read"),
        (["--run", "small", "--from", "gone.pt"], "gone.pt does not exist"),
        (["--run", "small", "--from", "phi.pt", "--seed", "1"], "--seed 1: phi.pt is of seed 0"),
        (["--run", "smal", "--from", "phi.pt"], "results/smal/metrics: not here"),
        (["--run", "small", "--from", "phi.pt", "--head", "table12"], "a linear probe has no head"),
    ],
)
def test_what_else_is_refused(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refusal(*PROBE, *words, capsys=capsys)


@pytest.mark.parametrize(
    ("dotted", "value", "message"),
    [
        ("config/pretrained/snapshot", 30, "phi.pt: the checkpoint has no snapshot of epoch 30"),
        ("config/pol", 4, "seed0.json: this version has no such configuration"),
        ("config", None, "seed0.json: config"),
        ("pretraining", {}, "seed0.json: pretraining"),
    ],
)
def test_metrics_that_phi_alone_does_not_give(
    dotted: str, value: Any, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = Path("results/small/metrics/probe/cifar100/patchvae/seed0.json")
    path.write_text(json.dumps(changed(json.loads(path.read_text()), dotted, value)))
    assert message in refusal(*PROBE, "--run", "small", "--from", "phi.pt", capsys=capsys)


def test_a_run_whose_parameters_are_not_here_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("configs/small.yaml").unlink()
    assert "behind -p" in refusal(*PROBE, "--run", "small", "--from", "phi.pt", capsys=capsys)
