"""How far a run is, from the files in its folder alone: records, logs, saved states, Snakemake's own notes.

So it works on any machine that can read the folder, while the jobs run elsewhere, and waits for no lock. It asks no
process and no queue, so it says when a job was last heard of, and not that it lives.
"""

import contextlib
import functools
import re
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.jobs.states import JOB, STATE
from patchvae.plan.jobs import Job
from patchvae.report.plain_text import columns

STATES = ("done", "running", "silent", "queued", "stopped", "failed", "waiting")
SILENT = 600.0  # seconds without a sign, after which a job is no longer said to run; a training gives one each minute
LATE = 2.0  # seconds by which the clocks of two machines on a shared file system may differ

LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ (\w+) [\w.]+: (.*)")
STEP = re.compile(r"(?:step|resumed at step) (\d+) of (\d+)")
EPOCH = re.compile(r"\{'epoch': (\d+)[,}]")
NAMED = re.compile(r"^ +log: (.*?) \(check log file\(s\) for error details\)$")


class Progress(NamedTuple):
    """How far a training is: the share that is done, its epochs in text, and the seconds that are left, if known."""

    share: float
    epoch: str
    left: float | None


class Status(NamedTuple):
    """One job: what is known of it, when it was last heard of, and a line that says more."""

    job: Job
    state: str  # one of STATES
    heard: float | None = None  # seconds since 1970
    line: str = ""
    progress: Progress | None = None
    external: str = ""  # the number that a cluster has for it


def mtime(path: Path, empty: bool = True) -> float | None:
    """When a file was last written, or None where there is none; empty: whether one without content counts."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime if empty or found.st_size else None


def marker(root: Path, output: str) -> Path:
    """Where Snakemake notes that it started the job of an output and that the job has not ended."""
    key = urlsafe_b64encode(output.encode()).decode()
    *folders, last = (key[at : at + 254] for at in range(0, len(key), 254))
    return Path(root, ".snakemake/incomplete", *(f"@{folder}" for folder in folders), last)


def external(root: Path, output: str) -> str:
    """The number that a cluster has for the job of an output that Snakemake started there, else nothing."""
    try:
        return str(read_json(marker(root, output))["external_jobid"] or "")
    except (PatchVAEError, KeyError, TypeError):  # ended since, or half-written
        return ""


def saved(root: Path) -> dict[str, float]:
    """When the state of each training was last saved, by the record of its outputs."""
    found = {}
    for path in (root / "scratch").glob(f"*/{JOB}"):
        with contextlib.suppress(PatchVAEError, OSError, KeyError, TypeError):  # half-written
            found[str(read_json(path)["record"])] = path.with_name(STATE).stat().st_mtime
    return found


def failures(root: Path) -> dict[str, float]:
    """Log file -> when its job failed at last, by the logs of all Snakemakes here."""
    found: dict[str, float] = {}
    for path in sorted((root / ".snakemake/log").glob("*.log")):
        with open(path, encoding="utf-8", errors="replace") as stream:
            for named in filter(None, map(NAMED.match, stream)):
                found |= dict.fromkeys(named[1].split(", "), mtime(path) or 0.0)
    return found


def last_line(log: str) -> tuple[str, str]:
    """Level and text of the last line of a log that is no part of a traceback; both are empty where there is none."""
    lines = log.splitlines()
    found = next((match for line in reversed(lines) if (match := LINE.fullmatch(line))), None)
    return (found[2], found[3]) if found else ("", lines[-1] if lines else "")


def progress(log: str, epochs: int, ago: float) -> Progress | None:
    """How far the training is that wrote a log, to which it last wrote `ago` seconds ago; None before its first sign.

    The time that is left follows from the pace since this start of the training, which another job on its machine may
    change.
    """
    points: list[tuple[float, float]] = []
    for when, _, line in LINE.findall(log):
        if found := STEP.search(line):
            share = int(found[1]) / max(int(found[2]), 1)
        elif found := EPOCH.search(line):
            share = int(found[1]) / epochs
        else:
            continue
        points.append((datetime.fromisoformat(when).timestamp(), min(share, 1.0)))
    if not points:
        return None
    (began, first), (ended, last) = points[0], points[-1]
    left = None
    if last > first and ended > began:
        # The clock of the training is that of its own machine: only its differences are used.
        left = max(0.0, (1 - last) * (ended - began) / (last - first) - max(0.0, ago))
    return Progress(last, f"epoch {int(last * epochs + 1e-9)} of {epochs}", left)


def look(root: Path, jobs: Iterable[Job], done: Container[str], now: float) -> list[Status]:
    """What is known of each job of a run.

    root: the project's folder; done: the files of jobs whose results are right; now: seconds since 1970.
    """
    saves, failed = saved(root), functools.cache(lambda: failures(root))  # read where a job needs them

    def status(job: Job) -> Status:
        started = mtime(marker(root, job.makes[0]))
        if started is None and job.path in done:
            return Status(job, "done")
        log, state = mtime(root / job.log, empty=False), saves.get(str(root.resolve() / job.record))
        if started is not None and (log is None or log < started - LATE):
            return Status(job, "queued", started, external=external(root, job.makes[0]))
        if log is None and state is None:
            return Status(job, "waiting")
        heard = max(log or 0.0, state or 0.0)
        text = (root / job.log).read_text(encoding="utf-8", errors="replace") if log is not None else ""
        level, line = last_line(text)
        done_so_far = progress(text, job.epochs, now - (log or now)) if job.epochs else None
        found = Status(job, "waiting", heard, line, done_so_far)
        if "stopped by a signal" in line or line == "interrupted":
            return found._replace(state="stopped")
        if level in ("ERROR", "CRITICAL"):
            return found._replace(state="failed")
        # It may have been killed and could not say anything itself
        if started is None and log is not None and failed().get(job.log, 0.0) >= log - LATE:
            return found._replace(state="failed", line=f"Snakemake says that it failed; its last line: {line}")
        if now - heard <= SILENT:
            return found._replace(state="running", external=external(root, job.makes[0]))
        if started is not None:
            return found._replace(state="silent", external=external(root, job.makes[0]))
        return found if state is None else found._replace(state="stopped")

    return [status(job) for job in jobs]


# What a state means, where its name alone would say too much or too little
HINTS = {
    "silent": f": started, not ended, and not heard of for {SILENT / 60:.0f} minutes. It may be dead. Or it is no"
    " training: other jobs write nothing while they work",
    "queued": ": handed out by Snakemake, and its log has not begun",
    "stopped": ": goes on from its saved state when the run is started again",
}


def text(run: str, found: Sequence[Status], now: float) -> str:
    """All that `patchvae status` prints."""
    counts = Counter(status.state for status in found)
    lines = [f"run {run}, {len(found)} jobs: " + ", ".join(f"{counts[state]} {state}" for state in STATES)]
    by_rule = Counter((status.job.rule, status.state) for status in found)
    rules = dict.fromkeys(status.job.rule for status in found)
    rows = [[rule, *(str(by_rule[rule, state] or "") for state in STATES)] for rule in rules]
    lines += ["", *columns(["", *STATES], rows)]
    for state in STATES[1:-1]:
        if counts[state]:
            lines += ["", state + HINTS.get(state, "")]
        for status in found:
            if status.state == state:
                lines += [f"  {status.job.path}", *(f"    {line}" for line in _details(status, now))]
    return "\n".join(line.rstrip() for line in lines)


def _details(status: Status, now: float) -> Iterator[str]:
    """The lines below a job's name."""
    assert status.heard is not None
    words = []
    if status.progress is not None:
        words.append(f"{status.progress.epoch} ({status.progress.share:.1%})")
        left = status.progress.left
        if status.state == "running" and left is not None:
            words.append(f"{_duration(left)} left, ends about {datetime.fromtimestamp(now + left):%d %b %H:%M}")
    since = "since" if status.state == "queued" else "last heard of"
    ago = _duration(max(0.0, now - status.heard))
    words.append(f"{since} {datetime.fromtimestamp(status.heard):%d %b %H:%M} ({ago} ago)")
    if status.external:
        words.append(f"job {status.external} of the cluster")
    yield ", ".join(words)
    if status.state == "failed":
        yield f"{status.job.log}: {status.line}"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
