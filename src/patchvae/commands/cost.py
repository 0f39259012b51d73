"""What a run took so far, by table and figure, and what the rest may take by the pace of its own jobs."""

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

from patchvae.errors import PatchVAEError
from patchvae.plan.jobs import Job
from patchvae.report.plain_text import columns

HEAD = ("", "jobs", "done", "hours taken", "hours to go", "unknown")
NOTES = (
    "Hours are those of one job after the other, as Snakemake timed them: of a job that went on, its last start.",
    "A job behind several tables counts in each row, and once in the last. Hours to go are by the mean of this run's",
    "timed jobs of the same rule and by epochs; unknown: jobs to do of a rule of which none was timed.",
)


def timed(path: Path) -> float | None:
    """The seconds in one of Snakemake's benchmark files, or None where there is no such file."""
    try:
        with open(path, newline="", encoding="utf-8") as stream:
            return sum(float(row["s"]) for row in csv.DictReader(stream, delimiter="\t")) or None
    except FileNotFoundError:
        return None
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise PatchVAEError(f"{path}: not one of Snakemake's benchmark files: {error}") from error


def behind(jobs: Sequence[Job]) -> dict[str, list[Job]]:
    """The jobs behind each table and figure, by its title; many are behind several."""
    by_path = {job.path: job for job in jobs}
    groups: dict[str, dict[str, Job]] = {}

    def add(job: Job, seen: dict[str, Job]) -> None:
        if job.path not in seen:
            seen[job.path] = job
            for path in job.after:
                add(by_path[path], seen)

    for job in jobs:
        if job.title:
            add(job, groups.setdefault(job.title, {}))
    return {title: list(group.values()) for title, group in groups.items()}


def text(run: str, jobs: Sequence[Job], right: Collection[str], root: Path) -> str:
    """All that `patchvae cost` prints; right: the files of the jobs that are done."""
    taken = {job.path: seconds for job in jobs if (seconds := timed(root / job.benchmark)) is not None}
    paces: dict[str, list[float]] = {}
    for job in jobs:
        if job.path in taken:
            paces.setdefault(job.rule, []).append(taken[job.path] / job.config.get("epochs", 1))

    def row(title: str, group: Sequence[Job]) -> list[str]:
        done, to_do = ([job for job in group if (job.path in right) == wanted] for wanted in (True, False))
        known = [job for job in to_do if job.rule in paces]
        means = {rule: sum(paces[rule]) / len(paces[rule]) for rule in {job.rule for job in known}}
        hours = [taken.get(job.path, 0.0) / 3600 for job in done]
        left = [means[job.rule] * job.config.get("epochs", 1) / 3600 for job in known]
        numbers = [f"{len(group)}", f"{len(done)}", f"{sum(hours):,.1f}", f"{sum(left):,.1f}" if known else ""]
        return [title, *numbers, f"{len(to_do) - len(known) or ''}"]

    rows = [row(title, group) for title, group in behind(jobs).items()]
    lines = columns(HEAD, [*rows, row("All, each job once", jobs)])
    return "\n".join([f"run {run}", "", *(line.rstrip() for line in lines), "", *NOTES])
