"""The Snakefile: style, the jobs it plans, and what it says about bad parameters. Nothing is run."""

import re
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from job_files import jobs

from patchvae.files import read_json
from patchvae.params.reading import load_params
from patchvae.plan.jobs import read_job

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def planned(output: str) -> dict[str, int]:
    """Rule -> number of jobs, from the statistics of a dry run."""
    table = output.split("Job stats:")[1].split("\ntotal ")[0]
    return {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.M) if name != "all"}


def test_the_whole_paper_is_planned(snakemake: Run, root: Path, bare: Path) -> None:
    done = snakemake(bare, "-n", "--forceall")
    assert done.returncode == 0, done.stderr
    found = planned(done.stdout)
    assert found == Counter(rule for rule, _ in jobs(load_params([root / "params.yaml"])))
    # 12 rows, one of them pretrained on a data set of its own, and the sweeps' values on two data sets
    assert found["finetune"] == 3 * 12 * 3 + 7 + 11 * 2
    # The 11 others on three data sets, Table 2's six, that row's, one for the parts, and the sweeps'
    assert found["pretrain"] == 3 * 11 + 6 + 1 + 1 + 11 * 2
    # The README says so.
    assert f"{sum(found.values())} jobs" in (root / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "overlays",
    [["demo"], ["miniature"], ["test"], ["cifar100"], ["cifar100-quick"], ["archives-smoke"], ["authors-code", "test"]],
)
def test_snakemake_plans_the_jobs_that_config_lists(
    snakemake: Run, root: Path, bare: Path, overlays: list[str]
) -> None:
    files = [f"configs/{name}.yaml" for name in overlays]
    done = snakemake(bare, "-n", "--forceall", "--configfile", *files)
    assert done.returncode == 0, done.stderr
    params = load_params([root / "params.yaml", *(root / file for file in files)])
    assert planned(done.stdout) == Counter(rule for rule, _ in jobs(params))


def test_seeds_variants_and_regimes_multiply(snakemake: Run, bare: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "over.yaml"
    overlay.write_text(
        "run: mine\n"
        "seeds: [0, 1, 2]\n"
        "data: {weighted: []}\n"
        "table1:\n"
        "  variants: [patchvae, bigan]\n"
        "  regimes: [conv1-5]\n"
        "  objectives: {plain: [patchvae], lw: [], gan: [], gan+lw: [], none: []}\n"
    )
    done = snakemake(bare, "-n", "--forceall", "--configfile", "configs/cifar100-quick.yaml", overlay)
    plan = planned(done.stdout)
    assert (plan["pretrain"], plan["finetune"]) == (6, 6)
    assert "masks" not in plan


def test_a_key_that_the_paper_does_not_sweep_is_planned(snakemake: Run, bare: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "over.yaml"
    overlay.write_text(
        "run: mine\n"
        "ablation_base: {datasets: [cifar100], keys: [detach_occurrence, finetune.weight_decay]}\n"
        "ablations: {detach_occurrence: [false], finetune.weight_decay: [0.25, 0.5]}\n"
    )
    done = snakemake(bare, "-n", "--forceall", "--configfile", "configs/cifar100-quick.yaml", overlay)
    assert done.returncode == 0, done.stdout
    plan = planned(done.stdout)
    assert (plan["pretrain"], plan["finetune"]) == (11 + 1, 11 * 3 + 1 + 2)  # fine-tuning's sweep shares a pretraining
    assert plan["sweep"] == 2
    assert "results/mine/tables/sweep_finetune.weight_decay.csv" in done.stdout


def test_a_source_can_be_replaced_by_a_second_overlay(snakemake: Run, bare: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "over.yaml"
    name, digest = "cifar-100-python.tar.gz", "sha256:" + "0" * 64
    overlay.write_text(
        f"datasets: {{cifar100: {{sources: {{{name}: {{location: /mirror/c, checksum: '{digest}'}}}}}}}}\n"
    )
    files = ["configs/cifar100-quick.yaml", overlay]
    done = snakemake(bare, "-n", "--configfile", *files, "--", "data/sources/cifar100.json")
    assert done.returncode == 0, done.stderr
    job = read_job(bare / "jobs/cifar100-quick/download/cifar100.json")
    assert job.config["sources"] == {name: {"checksum": digest}}  # what counts
    addresses = read_json(bare / "jobs/cifar100-quick/download/cifar100.addresses")
    assert addresses["sources"] == {name: {"location": "/mirror/c", "checksum": digest}}


def test_a_number_in_exponent_form_stays_a_number(snakemake: Run, bare: Path, tmp_path: Path) -> None:
    overlay = tmp_path / "over.yaml"
    overlay.write_text("run: mine\nfinetune: {lr: 3e-05}\n")  # text in YAML 1.1
    done = snakemake(bare, "-n", "--configfile", overlay)
    assert done.returncode == 0, done.stderr
    job = read_job(bare / "jobs/mine/finetune/table1/conv1-5/table12/patchvae/cifar100/seed0.json")
    assert job.config["lr"] == 3e-05


def test_config_on_the_command_line_replaces_a_top_level_value(snakemake: Run, bare: Path) -> None:
    done = snakemake(bare, "-n", "--forceall", "--config", "run=elsewhere")
    assert "results/elsewhere/tables/table1.csv" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("overlay", "parts"),
    [
        ("finetune: {lrr: 0.1}", ["finetune.lrr", "did you mean lr?"]),
        ("pretrain: {lr: -1}", ["pretrain.lr", "-1"]),
        ("table1: {variants: [patchvea]}", ["table1.variants", "did you mean patchvae?"]),
        ("table1: {regimes: [conv9]}", ["table1.regimes", "conv9"]),
        ("table1: {datasets: [cifar10]}", ["table1.datasets", "did you mean cifar100?"]),
        ("datasets: {cifar100: {format: png}}", ["datasets.cifar100.format", "png"]),
    ],
)
def test_bad_parameters_stop_everything_with_one_sentence(
    snakemake: Run, root: Path, tmp_path: Path, overlay: str, parts: list[str]
) -> None:
    path = tmp_path / "over.yaml"
    path.write_text(overlay + "\n")
    done = snakemake(root, "-n", "--configfile", path)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout + done.stderr
    _, said = done.stderr.splitlines()  # the first line names the profile
    assert said.startswith("parameters: ")
    assert [part for part in parts if part not in said] == []
    assert done.stdout == ""


# Those on which Snakemake itself ends in a traceback, or does not name the file
@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "No such file or directory"),
        ("FOLDER", "not a file"),
        (b"finetune: [\n", "line 2: not valid YAML"),
        (b"run: mine\nrows: \xff\n", "line 2: not UTF-8 text"),
        (b"", "is empty"),
        (b"finetune: &all {lr: *all}\n", "finetune.lr: contains itself"),
    ],
)
def test_a_broken_overlay_is_one_sentence_with_its_name(
    snakemake: Run, root: Path, tmp_path: Path, content: bytes | str | None, part: str
) -> None:
    path = tmp_path / "over.yaml"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    done = snakemake(root, "-n", "--configfile", path)
    _, said = done.stderr.splitlines()
    assert done.returncode != 0 and done.stdout == ""
    assert str(path) in said and part in said


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("finetune.lr=0.1", "--config: Snakemake cannot read it: Invalid config definition"),
        ("seeds=nan", "--config: seeds: nan is not a finite number"),
        ("precision=fp32", "--config: results would mix with those of run paper"),
        ("run=../up", "parameters: run: '../up' is not a name"),
    ],
)
def test_a_wrong_value_on_the_command_line_is_one_sentence(snakemake: Run, root: Path, value: str, part: str) -> None:
    done = snakemake(root, "-n", "--config", value)
    _, said = done.stderr.splitlines()
    assert done.returncode != 0 and done.stdout == "" and part in said


def test_an_overlay_without_a_run_of_its_own_would_mix_results(snakemake: Run, root: Path, tmp_path: Path) -> None:
    path = tmp_path / "over.yaml"
    path.write_text("seeds: [3]\n")
    done = snakemake(root, "-n", "--configfile", path)
    _, said = done.stderr.splitlines()
    assert done.returncode != 0
    assert said.startswith(f"{path}: results would mix with those of run paper") and "add `run: NAME`" in said


def test_the_default_profile_takes_effect(snakemake: Run, root: Path) -> None:
    done = snakemake(root, "-n")
    assert "profiles/default" in done.stderr
