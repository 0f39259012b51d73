"""One cell explained: the whole text from made-up metrics files, and a sentence for each mistake."""

import json
from pathlib import Path
from typing import Any

import pytest
from table_files import Content, finetuning, probing

from patchvae import cli
from patchvae.commands.explain import explain, wanted_cell
from patchvae.errors import PatchVAEError

MACHINE = {"device": "AMD EPYC (2 cores)", "threads": 1}
VERSIONS = {"python": "3.11.7", "torch": "2.9.0", "patchvae": "0.1.0"}
FINETUNE = "finetune/table1/{regime}/{head}/{variant}/cifar100/seed{seed}.json"


def record(content: Content, **more: Any) -> Content:
    """A metrics file with all that the explanation reads."""
    machines = [{**MACHINE, "versions": VERSIONS}]
    origin = {"commit": "0123456789ab", "versions": VERSIONS, "machines": machines}
    return {**content, **origin, "peak_memory_mb": 800.4 + content["seed"], **more}


def tuned(variant: str, seed: int, top1: float, head: str = "table12", **more: Any) -> Content:
    """A fine-tuning at Conv[1-5]."""
    content = finetuning(variant, "cifar100", "conv1-5", seed, top1)
    return record(content, head=head, train_top1=4.0 + seed, **more)


def probed(variant: str, seed: int) -> Content:
    return record(probing(variant, "cifar100", seed, 33.3, top5=60.0, train_top1=40.0))


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with parameters, an overlay and the run `small`: two seeds of a row, its probe, and a control."""
    monkeypatch.chdir(tmp_path)
    Path("configs").mkdir()
    Path("params.yaml").write_text("run: paper\n")
    Path("configs/broken.yaml").write_text("run: [\n")
    Path("configs/small.yaml").write_text("run: small\n")
    for seed, top1 in enumerate((30.0, 31.0)):
        save(FINETUNE, tuned("patchvae+lw", seed, top1))
    save(FINETUNE, tuned("random", 0, 12.0, head="dropout"))
    save("probe/cifar100/patchvae+lw/seed{seed}.json", probed("patchvae+lw", 0))
    return tmp_path


def save(name: str, content: Content, run: str = "small") -> Path:
    path = Path("results", run, "metrics", name.format(**content))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def told(variant: str = "patchvae+lw", regime: str = "conv1-5", run: str = "small", **more: Any) -> list[str]:
    seed, params = more.get("seed"), more.get("params", ())
    cell = wanted_cell(variant, "cifar100", regime, more.get("head"))
    return explain(Path("results"), run, cell, seed, params).splitlines()


def test_one_seed_in_full() -> None:
    path = Path("results/small/metrics/finetune/table1/conv1-5/table12/patchvae+lw/cifar100/seed0.json")
    path.with_suffix(".record").touch()
    expected = f"""\
patchvae+lw on cifar100, conv1-5, classifier table12: run small, 1 seed

{path}
  top1: {{"best": 30.5, "best_epoch": 1, "last": 30.0}}
  top5: {{"best": 99.5, "best_epoch": 1, "last": 99.0}}
  train_top1: 4.0
  count: 10000
  seconds: 90.0
  peak_memory_mb: 800.4
  precision: "bf16"
  machines: {json.dumps([{**MACHINE, "versions": VERSIONS}], sort_keys=True)}
  commit: "0123456789ab"
  record: {path.with_suffix(".record")}
  job: jobs/small/finetune/table1/conv1-5/table12/patchvae+lw/cifar100/seed0.json (not here)

To make it again, with the parameters as they are now
  snakemake --configfile configs/small.yaml -- {path}"""
    assert told(seed=0) == expected.splitlines()


def test_all_seeds_in_order() -> None:
    save(FINETUNE, tuned("patchvae+lw", 10, 35.0))
    lines, folder = told(), "results/small/metrics/finetune/table1/conv1-5/table12/patchvae+lw/cifar100"
    files = [f"{folder}/seed{seed}.json" for seed in (0, 1, 10)]
    assert lines[0].endswith("run small, 3 seeds")
    assert [line for line in lines if line.startswith("results/")] == files == lines[-1].split()[-3:]
    assert sum(line.endswith('"last": 35.0}') for line in lines) == 1


def test_a_probe() -> None:
    lines = told(regime="probe")
    assert lines[0] == "patchvae+lw on cifar100, linear probe: run small, 1 seed"
    assert lines[3:6] == ["  top1: 33.3", "  top5: 60.0", "  train_top1: 40.0"]
    assert lines[-1].endswith(" results/small/metrics/probe/cifar100/patchvae+lw/seed0.json")


def test_stand_ins_are_marked() -> None:
    content = tuned("patchvae", 0, 40.0)
    save(FINETUNE, content | {"config": content["config"] | {"stand_in": True}})
    assert "  DEMO on stand-in data - not comparable with the paper (cifar100)." in told("patchvae")


def test_the_command_has_the_runs_overlays(project: Path) -> None:
    for run, params, command in (
        ("paper", (), "snakemake"),
        ("small", (), "snakemake --configfile configs/small.yaml --"),
        ("small", ("params.yaml",), "snakemake --configfile configs/small.yaml --"),
        ("own", ("params.yaml", "a b.yaml", "own.yaml"), "snakemake --configfile 'a b.yaml' own.yaml --"),
    ):
        (project / "a b.yaml").write_text("seeds: [3]\n")
        (project / "own.yaml").write_text("run: own\n")
        save(FINETUNE, tuned("patchvae+lw", 0, 30.0), run)
        lines = told(run=run, seed=0, params=[Path(name) for name in params])
        assert lines[-1].startswith(f"  {command} results/{run}/metrics/finetune/")
    with pytest.raises(PatchVAEError, match=r"own\.yaml: the parameters are those of run own, not of 'small'"):
        told(params=[Path("params.yaml"), Path("own.yaml")])
    with pytest.raises(PatchVAEError, match=r"gone\.yaml"):
        told(params=[Path("params.yaml"), Path("gone.yaml")])


NONE = "not run, there is no such file in results/small/metrics"
TUNED = "did you mean finetune/table1/conv1-5/table12/patchvae+lw/cifar100?"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": "smal"}, "results/smal/metrics: not here; `dvc pull` fetches the metrics files of a tracked run"),
        ({"variant": "patchvae+lx"}, f"patchvae+lx on cifar100, conv1-5, classifier table12: {NONE}; {TUNED}"),
        ({"regime": "conv1-4"}, f"patchvae+lw on cifar100, conv1-4, classifier table12: {NONE}; {TUNED}"),
        ({"head": "dropouts"}, f"patchvae+lw on cifar100, conv1-5, classifier dropouts: {NONE}; {TUNED}"),
        ({"variant": "quite-another", "regime": "probe"}, f"quite-another on cifar100, linear probe: {NONE}"),
        ({"regime": "probe", "head": "table12"}, "--head table12: a linear probe has no head"),
        ({"seed": 7}, "patchvae+lw on cifar100, conv1-5, classifier table12: seed 7 was not run, only 0, 1"),
    ],
)
def test_names_that_are_not_there(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PatchVAEError) as caught:
        told(**changes)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (FINETUNE, {"schema": 2}, r"seed0.json: not the metrics \(schema 1\) of a fine-tuning"),
        (FINETUNE, {"head": "dropout"}, "its head is 'dropout', not 'table12'"),
        (FINETUNE, {"top1": {"last": 1.0}}, "seed0.json: top1"),
        (FINETUNE, {"history": []}, "seed0.json: history"),
        (
            "finetune/other/conv1-5/table12/patchvae+lw/cifar100/seed0.json",
            {},
            "the same cell and seed as .*seed0.json",
        ),
    ],
)
def test_wrong_files_are_named(name: str, content: Content, message: str) -> None:
    save(
        name.format(regime="conv1-5", head="table12", variant="patchvae+lw", seed=0),
        tuned("patchvae+lw", 0, 1) | content,
    )
    with pytest.raises(PatchVAEError, match=message):
        told()


def test_the_command_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "start_logging", lambda log: None)
    monkeypatch.setattr(cli.signal, "signal", lambda number, handler: None)
    arguments = ["explain", "patchvae+lw", "cifar100", "conv1-5", "--run", "small"]
    assert cli.main([*arguments, "--seed", "1"]) == 0
    assert capsys.readouterr().out.splitlines() == told(seed=1)
    options = ["--head", "table12", "--results", "results", "-p", "params.yaml", "configs/small.yaml"]
    assert cli.main([*arguments, *options]) == 0
    assert capsys.readouterr().out.splitlines() == told()
    assert cli.main([*arguments, "--seed", "5"]) == 1
