"""One cell explained: the whole text from made-up metrics files, what seeds share, and a sentence for each mistake."""

import itertools
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


def section(lines: list[str], title: str) -> list[str]:
    """The lines below a title, without their indent."""
    start = next(number for number, line in enumerate(lines) if line.startswith(title))
    return [line[2:] for line in itertools.takewhile(bool, lines[start + 1 :])]


def test_one_seed_in_full() -> None:
    path = Path("results/small/metrics/finetune/table1/conv1-5/table12/patchvae+lw/cifar100/seed0.json")
    path.with_suffix(".record").touch()
    expected = f"""\
patchvae+lw on cifar100, conv1-5, classifier table12: run small, 1 seed

Accuracy (%): 10,000 test images
          last epoch   best  at epoch  top-5  best top-5  train  seconds  peak MB
  seed 0       30.00  30.50      1.00  99.00       99.50   4.00    90.00   800.40

Measured on
  AMD EPYC (2 cores), 1 thread, bf16, commit 0123456789ab, patchvae 0.1.0, python 3.11.7, torch 2.9.0 (seed 0)

Metrics with their configuration, their record of what was read and written, and their job
  {path}
  {path.with_suffix(".record")}
  jobs/small/finetune/table1/conv1-5/table12/patchvae+lw/cifar100/seed0.json (not here)

To make it again, with the parameters as they are now
  snakemake --configfile configs/small.yaml -- {path}"""
    assert told(seed=0) == expected.splitlines()


def test_several_seeds_share_what_they_share() -> None:
    other = {**MACHINE, "device": "Arm (4 cores)", "threads": 4, "versions": VERSIONS}
    moved = [{**MACHINE, "versions": VERSIONS}, other]
    save(FINETUNE, tuned("patchvae+lw", 10, 35.0, commit="0123456789ab+", machines=moved))
    lines = told()
    assert lines[0].endswith("run small, 3 seeds")
    assert section(lines, "Accuracy") == [
        "         last epoch   best  at epoch  top-5  best top-5  train  seconds  peak MB",
        "seed 0        30.00  30.50      1.00  99.00       99.50   4.00    90.00   800.40",
        "seed 1        31.00  31.50      1.00  99.00       99.50   5.00    90.00   801.40",
        "seed 10       35.00  35.50      1.00  99.00       99.50  14.00    90.00   810.40",
        "mean          32.00  32.50      1.00  99.00       99.50   7.67    90.00   804.07",
        "sd             2.65   2.65      0.00   0.00        0.00   5.51     0.00     5.51",
    ]
    versions = "patchvae 0.1.0, python 3.11.7, torch 2.9.0"
    assert section(lines, "Measured on") == [
        f"AMD EPYC (2 cores), 1 thread, bf16, commit 0123456789ab, {versions} (seeds 0, 1)",
        "AMD EPYC (2 cores), 1 thread, then Arm (4 cores), 4 threads, bf16, commit 0123456789ab+, "
        f"{versions} (seed 10)",
    ]
    folder = "results/small/metrics/finetune/table1/conv1-5/table12/patchvae+lw/cifar100"
    assert lines[-1].split()[-3:] == [f"{folder}/seed{seed}.json" for seed in (0, 1, 10)]


def test_a_probe() -> None:
    lines = told(regime="probe")
    assert lines[0] == "patchvae+lw on cifar100, linear probe: run small, 1 seed"
    assert section(lines, "Accuracy") == [
        "        top-1  top-5  train  seconds  peak MB",
        "seed 0  33.30  60.00  40.00    90.00   800.40",
    ]
    assert lines[-1].endswith(" results/small/metrics/probe/cifar100/patchvae+lw/seed0.json")


def test_stand_ins_are_marked() -> None:
    content = tuned("patchvae", 0, 40.0)
    save(FINETUNE, content | {"config": content["config"] | {"stand_in": True}})
    warning = "DEMO on stand-in data - not comparable with the paper (cifar100)."
    assert section(told("patchvae"), "Accuracy")[-1] == warning


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


HERE = "results/small/metrics"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"run": "smal"}, "results/smal/metrics: not here; `dvc pull` fetches the metrics files of a tracked run"),
        ({"variant": "patchvae+lx"}, f"{HERE}: no 'patchvae+lx' was run; did you mean patchvae+lw?"),
        ({"variant": "bigan"}, f"{HERE}: no 'bigan' was run, there are patchvae+lw, random"),
        ({"regime": "conv1-4"}, f"{HERE}: no 'conv1-4' was run; did you mean conv1-5?"),
        ({"head": "dropouts"}, f"{HERE}: no 'dropouts' was run; did you mean dropout?"),
        (
            {"head": "dropout"},
            "patchvae+lw on cifar100, conv1-5, classifier dropout: not run, there is no such file in",
        ),
        ({"variant": "random", "regime": "probe"}, f"{HERE}: no 'random' was run, there are patchvae+lw"),
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
