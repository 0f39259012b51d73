"""How far a run is, from the files in its folder alone: records, logs, saved states, Snakemake's own notes.

So it works on any machine that sees the folder, while the jobs run elsewhere, and waits for no lock. It asks no process
and no queue, so it says when a job was last heard of, and not that it lives.
"""

import functools
import re
import time
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
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
TAIL = 1 << 16  # bytes of a log in which its last line begins

_LINE = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ (\w+) [\w.]+: (.*)")
_STEP = re.compile(r"(?:step|resumed at step) (\d+) of (\d+)")
_EPOCH = re.compile(r"\{'epoch': (\d+)[,}]")
_NAMED = re.compile(r"^ +log: (.*?) \(check log file\(s\) for error details\)$")


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


def record_of(output: str) -> Path:
    """Where Snakemake keeps what it knows of a file, in its folders of records."""
    key = urlsafe_b64encode(output.encode()).decode()
    parts = [key[at : at + 254] for at in range(0, len(key), 254)]
    return Path(*(f"@{part}" for part in parts[:-1]), parts[-1])


def marker(root: Path, output: str) -> Path:
    """Where Snakemake notes that it started the job of an output and that the job has not ended."""
    return root / ".snakemake/incomplete" / record_of(output)


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
        when = mtime(path.with_name(STATE))
        try:
            record = read_json(path)["record"]
        except (PatchVAEError, KeyError, TypeError):  # half-written
            continue
        if when is not None:
            found[str(record)] = when
    return found


def failures(root: Path) -> dict[str, float]:
    """Log file -> when its job failed at last, as the logs of all Snakemakes here tell."""
    found: dict[str, float] = {}
    for path in sorted((root / ".snakemake/log").glob("*.log")):
        with open(path, encoding="utf-8", errors="replace") as stream:
            for named in filter(None, map(_NAMED.match, stream)):
                found |= dict.fromkeys(named[1].split(", "), mtime(path) or 0.0)
    return found


def last_line(path: Path) -> tuple[str, str]:
    """Level and text of the last line of a log that is no part of a traceback; both are empty where there is none."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, path.stat().st_size - TAIL))
            lines = stream.read().decode(errors="replace").splitlines()
    except OSError:
        return "", ""
    found = next((match for line in reversed(lines) if (match := _LINE.fullmatch(line))), None)
    return (found[2], found[3]) if found else ("", lines[-1] if lines else "")


def progress(path: Path, epochs: int, now: float) -> Progress | None:
    """How far the training is that writes a log; None before its first sign.

    The time that is left follows from the pace since this start of the training, which another job on its machine may
    change.
    """
    points: list[tuple[float, float]] = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    for when, _, line in _LINE.findall(text):
        share = None
        if found := _STEP.search(line):
            share = int(found[1]) / max(int(found[2]), 1)
        elif found := _EPOCH.search(line):
            share = int(found[1]) / max(epochs, 1)
        if share is not None:
            points.append((datetime.fromisoformat(when).timestamp(), min(share, 1.0)))
    if not points:
        return None
    (began, first), (ended, last) = points[0], points[-1]
    left = None
    if last > first and ended > began:
        # The clock of the training is that of its own machine: only its differences are used.
        left = max(0.0, (1 - last) * (ended - began) / (last - first) - max(0.0, now - (mtime(path) or now)))
    return Progress(last, f"epoch {int(last * epochs + 1e-9)} of {epochs}", left)


def look(root: Path, jobs: Iterable[Job], done: Container[str], now: float | None = None) -> list[Status]:
    """What is known of each job of a run.

    root: the project's folder; done: the files of jobs whose results are right; now: seconds since 1970, by default
    those of this machine.
    """
    now = time.time() if now is None else now
    saves, failed = saved(root), functools.cache(lambda: failures(root))  # read where a job needs them
    return [_status(root, job, job.path in done, saves, failed, now) for job in jobs]


def _status(
    root: Path,
    job: Job,
    done: bool,
    saves: Mapping[str, float],
    failed: Callable[[], Mapping[str, float]],
    now: float,
) -> Status:
    started = mtime(marker(root, job.makes[0]))
    if started is None and done:
        return Status(job, "done")
    log, state = mtime(root / job.log, empty=False), saves.get(str(root.resolve() / job.record))
    if started is not None and (log is None or log < started - LATE):
        return Status(job, "queued", started, external=external(root, job.makes[0]))
    heard = max((when for when in (log, state) if when is not None), default=None)
    if heard is None:
        return Status(job, "waiting")
    level, line = last_line(root / job.log)
    epochs = job.config.get("epochs")
    found = progress(root / job.log, epochs, now) if epochs else None
    if "stopped by a signal" in line or line == "interrupted":
        return Status(job, "stopped", heard, line, found)
    if level in ("ERROR", "CRITICAL"):
        return Status(job, "failed", heard, line, found)
    # It may have been killed and could not say anything itself
    if started is None and log is not None and failed().get(job.log, 0.0) >= log - LATE:
        return Status(job, "failed", heard, f"Snakemake says that it failed; its last line: {line}", found)
    if started is not None or now - heard <= SILENT:
        told = "running" if now - heard <= SILENT else "silent"
        return Status(job, told, heard, line, found, external(root, job.makes[0]))
    if state is not None:
        return Status(job, "stopped", heard, line, found)
    return Status(job, "waiting", heard)


def name_of(job: Job) -> str:
    """A job in a few words: its rule and its wildcards but the run."""
    words = (f"seed {value}" if key == "seed" else str(value) for key, value in job.wildcards.items() if key != "run")
    return " ".join([job.rule, *words])


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `3 h 05 min`, `2 d 04 h`."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60:02d} h"


def text(run: str, found: Sequence[Status], now: float | None = None) -> str:
    """All that `patchvae status` prints."""
    now = time.time() if now is None else now
    counts = Counter(status.state for status in found)
    lines = [f"run {run}, {len(found)} jobs: " + ", ".join(f"{counts[state]} {state}" for state in STATES)]
    by_rule: dict[str, Counter[str]] = {}
    for status in found:
        by_rule.setdefault(status.job.rule, Counter())[status.state] += 1
    rows = [[rule, *(str(count[state] or "") for state in STATES)] for rule, count in by_rule.items()]
    lines += ["", *columns(["", *STATES], rows)]
    for state in STATES[1:-1]:
        chosen = [status for status in found if status.state == state]
        if chosen:
            lines += ["", state + HINTS[state]]
        for status in chosen:
            lines += [f"  {name_of(status.job)}", *(f"    {line}" for line in _details(status, now))]
    return "\n".join(line.rstrip() for line in lines)


# What a state means, where its name alone would say too much or too little
HINTS = {
    "running": "",
    "silent": f": started, not ended, and not heard of for {SILENT / 60:.0f} minutes. It may be dead. Or it is no"
    " training: other jobs write nothing while they work",
    "queued": ": handed out by Snakemake, and its log has not begun",
    "stopped": ": goes on from its saved state when the run is started again",
    "failed": "",
}


def _details(status: Status, now: float) -> Iterator[str]:
    """The lines below a job's name."""
    assert status.heard is not None
    heard = (
        f"{'since' if status.state == 'queued' else 'last heard of'} {datetime.fromtimestamp(status.heard):%d %b %H:%M}"
    )
    words = [f"{heard} ({duration(max(0.0, now - status.heard))} ago)"]
    if status.progress is not None:
        words.insert(0, f"{status.progress.epoch} ({status.progress.share:.1%})")
        left = status.progress.left
        if status.state == "running" and left is not None:
            words.insert(1, f"{duration(left)} left, ends about {datetime.fromtimestamp(now + left):%d %b %H:%M}")
    if status.external:
        words.append(f"job {status.external} of the cluster")
    yield ", ".join(words)
    if status.state == "failed":
        yield f"{status.job.log}: {status.line}"
