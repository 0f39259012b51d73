"""What `patchvae status` says of a run, from files alone: made-up logs, outputs, saved states and Snakemake's notes."""

import os
import re
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from helpers import rule_texts

from patchvae import cli
from patchvae.commands import status
from patchvae.files import write_json
from patchvae.jobs.watch import Watcher
from patchvae.plan import layout

NOW = datetime(2026, 1, 2, 12, 0).timestamp()
SNAKEMAKE = ".snakemake/log/2026-01-02T090000.snakemake.log"
FILES = ("path", "jobs", ".json"), ("record", "out", ".record"), ("log", "logs", ".log")


def job(name: str) -> Any:
    files: dict[str, Any] = {key: f"{folder}/{name}{end}" for key, folder, end in FILES}
    files["makes"] = [f"out/{name}.pt", f"out/{name}.json"]
    return SimpleNamespace(rule="pretrain", epochs=10, **files)


class Folder:
    """A project's folder as jobs leave it; ages in seconds before NOW."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, text: str = "", age: float = 0) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (NOW - age, NOW - age))

    def log(self, name: str, *lines: tuple[float, str, str]) -> None:
        """A log of (age, level, text), last written when its last line says."""
        stamps = [datetime.fromtimestamp(NOW - age).strftime("%Y-%m-%d %H:%M:%S") for age, *_ in lines]
        text = [
            f"{stamp},123 {level} patchvae: {line}\n" for stamp, (_, level, line) in zip(stamps, lines, strict=True)
        ]
        self.put(f"logs/{name}.log", "".join(text), lines[-1][0])

    def started(self, name: str, age: float, external: str = "null") -> None:
        """What Snakemake notes when it starts a job, and removes when the job has ended."""
        for output in job(name).makes:
            self.put(str(status.marker(Path(), output)), f'{{"external_jobid": {external}}}', age)

    def state(self, name: str, age: float) -> None:
        write_json(self.root / f"scratch/{name}/job.json", {"record": str(self.root / job(name).record)})
        self.put(f"scratch/{name}/state.pt", age=age)

    def look(self, *names: str, done: tuple[str, ...] = ()) -> dict[str, status.Status]:
        found = status.look(self.root, [job(name) for name in names], {job(name).path for name in done}, NOW)
        return dict(zip(names, found, strict=True))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def step(age: float, at: int, of: int = 1000) -> tuple[float, str, str]:
    return age, "INFO", f"patchvae digits seed 0: step {at} of {of}"


def failed(logs: str) -> str:
    """What Snakemake prints of a job that failed."""
    return f"Error in rule pretrain:\n    jobid: 3\n    log: {logs} (check log file(s) for error details)\n"


def test_each_state_is_told_from_files(folder: Folder) -> None:
    folder.started("runs", 5000)
    folder.log("runs", step(4990, 0), step(30, 500))
    folder.started("silent", 5000, '"4711"')
    folder.log("silent", step(4990, 0), step(700, 500))
    folder.started("queued", 100)
    folder.started("again", 100)  # handed out again after it failed, and still in a queue
    folder.log("again", (900, "ERROR", "error: not enough memory"))
    folder.log("byhand", step(20, 10))
    folder.log(
        "stopped", step(900, 0), (800, "WARNING", "x: stopped by a signal at step 300 of 1000; run again to go on")
    )
    folder.log("said", step(9000, 0), (8000, "ERROR", "error: the loss is NaN at step 7 of 1000"))
    for name in ("killed", "restarted"):
        folder.log(name, step(9000, 0), step(8000, 900))
    folder.state("restarted", 8000)
    folder.put(SNAKEMAKE, failed("logs/killed.log"), 7000)
    folder.log("gone", step(9000, 0), step(8000, 900))  # its outputs were deleted since, or it was a run by hand
    expected = {
        "done": "done",
        "runs": "running",
        "silent": "silent",
        "queued": "queued",
        "again": "queued",
        "byhand": "running",
        "stopped": "stopped",
        "said": "failed",
        "killed": "failed",
        "restarted": "stopped",
        "gone": "waiting",
        "new": "waiting",
    }
    found = folder.look(*expected, done=("done",))
    assert {name: one.state for name, one in found.items()} == expected
    assert "step 900 of 1000" in found["killed"].line
    text = status.text("demo", list(found.values()), NOW)
    assert text.startswith("run demo, 12 jobs: 1 done, 2 running, 1 silent, 2 queued, 2 stopped, 2 failed, 2 waiting\n")
    assert "logs/said.log: error: the loss is NaN at step 7 of 1000" in text
    assert "jobs/silent.json\n    epoch 5 of 10 (50.0%), last heard of 02 Jan 11:48 (0:11:40 ago)" in text
    assert "(0:11:40 ago), job 4711 of the cluster\n" in text


def test_outputs_of_a_job_that_snakemake_still_counts_as_started_are_not_done(folder: Folder) -> None:
    folder.started("again", 50)
    folder.log("again", step(40, 0))
    assert folder.look("again", done=("again",))["again"].state == "running"


def test_a_job_that_was_just_killed_does_not_run(folder: Folder) -> None:
    folder.log("a", step(5, 700))
    folder.put(SNAKEMAKE, failed("logs/a.log, slurm/3.log"), 1)
    assert folder.look("a")["a"].state == "failed"


def test_a_failure_before_the_last_start_is_forgotten(folder: Folder) -> None:
    folder.put(SNAKEMAKE, failed("logs/a.log"), 7000)
    folder.log("a", step(5000, 0))
    assert folder.look("a")["a"].state == "waiting"


def test_the_time_left_follows_from_the_pace_since_the_start(folder: Folder) -> None:
    folder.log("a", (1000, "INFO", "a: resumed at step 500 of 1000"), step(0, 600))
    found = folder.look("a")["a"].progress
    assert found == status.Progress(0.6, "epoch 6 of 10", pytest.approx(4000))
    # Heard of 100 seconds ago: it has done 100 seconds more since
    folder.log("a", step(1100, 0), step(100, 500))
    assert folder.look("a")["a"].progress == status.Progress(0.5, "epoch 5 of 10", pytest.approx(900))
    folder.log("a", (900, "INFO", "a: {'epoch': 3, 'loss': 2.0}"), (0, "INFO", "a: {'epoch': 4, 'loss': 1.0}"))
    assert folder.look("a")["a"].progress == status.Progress(0.4, "epoch 4 of 10", pytest.approx(5400))
    folder.log("a", step(10, 0))  # no pace yet
    assert folder.look("a")["a"].progress == status.Progress(0.0, "epoch 0 of 10", None)


def test_a_saved_state_is_a_sign_too(folder: Folder) -> None:
    folder.started("a", 9000)
    folder.log("a", step(8000, 1))
    folder.state("a", 30)
    assert folder.look("a")["a"].state == "running"


def test_broken_files_are_no_reason_to_stop(folder: Folder) -> None:
    folder.put("logs/a.log", "\x00not a log line\n", 5)
    folder.put("logs/b.log")  # as `snakemake --touch` makes it
    assert folder.look("b")["b"].state == "waiting"
    folder.put("scratch/x/job.json", "{")
    folder.put("scratch/x/state.pt")
    assert folder.look("a")["a"].state == "running" and folder.look("a")["a"].progress is None


def test_a_training_writes_the_lines_that_are_read_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that neither is edited alone."""
    lines: list[str] = []
    monkeypatch.setattr("patchvae.jobs.watch.SIGN", 0.0)
    monkeypatch.setattr("patchvae.jobs.watch.logger.info", lambda text, *values: lines.append(text % values))
    watch = Watcher()
    for start in (0, 4):
        watch.begin("a", start, 10, [])
        watch.step()
        watch.end()
    watch.epoch({"epoch": 1, "loss": 0.5})
    folder = Folder(tmp_path)
    shares = []
    for line in lines:
        folder.log("a", (0, "INFO", line))
        found = folder.look("a")["a"].progress
        assert found is not None
        shares.append(found.share)
    assert shares == [0.0, 0.1, 0.4, 0.5, 0.1]


def test_the_command_lists_every_job_of_the_paper(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["status", "-p", str(root / "params.yaml")]) == 0
    assert "run paper, 242 jobs: 0 done, 0 running, 0 silent, 0 queued, 0 stopped, 0 failed, 242 waiting" in (
        capsys.readouterr().out
    )
    assert cli.main(["status", "-p", str(root / "params.yaml"), "gone.yaml"]) == 1


def test_the_rules_write_the_logs_that_are_read_here() -> None:
    told = {}
    for name, text in rule_texts().items():
        log, benchmark = re.search(r'    log:\n +"(.*)",', text), re.search(r'    benchmark:\n +"(.*)"', text)
        assert log and benchmark, name
        told[name] = log[1], benchmark[1]
    own = {rule: layout.own_files(rule) for rule in layout.KINDS}
    assert told == {rule: (files["log"], files["benchmark"]) for rule, files in own.items()}
