"""What the jobs of a run took, by rule, and what the rest may take by the pace of those that were timed."""

import csv
import statistics
from collections.abc import Collection, Sequence
from pathlib import Path

from patchvae.errors import PatchVAEError
from patchvae.plan.jobs import Job
from patchvae.report.plain_text import columns

HEAD = ("", "jobs", "done", "hours taken", "hours to go")
NOTES = (
    "Hours are those of one job after the other, as Snakemake timed them: of a job that went on, its last start. Hours",
    "to go are by the mean of this run's timed jobs of the rule and by epochs; ?: jobs to do of which none was timed.",
)


def timed(path: Path) -> float:
    """The seconds in one of Snakemake's benchmark files, or 0 where there is no such file."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            return sum(float(row["s"]) for row in csv.DictReader(stream, delimiter="\t"))
    except FileNotFoundError:
        return 0
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PatchVAEError(f"{path}: not one of Snakemake's benchmark files: {error}") from error


def text(run: str, jobs: Sequence[Job], right: Collection[str], root: Path) -> str:
    """All that `patchvae cost` prints; right: the files of the jobs that are done."""
    rows, all_taken, all_left, unknown = [], 0.0, 0.0, ""
    for rule in dict.fromkeys(job.rule for job in jobs):
        group = [job for job in jobs if job.rule == rule]
        epochs = {job.path: job.epochs or 1 for job in group}
        seconds = {job.path: timed(root / job.benchmark) for job in group}
        paces = [taken / epochs[path] for path, taken in seconds.items() if taken]
        done = [path for path in seconds if path in right]
        to_do = sum(epochs[path] for path in seconds if path not in right)
        taken, left = sum(seconds[path] for path in done), statistics.fmean(paces or [0]) * to_do
        all_taken, all_left = all_taken + taken, all_left + left
        if to_do and not paces:
            unknown = " + ?"
        rows.append([rule, str(len(group)), str(len(done)), _hours(taken), _hours(left) if paces or not to_do else "?"])
    counts = (str(sum(int(row[column]) for row in rows)) for column in (1, 2))
    rows.append(["all", *counts, _hours(all_taken), _hours(all_left) + unknown])
    return "\n".join([f"run {run}", "", *columns(HEAD, rows), "", *NOTES])


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f}"
