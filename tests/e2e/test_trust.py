"""A result is right if its record says so, and nothing else decides: no engine's memory, no time, no lock file."""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clones import (
    ENV,
    PATCHVAE,
    SYNC,
    UNRECORDED,
    changes,
    commit,
    edit,
    executed,
    killed_after,
    mended,
    nothing_to_do,
    refused,
    run,
    twin,
    wait_until,
    wanted,
)
from engine_jobs import PARTS, RATE, REPORTS, SWEEP, TABLE1, WEIGHTED, finetuned, pretrained
from helpers import SNAKEMAKE, copy_checkout, environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]
RUN = ("snakemake", "--cores", "2")


def another_rate(place: Path) -> None:
    edit(place, "finetune/lr", 0.02)


def files(place: Path) -> dict[str, int]:
    """Name -> time of every file, but those of the plan, of Snakemake itself and of Python."""
    others = {".snakemake", "__pycache__", "jobs"}
    names = [path for path in place.rglob("*") if path.is_file() and not others & {*path.relative_to(place).parts}]
    return {path.relative_to(place).as_posix(): path.stat().st_mtime_ns for path in names}


def made(place: Path) -> list[Path]:
    return [path for name in ("data", "results", "jobs") for path in (place / name).rglob("*.*") if path.is_file()]


# ---- what engines and file systems remember


def lose_memory(place: Path) -> None:
    shutil.rmtree(place / ".snakemake")


def touch_in_random_order(place: Path) -> None:
    lose_memory(place)
    paths = made(place)
    random.shuffle(paths)
    for number, path in enumerate(paths):
        os.utime(path, (1.7e9 + number, 1.7e9 + number))


def copy_without_times(place: Path) -> None:
    old = place.rename(place.with_name("old"))
    shutil.copytree(old, place, symlinks=True, copy_function=shutil.copyfile, ignore=shutil.ignore_patterns("cache"))
    for name in ("snakemake", "check", "job", "sync.py", "stages.py"):
        if (place / "workflow" / name).exists():
            (place / "workflow" / name).chmod(0o755)
    shutil.rmtree(old)


def touch_all(place: Path) -> None:
    run(place, "snakemake", "--cores", "1", "--touch", "--forceall")


def set_the_clock_back(place: Path) -> None:
    for path in made(place):
        os.utime(path, (4e9, 4e9))  # all that is made from now on is older


def set_the_clock_forth(place: Path) -> None:
    for path in made(place):
        os.utime(path, (1e9, 1e9))


@pytest.mark.parametrize(
    "forget",
    [lose_memory, touch_in_random_order, copy_without_times, touch_all, set_the_clock_back, set_the_clock_forth],
)
def test_neither_memory_nor_times_hide_or_feign_an_edit(
    origin: Path, tmp_path: Path, forget: Callable[[Path], None]
) -> None:
    place = twin(origin, tmp_path / "clone")
    forget(place)
    assert wanted(place) == set()
    another_rate(place)
    assert wanted(place) == RATE
    forget(place)
    assert wanted(place) == RATE


def test_with_a_clock_set_back_an_edit_is_run_once(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    set_the_clock_back(place)
    another_rate(place)
    assert executed(place, *RUN) == RATE
    nothing_to_do(place)


def test_a_poisoned_lock_hides_nothing_from_snakemake(origin: Path, tmp_path: Path) -> None:
    """`dvc commit` with an edit pending: DVC then takes the old numbers for the new parameters'."""
    place = twin(origin, tmp_path / "clone")
    another_rate(place)
    run(place, "workflow/check")
    run(place, "dvc", "commit", "--force")
    assert "up to date" in run(place, "dvc", "status")
    assert wanted(place) == RATE
    assert executed(place, *RUN) == RATE
    nothing_to_do(place)


def test_what_dvc_puts_here_is_right_without_another_call(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    another_rate(place)
    assert executed(place, "dvc", "repro") == RATE
    assert wanted(place) == set()
    commit(place)
    for state in ("HEAD~1", "-"):
        run(place, "git", "checkout", "--quiet", state)
        run(place, "dvc", "checkout")
        assert wanted(place) == set()
    run(place, "git", "checkout", "--quiet", "HEAD~1", "--", "params.yaml", "dvc.lock", "results")
    run(place, "dvc", "checkout")
    assert wanted(place) == set()


TUNING = "logs/engines/finetune/table1/conv1-5/table12/patchvae/small/seed0.log"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_edit_that_was_cut_off_is_taken_back_by_dvc(origin: Path, tmp_path: Path, number: signal.Signals) -> None:
    place = twin(origin, tmp_path / "clone")
    before = results(place)
    another_rate(place)
    begins = changes(place / TUNING)
    with killed_after(place, *RUN, stop_at=TUNING) as running:
        wait_until(begins, running)
        os.killpg(running.pid, number)
        running.wait(timeout=300)
    mended(place)
    run(place, "git", "checkout", "--quiet", ".")
    run(place, "dvc", "checkout", "--force")
    assert wanted(place) == set()
    assert results(place) == before
    nothing_to_do(place)


def results(place: Path) -> dict[str, bytes]:
    """Everything that lies in the folder of the run."""
    folder = place / "results/engines"
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.*") if path.is_file()}


# ---- what lies here is not what was made


CHECKPOINTS = "results/engines/checkpoints/pretrain/small"
OF_ONE = pretrained(["patchvae"], datasets=["small"]) | {job for job in finetuned(["patchvae"]) if "/small/" in job}


def test_another_checkpoint_in_a_checkpoints_place_is_noticed(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    folder = place / CHECKPOINTS
    os.remove(folder / "patchvae/seed0.pt")
    shutil.copy(folder / "patchvae+lw/seed0.pt", folder / "patchvae/seed0.pt")
    said = wanted(place)
    assert said >= OF_ONE
    assert executed(place, *RUN) == said == OF_ONE | PARTS | TABLE1 | SWEEP | REPORTS
    nothing_to_do(place)


def test_a_checkpoint_that_is_gone_is_not_missed(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    shutil.rmtree(place / CHECKPOINTS)
    assert wanted(place) == set()
    another_rate(place)  # which needs it
    assert {f"engines/pretrain/small/{row}/seed0" for row in ("patchvae", "patchvae+lw", "random")} <= wanted(place)


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        (
            "metrics/finetune/table1/conv1-5/table12/random/small/seed0.json",
            {job for job in finetuned(["random"]) if "/small/" in job} | TABLE1 | REPORTS,
        ),
        ("tables/table1.csv", {"engines/tables/table1", "engines/summary"}),
        ("curves/pretrain.csv", {"engines/curves/pretrain"}),
    ],
)
def test_a_changed_digit_is_noticed(origin: Path, tmp_path: Path, name: str, jobs: set[str]) -> None:
    place = twin(origin, tmp_path / "clone")
    path = place / "results/engines" / name
    time_of_old, text = path.stat().st_mtime, path.read_text(encoding="utf-8")
    digit = next(found for found in "0123456789" if found in text)
    path.write_text(text.replace(digit, str((int(digit) + 1) % 10), 1), encoding="utf-8")
    os.utime(path, (time_of_old, time_of_old))
    assert wanted(place) == jobs
    assert executed(place, *RUN) == jobs
    assert path.read_text(encoding="utf-8") == text


def test_heads_of_the_checkpoint_before_are_made_again(origin: Path, tmp_path: Path) -> None:
    """An edit of the masks, and an end when only one of the pretrainings had been made again."""
    place = twin(origin, tmp_path / "clone")
    edit(place, "masks/per_channel", False)
    ran = executed(place, *RUN, "--", "results/engines/metrics/pretrain/small/patchvae+lw/seed0.json")
    assert ran == {"data/masks/small", "engines/pretrain/small/patchvae+lw/seed0"}
    touch_in_random_order(place)
    assert wanted(place) == WEIGHTED - ran


def test_a_job_itself_refuses_what_it_should_not_read(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    another_rate(place)
    edit(place, "masks/per_channel", False)
    run(place, *PATCHVAE, "plan")
    before = results(place)
    for job, said in (
        ("tables/table1", "was made with other parameters or code than those asked for"),
        ("pretrain/small/patchvae+lw/seed0", "data/masks/small/manifest.json was made with other parameters"),
    ):
        assert said in refused(place, *PATCHVAE, "run", f"jobs/engines/{job}.json")
    assert results(place) == before


def test_a_dry_run_writes_nothing_but_the_plan(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    before = files(place)
    run(place, "snakemake", "-n")
    run(place, "snakemake", "-n", "--configfile", "configs/demo.yaml")
    assert files(place) == before


# ---- edits while something is at work


def test_an_edit_during_a_run_is_the_next_ones(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    lock = (place / "dvc.lock").read_bytes()
    edit(place, "drawing/rows", 3)
    begins = changes(place / "logs/engines/figures/figure6_small.log")
    with subprocess.Popen([*RUN], cwd=place, env=ENV, stderr=subprocess.PIPE, text=True) as running:
        wait_until(begins, running)
        another_rate(place)
        said = running.communicate()[1]
    assert "so nothing was recorded: finish the run with `snakemake` first" in said
    assert (place / "dvc.lock").read_bytes() == lock
    assert wanted(place) == RATE
    edit(place, "finetune/lr", 0.01)
    assert wanted(place) == set()


def test_an_edit_while_a_run_is_recorded_does_not_get_its_results(origin: Path, tmp_path: Path) -> None:
    """DVC would otherwise say of the results that they are those of the edit."""
    place = twin(origin, tmp_path / "clone")
    lock = (place / "dvc.lock").read_bytes()
    edit(place, "drawing/rows", 3)
    run(place, *RUN, *UNRECORDED)
    written = changes(place / "dvc.lock")
    with subprocess.Popen([*SYNC, "adopt"], cwd=place, env=ENV, stderr=subprocess.PIPE, text=True) as running:
        wait_until(written, running)
        edit(place, "drawing/rows", 4)
        assert "there was an edit meanwhile, so nothing was recorded" in running.communicate()[1]
    assert running.returncode == 1 and (place / "dvc.lock").read_bytes() == lock
    figures = executed(place, *RUN)  # and records them
    assert figures and all("/figures/" in job for job in figures)
    nothing_to_do(place)


# ---- runs that would mix


def test_an_option_given_twice_is_refused(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    for words in (
        ["--configfile", "configs/test.yaml", "--configfile", "configs/demo.yaml"],
        ["--configfiles=configs/test.yaml", "--configfile", "configs/demo.yaml"],
        ["--config", "run=mine", "-C", "seeds=[1]"],
    ):
        said = refused(place, "snakemake", "-n", *words)
        assert "is given 2 times, and Snakemake would take the last alone" in said.splitlines()[-1]
    (place / "mine.yaml").write_text("extends: configs/test.yaml\nseeds: [1]\n")
    said = refused(place, "snakemake", "-n", "--configfile", "mine.yaml")
    assert "mine.yaml: results would mix with those of run test, which " in said.splitlines()[-1]
    run(place, "snakemake", "-n", "--configfile", "mine.yaml", "--config", "run=mine")


def test_a_run_does_not_replace_the_data_of_another(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    (place / "larger.yaml").write_text("run: larger\ndatasets: {small: {image_size: 64}}\n")
    said = refused(place, *RUN, "--configfile", "larger.yaml").splitlines()[-1]
    assert said.startswith("data/packed/small/") and "was made for run engines, which wants it otherwise" in said
    nothing_to_do(place)


@pytest.mark.parametrize("folder", ["data", "results"])
def test_a_run_on_another_disk_ends_well_and_says_that_dvc_has_it_not(
    origin: Path, tmp_path: Path, folder: str
) -> None:
    place = twin(origin, tmp_path / "clone")
    (place / folder).rename(tmp_path / folder)
    (place / folder).symlink_to(tmp_path / folder)
    edit(place, "drawing/rows", 3)
    assert f"Not recorded in DVC: {folder} is a link to another folder" in run(place, *RUN)
    assert wanted(place) == set()
    assert f"{folder} is a link to another folder" in refused(place, *SYNC, "adopt")


# ---- real trainings


METRICS = "results/test/metrics/pretrain/digits-tiny/patchvae/seed0.json"
LOG = "logs/test/pretrain/digits-tiny/patchvae/seed0.log"
BENCHMARK = "logs/test/benchmarks/pretrain/digits-tiny/patchvae/seed0.tsv"
CONFIG = ["--configfile", "configs/test.yaml"]


def test_a_finished_training_that_snakemake_removes_is_not_run_again(snakemake: Run, tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "checkout")
    (place / BENCHMARK).mkdir(parents=True)  # so that it cannot be written
    assert snakemake(place, "--cores", "1", *CONFIG, "--", METRICS).returncode != 0
    assert not (place / METRICS).exists()
    shutil.rmtree(place / BENCHMARK)
    assert snakemake(place, "--cores", "1", *CONFIG, "--", METRICS).returncode == 0
    log = (place / LOG).read_text()
    assert "resumed at step" in log and "'epoch'" not in log
    scenes = "data/packed/digits-tiny64/manifest.json"
    assert list((place / "scratch").glob("*/state.pt"))
    assert snakemake(place, "--cores", "1", *CONFIG, "--", METRICS, scenes).returncode == 0
    assert not list((place / "scratch").glob("*/state.pt"))  # the later start found the outputs accepted


def test_a_training_that_outlived_snakemake_is_not_run_again(snakemake: Run, tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "checkout")
    overlay = place / "configs/test.yaml"
    overlay.write_text(overlay.read_text().replace("pretrain_epochs: 2", "pretrain_epochs: 15"))
    arguments = ["--cores", "1", *CONFIG, "--", METRICS]
    running = subprocess.Popen(
        [*SNAKEMAKE, *arguments],
        cwd=place,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    try:
        while "'epoch': 2" not in ((place / LOG).read_text() if (place / LOG).exists() else ""):
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(running.pid, signal.SIGKILL)  # its job lives on
        running.wait()
        while not (place / METRICS).exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert json.loads((place / METRICS).read_text())["epochs"] == 15
    assert snakemake(place, *CONFIG, "--unlock").returncode == 0
    log = (place / LOG).read_text()
    done = snakemake(place, *arguments)
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr
    assert (place / LOG).read_text() == log
