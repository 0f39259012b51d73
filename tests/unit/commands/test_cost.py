"""`patchvae cost`: what a run took so far by table, from its benchmark files, and what is to go by the same pace."""

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
    # Two models, two classifiers, the table, the data and their download; the sweep shares all but two and its table
    assert cells(before, "Table 1") == cells(before, "Sweep of num_parts") == ["7", "0", "0.0", "7"]
    assert cells(before, "All, each job once") == ["13", "0", "0.0", "13"]

    def job(rule: str, variant: str) -> Job:
        return next(job for job in jobs if job.rule == rule and job.wildcards["variant"] == variant)

    done, wrong = job("pretrain", "patchvae"), job("finetune", "patchvae")
    write(tmp_path / done.benchmark, 90 * 3600.0)
    write(tmp_path / wrong.benchmark, 7200.0)
    after = text("small", jobs, {done.path}, tmp_path)
    epochs = [job("pretrain", "random").config.get("epochs", 1), job("finetune", "random").config["epochs"]]
    left = epochs[0] + 2 * 2.0  # the rest are of one epoch; and each classifier takes two hours
    assert cells(after, "Table 1") == ["7", "1", "90.0", f"{left:.1f}", "3"]
    assert cells(after, "Sweep of num_parts") == ["7", "1", "90.0", f"{90 + 2 * 2.0:.1f}", "3"]


def test_a_file_that_is_no_benchmark_is_named(tmp_path: Path) -> None:
    assert timed(tmp_path / "none.tsv") is None
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
