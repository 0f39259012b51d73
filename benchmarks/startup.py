"""CPU seconds before a job does anything, and of an engine that finds nothing to do.

    python benchmarks/startup.py [--repeats 3] [--commands pretrain table1 ...] [--no-engines] [--overlay FILE]

A job's start is all that it imports: the command line, what runs a job's file, the module that does the work, and
PatchVAE's where a model is built. Not counted is what a library imports later by itself. A kind of job is named as in
the table of modules in src/patchvae/plan/code.py.

For the engines, a copy of this checkout gets a finished run of params.yaml, or of an overlay: real jobs of Snakemake
with records, whose files the tests' stand-in for their work makes up, then adopted by DVC. That takes minutes.
Measured are `snakemake -n` and `dvc repro`, which must find nothing to do.

CPU seconds, user and system, of a process and all that it waits for, do not count what else the machine does; wall
seconds stand beside them. Medians of the repeats; one run before them warms the caches.
"""

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests")]

from clones import ENV, commit, run, sync  # noqa: E402
from helpers import copy_checkout  # noqa: E402

from patchvae.params.reading import load_params  # noqa: E402
from patchvae.plan.jobs import planned  # noqa: E402

GOAL = 10  # seconds
NO_OPS = {"snakemake -n": "Nothing to be done", "dvc repro": "up to date"}  # and what they say


def measure(command: list[str], place: Path, repeats: int, says: str = "") -> tuple[float, float]:
    """Medians of the CPU seconds and of the wall seconds of a command, which must end well and say something."""
    busy, wall = [], []
    for _ in range(repeats + 1):
        before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, cwd=place, env=ENV, capture_output=True, text=True)
        wall.append(time.perf_counter() - began)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        if done.returncode or says not in done.stdout + done.stderr:
            raise SystemExit(f"{' '.join(command)}: not as expected\n{done.stdout}{done.stderr}")
    return statistics.median(busy[1:]), statistics.median(wall[1:])


def show(name: str, seconds: tuple[float, float]) -> None:
    over = f"   more than {GOAL} s" if seconds[0] > GOAL else ""
    print(f"{name:18} {seconds[0]:7.2f} s of CPU {seconds[1]:7.2f} s{over}", flush=True)


# What the first job of each rule imports
MODULES = {job.rule: job.modules for job in reversed(planned(load_params([ROOT / "params.yaml"])))}


def start_of(rule: str) -> list[str]:
    """A program that imports what a job needs."""
    modules = ["patchvae.cli", "patchvae.jobs.execute", *MODULES[rule]]
    path = str(ROOT / "src")
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r}); import {', '.join(modules)}"]


def finished_run(place: Path, overlay: Path | None) -> None:
    """A copy of the checkout in which both engines have nothing to do."""
    copy_checkout(place)
    shutil.copy(ROOT / "tests/e2e/fake_work.py", place / "src/patchvae/jobs/work.py")
    run(place, "git", "init", "--quiet")
    if overlay is not None:
        sync(place, "track", str(overlay.resolve()))
    run(place, "snakemake", "--cores", str(os.cpu_count()))
    sync(place, "adopt")
    commit(place)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--commands",
        nargs="*",
        choices=list(MODULES),
        default=list(MODULES),
        metavar="RULE",
        help="none: only engines",
    )
    parser.add_argument("--no-engines", dest="engines", action="store_false", help="only commands")
    parser.add_argument("--overlay", type=Path, help="the engines' run, in place of that of params.yaml")
    args = parser.parse_args()
    show("python", measure([sys.executable, "-c", "pass"], ROOT, args.repeats))
    for command in args.commands:
        show(command, measure(start_of(command), ROOT, args.repeats))
    if args.engines:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder) / "clone"
            finished_run(place, args.overlay)
            for command, says in NO_OPS.items():
                show(command, measure(command.split(), place, args.repeats, says))


if __name__ == "__main__":
    main()
