"""`patchvae cost`: what a run took so far by rule, from its benchmark files, and what is to go by the same pace."""

import re
from pathlib import Path

import pytest

from patchvae import cli
from patchvae.commands.cost import text, timed
from patchvae.errors import PatchVAEError
from patchvae.params.checks import checked_params
from patchvae.plan.jobs import Job, planned

OVERLAY = """
run: small
data: {archives: [cifar100], shared: {datasets: []}, scenes: [], weighted: []}
table1:
  datasets: [cifar100]
  variants: [patchvae, random]
  regimes: [conv1-5]
  labelled: {variants: []}
  objectives: {plain: [patchvae], lw: [], gan: [], gan+lw: [], bigan: [], none: [random]}
table2: {datasets: []}
ablation_base: {keys: [num_parts], datasets: [cifar100]}
ablations: {num_parts: [4], part_dim: [], occurrence_prior: [], beta_occ: []}
claims: []
parts: {datasets: [], variants: [], pretrained: []}
figures: {datasets: []}
"""


def cells(printed: str, start: str) -> list[str]:
    """The numbers of a row, without empty cells."""
    return re.split(r"  +", next(line for line in printed.splitlines() if line.startswith(start)))[1:]


def write(path: Path, seconds: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t0:00:01\t800.0\n")


def test_a_run_before_and_after(root: Path, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(OVERLAY)
    jobs = planned(checked_params([root / "params.yaml", tmp_path / "small.yaml"]))
    before = text("small", jobs, set(), tmp_path)
    assert before.splitlines()[0] == "run small"
    assert cells(before, "pretrain") == ["3", "0", "0.0", "?"]
    assert cells(before, "all") == ["13", "0", "0.0", "0.0 + ?"]

    def job(rule: str, variant: str) -> Job:
        return next(job for job in jobs if job.rule == rule and job.wildcards["variant"] == variant)

    done, wrong = job("pretrain", "patchvae"), job("finetune", "patchvae")
    write(tmp_path / done.benchmark, 90 * 3600.0)
    write(tmp_path / wrong.benchmark, 7200.0)
    after = text("small", jobs, {done.path}, tmp_path)
    # Two pretrainings are left, one of them a control, which counts as one epoch; each classifier takes two hours
    left = 90.0 + 90.0 / done.epochs, 3 * 2.0
    assert cells(after, "pretrain") == ["3", "1", "90.0", f"{left[0]:.1f}"]
    assert cells(after, "finetune") == ["3", "0", "0.0", f"{left[1]:.1f}"]
    assert cells(after, "all") == ["13", "1", "90.0", f"{sum(left):.1f} + ?"]


def test_a_table_whose_configuration_lists_epochs_counts_as_one(root: Path, tmp_path: Path) -> None:
    jobs = planned(checked_params([root / "params.yaml", root / "configs/cifar100.yaml"]))
    table = next(job for job in jobs if job.rule == "lengths")
    assert len(table.config["epochs"]) > 1 and table.epochs == 0
    write(tmp_path / table.benchmark, 7200.0)
    assert cells(text("cifar100", jobs, set(), tmp_path), "lengths") == ["1", "0", "0.0", "2.0"]


def test_a_file_that_is_no_benchmark_is_named(tmp_path: Path) -> None:
    assert timed(tmp_path / "none.tsv") == 0
    (tmp_path / "x.tsv").write_text("a\tb\n1\t2\n")
    with pytest.raises(PatchVAEError, match=r"x.tsv: not one of Snakemake's benchmark files"):
        timed(tmp_path / "x.tsv")


def test_the_command_line(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.yaml").write_text(OVERLAY)
    assert cli.main(["cost", "-p", str(root / "params.yaml"), "small.yaml"]) == 0
    assert capsys.readouterr().out.startswith("run small\n")
