"""Runs on a real SLURM, which tests/slurm/cluster starts: `make test-slurm`. Its name keeps it out of `make test`.

A copy of the repository runs locally, its twin through profiles/slurm; both end with the same bits.
"""

import csv
import importlib.util
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import ROOT, SNAKEMAKE, copy_checkout, environment, run_snakemake

sys.path.insert(0, str(Path(__file__).parent))
from faults import SUDDEN, Fault, Lines, storm

from patchvae.records import checkpoint

os.environ["PATCHVAE_DEVICE"] = "cpu"  # the two GPUs are none, and a job that asked for one would refuse to go without
CLUSTER = ROOT / "tests/slurm/cluster"
# The profile as it is, but impatient: it looks for ended jobs every few seconds, and lets two trainings share a node.
ON_SLURM = [
    *("--profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5"),
    *("--max-status-checks-per-second", "1", "--latency-wait", "20"),
]
SAVE_EVERY = 5.0  # seconds, in the copies
PAUSE, STORM = 0.6, "storm"  # seconds after each step, during the storm
CHAOS = ["tests/e2e/engines.yaml", "tests/slurm/chaos.yaml"]
KINDS = [
    *("cancelled", "requeued", "training killed", "time limit", "requeued", "cancelled", "training killed"),
    *("Snakemake of the job killed", "requeued", "cancelled", "training killed", "time limit", "requeued", "cancelled"),
    *("training killed", "Snakemake of the job killed", "requeued", "cancelled", "training killed", "requeued"),
]
OF_THE_MACHINE = {
    *("seconds", "images_per_second", "peak_memory_mb", "machines", "device", "commit"),
    *("checkpoint_sha256", "metrics_sha256"),
}


def cluster(command: str, place: Path) -> None:
    done = subprocess.run([CLUSTER, command, place], capture_output=True, text=True)
    if done.returncode:
        pytest.fail(done.stderr, pytrace=False)


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cluster of one node with two GPUs that are none."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.fail(f"SLURM's plugin is missing: {sys.executable} -m pip install -e '.[slurm]'", pytrace=False)
    place = tmp_path_factory.mktemp("slurm")
    cluster("start", place)
    try:
        yield place
    finally:
        cluster("stop", place)


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


def copy_that_saves_often(place: Path, slow: bool) -> Path:
    """A copy whose trainings save every few seconds.

    Those of a slow one wait after each step as long as the file STORM is there, in what only watches them.
    """
    copy_checkout(place)
    package = place / "src/patchvae"
    replaced(package / "training/loop.py", "save_every: float = 60.0", f"save_every: float = {SAVE_EVERY}")
    if slow:
        update = "        self.bar.update()\n"
        pause = f"__import__('time').sleep({PAUSE} * __import__('os').path.exists('{STORM}'))"
        replaced(package / "jobs/watch.py", update, f"{update}        {pause}\n")
        (place / STORM).touch()
    return place


def numbers(value: Any) -> Any:
    """What a checkpoint holds, in a form that can be compared: the bytes of its tensors."""
    if isinstance(value, torch.Tensor):
        return (value.dtype, tuple(value.shape), value.numpy().tobytes())
    if isinstance(value, dict):
        return {key: numbers(child) for key, child in value.items()}
    return value


def results(place: Path) -> dict[str, Any]:
    """Every result by its file's name, without what is of the machine.

    A checkpoint's file holds the number of the process that wrote it, and a record the digests of such files. Tables as
    text say how long the run took; their CSV has the same numbers.
    """
    found: dict[str, Any] = {}
    for path in sorted((place / "results").rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.suffix == ".record":
            found[name] = True
        elif path.suffix == ".pt":
            found[name] = numbers(checkpoint.load(path))
        elif "/metrics/" in name and path.is_file():
            content = json.loads(path.read_text())
            blocks = [content, content.get("pretraining") or {}]
            found[name] = [{key: block[key] for key in block if key not in OF_THE_MACHINE} for block in blocks]
            found[name][0].pop("pretraining", None)
        elif "/tables/" in name and path.suffix == ".csv":
            with open(path, newline="") as stream:
                rows = list(csv.DictReader(stream))
            found[name] = [{key: row[key] for key in row if key not in OF_THE_MACHINE} for row in rows]
        elif "/tables/" in name:
            found[name] = path.is_file()
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def same_bits(place: Path, other: Path) -> None:
    ours, theirs = results(place), results(other)
    assert list(ours) == list(theirs)
    assert [name for name in ours if ours[name] != theirs[name]] == []


def nothing_left(place: Path, *overlays: str) -> None:
    """No job runs, no half-written file lies about, nothing is left to do."""
    assert subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True).stdout == ""
    assert [str(path) for path in place.rglob(".*.partial")] == []
    for folder in ("incomplete", "locks"):
        assert [path for path in (place / ".snakemake" / folder).rglob("*") if path.is_file()] == []
    said = run_snakemake(place, "-n", "--profile", "profiles/slurm", "--configfile", *overlays)
    assert "Nothing to be done" in said.stdout + said.stderr


def test_the_demo_gives_the_same_tables(slurm: Path, tmp_path: Path) -> None:
    here, there = copy_checkout(tmp_path / "here"), copy_checkout(tmp_path / "there")
    began = time.monotonic()
    done = run_snakemake(here, "--cores", "2", "--configfile", "configs/demo.yaml")
    assert done.returncode == 0, done.stderr
    local = time.monotonic() - began
    done = run_snakemake(there, *ON_SLURM, "--configfile", "configs/demo.yaml")
    assert done.returncode == 0, done.stderr
    print(f"the demo: {local:.0f} s locally, {time.monotonic() - began - local:.0f} s through SLURM")
    assert "has been submitted with SLURM jobid" in done.stdout + done.stderr
    same_bits(there, here)
    nothing_left(there, "configs/demo.yaml")


def restart_controller(place: Path, after: list[float], ended: threading.Event) -> None:
    """Kill the controller after so many seconds each and start it again a while later."""
    for seconds in after:
        if ended.wait(seconds):
            return
        cluster("kill-controller", place)
        time.sleep(15)
        cluster("start-controller", place)


def check_losses(faults: list[Fault], lines: Lines) -> None:
    """Hold what the logs say to what the faults did."""
    for log in {fault.log for fault in faults}:
        steps = lines.steps(log)
        for (word, step), (then, next_step) in itertools.pairwise(steps):
            if (word, then) == ("stopped", "resumed"):
                assert next_step == step, f"{log}: stopped at step {step}, resumed at {next_step}"
        resumed = [step for word, step in steps if word == "resumed"]
        for fault in faults:
            if fault.log == log:
                assert fault.step in resumed, f"{log}: {fault.kind} left step {fault.step}, resumed at {resumed}"
    sudden = [fault for fault in faults if fault.kind in SUDDEN]
    assert max(fault.seconds for fault in sudden) < 2 * SAVE_EVERY  # a step and a save take their time


def test_chaos_ends_with_the_same_bits(slurm: Path, tmp_path: Path) -> None:
    quiet, stormy = copy_that_saves_often(tmp_path / "quiet", False), copy_that_saves_often(tmp_path / "stormy", True)
    done = run_snakemake(quiet, "--cores", "2", "--configfile", *CHAOS)
    assert done.returncode == 0, done.stderr
    lines, ended = Lines(stormy), threading.Event()
    lines.start()
    controller = threading.Thread(target=restart_controller, args=(slurm, [90, 240], ended))
    controller.start()
    command = [*SNAKEMAKE, *ON_SLURM, "--configfile", *CHAOS]
    with open(tmp_path / "said", "w") as said:
        running = subprocess.Popen(command, cwd=stormy, env=environment(), stdout=said, stderr=said)
        faults = storm(stormy, KINDS, lambda: running.poll() is None)
        (stormy / STORM).unlink()
        assert running.wait(1800) == 0, (tmp_path / "said").read_text()[-3000:]
    ended.set()
    controller.join()
    lines.ended.set()
    for fault in faults:
        name = fault.log.relative_to(stormy / "logs")
        print(f"{fault.kind:28} {fault.seconds:5.1f} s after a save, left step {fault.step:4} of {name}")
    assert len(faults) == len(KINDS), "the run ended before all faults had happened"
    check_losses(faults, lines)
    same_bits(stormy, quiet)
    nothing_left(stormy, *CHAOS)
