"""Faults for running trainings, and what they cost."""

import random
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.records import checkpoint


class Running(NamedTuple):
    """A training at work, as a job of SLURM."""

    process: psutil.Process
    job: str  # SLURM's number
    log: Path
    record: str  # of its outputs

    def state(self, place: Path) -> Path | None:
        """The file with its saved state, if it has saved one."""
        for path in (place / "scratch").glob("*/job.json"):
            try:
                if read_json(path)["record"] == str(place / self.record):
                    state = path.with_name("state.pt")
                    return state if state.exists() else None
            except (PatchVAEError, KeyError):  # being written
                continue
        return None


class Fault(NamedTuple):
    """A fault that has happened."""

    kind: str
    log: Path
    at: float
    seconds: float  # of training since the last save before it
    step: int  # of the state that it left, 0 without one


def trainings(place: Path) -> Iterator[Running]:
    """The trainings at work in a folder."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = process.info["cmdline"] or []
        if process.info["cwd"] != str(place) or words[2:4] != ["patchvae.cli", "run"]:
            continue
        try:
            content, job = read_json(place / words[4]), process.environ()["SLURM_JOB_ID"]
        except (PatchVAEError, psutil.Error, KeyError):
            continue
        if content["rule"] in ("pretrain", "finetune"):
            yield Running(process, job, place / content["log"], content["record"])


def slurm(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


# Each ends the training, sooner or later
FAULTS: dict[str, Callable[[Running], None]] = {
    "cancelled": lambda training: slurm("scancel", training.job),
    "requeued": lambda training: slurm("scontrol", "requeue", training.job),
    "time limit": lambda training: slurm("scontrol", "update", f"JobId={training.job}", "TimeLimit=1"),
    "training killed": lambda training: training.process.send_signal(signal.SIGKILL),
    "Snakemake of the job killed": lambda training: training.process.parent().send_signal(signal.SIGKILL),  # type: ignore[union-attr]
}
SUDDEN = ("training killed", "Snakemake of the job killed")  # without a signal before


class Lines(threading.Thread):
    """Collects the lines about steps from all logs, which a training that starts again overwrites."""

    def __init__(self, place: Path) -> None:
        super().__init__(daemon=True)
        self.place, self.found, self.ended = place, dict[tuple[Path, str], None](), threading.Event()

    def run(self) -> None:
        while not self.ended.wait(0.1):
            for path in (self.place / "logs").rglob("*.log"):
                for line in path.read_text(errors="replace").splitlines():
                    if " at step " in line:
                        self.found[path, line] = None

    def steps(self, log: Path) -> list[tuple[str, int]]:
        """("resumed" or "stopped", step) of one training, in their order."""
        lines = sorted(line for path, line in self.found if path == log)
        matches = [re.search(r"(resumed|stopped by a signal) at step (\d+)", line) for line in lines]
        return [(match[1].split()[0], int(match[2])) for match in matches if match]


def strike(place: Path, training: Running, kind: str) -> Fault | None:
    """Let one fault happen and wait for the end of the training; None where it ended well before."""
    state, at = training.state(place), time.time()
    before = state.stat().st_mtime if state else training.process.create_time()
    try:
        FAULTS[kind](training)
        training.process.wait(300)
    except (psutil.NoSuchProcess, subprocess.CalledProcessError):
        return None
    if (place / training.record).exists():
        return None
    state = training.state(place)
    step = int(checkpoint.load(state)["step"]) if state else 0
    return Fault(kind, training.log, at, at - max(before, training.process.create_time()), step)


def storm(place: Path, kinds: list[str], going_on: Callable[[], bool], seed: int = 0) -> list[Fault]:
    """Strike running trainings, each after it has saved a state, until all kinds have happened or the run ends."""
    chance, happened = random.Random(seed), list[Fault]()
    kinds = list(kinds)
    while kinds and going_on():
        time.sleep(chance.uniform(0.5, 3))
        ready = []
        for training in trainings(place):
            state = training.state(place)
            if state and state.stat().st_mtime > training.process.create_time():
                ready.append(training)
        if not ready:
            continue
        training = chance.choice(ready)
        time.sleep(chance.uniform(0, 5))  # at any moment between two saves
        fault = strike(place, training, kinds[0])
        if fault:
            happened.append(fault)
            kinds.pop(0)
    return happened
