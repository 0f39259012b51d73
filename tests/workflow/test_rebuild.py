"""One command makes the tables, figures and README sections of the committed runs again from their metrics."""

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import OVERLAYS, ROOT, copy_checkout, environment

from patchvae.files import read_json
from patchvae.params.checks import checked_params
from patchvae.params.reading import read_yaml
from patchvae.plan.jobs import Job, before, planned
from patchvae.plan.kinds import PARTS_FIGURES
from patchvae.records import checkpoint
from patchvae.records.digests import DIGESTS
from patchvae.records.record import Record, digest_of

FROM_WEIGHTS = tuple(f"{figure}_" for figure in PARTS_FIGURES)  # drawn from a checkpoint, not from metrics


def git_files(*patterns: str) -> list[str]:
    done = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def committed() -> list[Path]:
    """The overlays of runs whose metrics are in git."""
    runs = {Path(name).parts[1] for name in git_files("results/*/metrics/*")}
    return [path for path in OVERLAYS if read_yaml(path)["run"] in runs]


def rebuild(place: Path, *overlays: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "workflow/rebuild.py", *overlays]
    return subprocess.run(command, cwd=place, env=environment(), capture_output=True, text=True)


def with_records(place: Path, *overlays: Path, of: Callable[[Job], Job] = lambda job: job) -> list[Job]:
    """Give each metrics file that has none a record that calls it right; returns these jobs.

    of: the job that a job's record is to name.
    """
    jobs = planned(checked_params([place / "params.yaml", *overlays]), place)
    measured = [job for job in jobs if "metrics" in job.outputs and (place / str(job.outputs["metrics"])).is_file()]

    def known(paths: list[str]) -> dict[str, str]:
        return {path: digest_of(place / path) if (place / path).is_file() else "not here" for path in paths}

    by_path = {job.path: job for job in jobs}
    for job in measured:
        if not (place / job.record).is_file():
            Record(of(job).digest, "", known(job.reads), known(job.makes), before(job, by_path.get)).save(
                place / job.record
            )
    return measured


def test_there_are_committed_runs_and_the_readme_answers_with_one() -> None:
    runs = [read_yaml(overlay)["run"] for overlay in committed()]
    assert [run for run in runs if f"<!-- begin {run} -->" in (ROOT / "README.md").read_text()] == ["cifar100"]


@pytest.mark.parametrize("overlay", committed(), ids=lambda path: path.stem)
def test_what_is_committed_is_what_the_metrics_say(overlay: Path, tmp_path: Path) -> None:
    place, run = copy_checkout(tmp_path / "clone"), read_yaml(overlay)["run"]
    assert with_records(place, overlay)
    made = git_files(f"results/{run}/tables", f"results/{run}/figures", "README.md")
    made = [name for name in made if not Path(name).name.startswith(FROM_WEIGHTS)]
    made = [name for name in made if "/figures/real_parts_" not in name]  # drawn from images
    assert len(made) > 10
    before = {name: (place / name).read_bytes() for name in made}
    for name in made[1:]:
        (place / name).unlink()
    assert made[0] == "README.md"
    text = before["README.md"].decode()
    begin, end = f"<!-- begin {run} -->", f"<!-- end {run} -->"
    if begin in text:  # one run is the README's
        (place / "README.md").write_text(f"{text.split(begin)[0]}{begin}\n{end}{text.split(end)[1]}")
    done = rebuild(place, str(overlay.relative_to(ROOT)))
    assert done.returncode == 0, done.stderr
    assert [name for name in made if (place / name).read_bytes() != before[name]] == []


def test_no_table_is_made_of_two_learning_rates(tmp_path: Path) -> None:
    place, overlay = copy_checkout(tmp_path / "clone"), ROOT / "configs/cifar100-quick.yaml"
    for path in (place / "results").rglob("*.record"):
        path.unlink()
    other = "results/cifar100-quick/metrics/finetune/table1/conv1/table12/patchvae/cifar100/seed0.json"

    def with_another_rate(job: Job) -> Job:
        return dataclasses.replace(job, config=job.config | {"lr": 0.5}) if other in job.makes else job

    table = place / "results/cifar100-quick/tables/table1.csv"
    before = table.read_bytes()
    done = rebuild(place, "configs/cifar100-quick.yaml")
    assert done.returncode == 1 and "it has no record" in done.stderr
    with_records(place, overlay, of=with_another_rate)
    done = rebuild(place, "configs/cifar100-quick.yaml")
    assert done.returncode == 1
    assert done.stderr == f"{other} is not what run cifar100-quick wants: parameters or code\n"
    assert table.read_bytes() == before


def test_a_run_without_metrics_is_one_sentence(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    done = rebuild(place)
    assert done.returncode == 1
    assert done.stderr == "results/paper/metrics holds no metrics file: run it, or `dvc pull`\n"


def test_committed_weights_are_those_that_committed_metrics_name() -> None:
    found = git_files("results/*/phi/*.pt")
    assert found
    for name in found:
        content = checkpoint.load_pretrained(ROOT / name, {})
        config, run = content["config"], Path(name).parts[1]
        job = f"{config['dataset']}/{config['variant']}/seed{config['seed']}"
        metrics = read_json(ROOT / f"results/{run}/metrics/pretrain/{job}.json")
        assert content["checkpoint_sha256"] == metrics["checkpoint_sha256"]
        assert Path(name).stem == config["variant"]
        assert config == metrics["config"]
        assert {key: content[key] for key in DIGESTS} == {key: metrics[key] for key in DIGESTS}
