"""The whole workflow on its smallest configuration, in a copy of the repository."""

import csv
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import SNAKEMAKE, copy_checkout, environment

Run = Callable[..., "subprocess.CompletedProcess[str]"]

CONFIG = ["--configfile", "configs/test.yaml"]
CORES = ["--cores", "2"]


@pytest.fixture(scope="module")
def finished(snakemake: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which the test configuration has run to its end."""
    place = copy_checkout(tmp_path_factory.mktemp("pipeline"))
    done = snakemake(place, *CORES, *CONFIG)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return place


def wanted(snakemake: Run, place: Path, *arguments: str | Path) -> set[str]:
    """The outputs that a dry run wants to make anew."""
    done = snakemake(place, "-n", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return set(re.findall(r"^Reason: .*|^Job \d+: (.*)$", done.stdout, re.M)) - {""}


TRAININGS = {
    f"Fine-tune {variant} on digits-tiny, {regime}, seed 0"
    for variant in ("patchvae+lw", "patchvae-gan", "bigan", "random")
    for regime in ("conv1", "conv1-5")
}
TABLE = {"Table 1 of run test"}
OCCURRENCE = {"Draw occurrence maps of digits-tiny"}


def of(variant: str) -> set[str]:
    return {f"Pretrain {variant} on digits-tiny, seed 0"} | {job for job in TRAININGS if f" {variant} " in job}


def test_table_and_figures_are_there(finished: Path) -> None:
    with open(finished / "results/test/tables/table1.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[:7] == ["model", "dataset", "regime", "paper", "mean", "std", "n"]
    assert len([row for row in rows if row["mean"]]) == len(TRAININGS)
    assert "demo" in (finished / "results/test/tables/table1.md").read_text().lower()
    for name in ("weight_masks", "occurrence_maps"):
        assert (finished / f"results/test/figures/{name}_digits-tiny.png").read_bytes().startswith(b"\x89PNG")
        assert (finished / f"results/test/figures/{name}_digits-tiny.pdf").read_bytes().startswith(b"%PDF")
    assert list(finished.rglob("*.partial")) == []


def test_a_second_run_has_nothing_to_do(snakemake: Run, finished: Path) -> None:
    done = snakemake(finished, *CORES, *CONFIG)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("overlay", "jobs"),
    [
        ("finetune: {lr: 0.02}", TRAININGS | TABLE),
        ("bigan: {lr: 0.001}", of("bigan") | TABLE),
        ("gan: {weight: 2.0}", of("patchvae-gan") | TABLE),
        ("masks: {per_channel: false}", {"Weight masks of digits-tiny", "Draw weight masks of digits-tiny"}),
        ("table1: {select: best}", TABLE),
        ("model: {latent_dim: 32}", of("bigan") | TABLE),
    ],
)
def test_an_edited_value_reruns_the_jobs_that_need_it(
    snakemake: Run, finished: Path, tmp_path: Path, overlay: str, jobs: set[str]
) -> None:
    path = tmp_path / "over.yaml"
    path.write_text(overlay + "\n")
    found = wanted(snakemake, finished, *CONFIG, path)
    if overlay.startswith("masks:"):  # what follows from new masks: the one variant trained with L_w
        jobs = jobs | of("patchvae+lw") | OCCURRENCE | TABLE
    assert found == jobs


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        ("report/tables.py", TABLE),
        ("data/masks.py", {"Weight masks of digits-tiny", "Draw weight masks of digits-tiny"}),
        ("training/finetune.py", TRAININGS | TABLE),
        ("cli.py", set()),
    ],
)
def test_an_edited_source_file_reruns_the_jobs_that_use_it(
    snakemake: Run, finished: Path, module: str, jobs: set[str]
) -> None:
    path = finished / "src/patchvae" / module
    before, times = path.read_bytes(), path.stat()
    path.write_bytes(before + b"\n# edited\n")
    try:
        found = wanted(snakemake, finished, *CONFIG)
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    if module == "data/masks.py":
        jobs = jobs | of("patchvae+lw") | OCCURRENCE | TABLE
    assert found == jobs


def test_a_touched_source_file_reruns_nothing(snakemake: Run, finished: Path) -> None:
    os.utime(finished / "src/patchvae/training/loop.py")
    assert wanted(snakemake, finished, *CONFIG) == set()


METRICS = "results/test/metrics/pretrain/digits-tiny/patchvae-gan/seed0.json"
CHECKPOINT = "results/test/checkpoints/pretrain/digits-tiny/patchvae-gan/seed0.pt"
LOG = "logs/test/pretrain/digits-tiny/patchvae-gan/seed0.log"


@pytest.mark.parametrize(("number", "resumed"), [(signal.SIGINT, True), (signal.SIGKILL, False)])
def test_a_run_killed_in_the_middle_of_a_training_is_finished_by_the_next(
    snakemake: Run, tmp_path: Path, number: signal.Signals, resumed: bool
) -> None:
    place = copy_checkout(tmp_path / "checkout")
    overlay = tmp_path / "over.yaml"
    overlay.write_text("datasets: {digits-tiny: {pretrain_epochs: 40}}\n")
    arguments = ["--cores", "1", *CONFIG, str(overlay), "--", METRICS]
    running = subprocess.Popen(
        [*SNAKEMAKE, *arguments],
        cwd=place,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # as a terminal's ^C, the signal reaches Snakemake and its job
    )
    try:
        deadline = time.monotonic() + 120
        while "'epoch': 2" not in ((place / LOG).read_text() if (place / LOG).exists() else ""):
            assert running.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(running.pid, number)
        assert running.wait(timeout=60) != 0
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert not (place / METRICS).exists()
    assert not (place / CHECKPOINT).exists()
    if number == signal.SIGKILL:
        assert snakemake(place, *CONFIG, overlay, "--unlock").returncode == 0
    done = snakemake(place, *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (place / METRICS).exists()
    assert (place / CHECKPOINT).exists()
    assert ("resumed at step" in (place / LOG).read_text()) == resumed
