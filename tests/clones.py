"""Clones of the repository in which both engines run, and what they ran."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from helpers import environment
from ruamel.yaml import YAML

# Where the engines lie, if they are not those of this Python: `make test-older` names a folder
ENGINES = os.environ.get("PATCHVAE_ENGINES", "")
PLACES = [*filter(None, [ENGINES]), str(Path(sys.executable).parent), os.environ["PATH"]]
ENV = environment() | {"PATH": os.pathsep.join(PLACES), "SNAKEMAKE_CORES": "1"}
SYNC = [sys.executable, "workflow/sync.py"]
PATCHVAE = ("env", "PYTHONPATH=src", "patchvae")  # with the clone's own package, whichever is installed
UNRECORDED = ("--config", "dvc=false")  # leaves DVC out of a call of Snakemake
GIT = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]


def run(place: Path, *command: str) -> str:
    """What a command says; it must end well."""
    done = subprocess.run(command, cwd=place, env=ENV, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def sync(place: Path, *arguments: str) -> str:
    return run(place, *SYNC, *arguments)


def refused(place: Path, *command: str) -> str:
    """What a command says that must not end well."""
    done = subprocess.run(command, cwd=place, env=ENV, capture_output=True, text=True, timeout=600)
    assert done.returncode not in (0, -9), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


@contextlib.contextmanager
def killed_after(place: Path, *command: str, stop_at: str = "") -> Iterator["subprocess.Popen[bytes]"]:
    """A command that runs during the block and is then killed with all that it has started.

    The stand-in's job with the log file `stop_at` does not end before.
    """
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen(command, cwd=place, env=ENV | {"STOP_AT": stop_at}, start_new_session=True, **quiet)
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def wait_until(reached: Callable[[], bool], running: "subprocess.Popen[bytes]") -> None:
    """Wait for a state that a command brings about before it ends."""
    deadline = time.monotonic() + 300
    while not reached():
        assert running.poll() is None, "the command ended before that"
        assert time.monotonic() < deadline
        time.sleep(0.005)


def changes(path: Path) -> Callable[[], bool]:
    """Whether a file is another one than now, or another's beginning."""

    def when() -> int:
        return path.stat().st_mtime_ns if path.exists() else 0

    before = when()
    return lambda: when() not in (0, before)


def mended(place: Path) -> str:
    """What mend says, when all that was killed is gone."""
    for _ in range(100):
        done = subprocess.run([*SYNC, "mend"], cwd=place, env=ENV, capture_output=True, text=True)
        if "wait for it" not in done.stderr:
            break
        time.sleep(0.1)
    assert done.returncode == 0, done.stderr
    return done.stderr


def commit(place: Path) -> None:
    run(place, *GIT, "add", "--all")
    run(place, *GIT, "commit", "--quiet", "--message", "State")


def logs(place: Path) -> dict[str, str]:
    """What every job that ever ran here wrote to its log file, with the time, by the file's name.

    Snakemake's --touch makes empty ones.
    """
    folder = place / "logs"
    found = {path.relative_to(folder).with_suffix("").as_posix(): path.read_text() for path in folder.rglob("*.log")}
    return {name: text for name, text in found.items() if text}


def executed(place: Path, *command: str) -> set[str]:
    """The jobs that a command runs."""
    before = logs(place)
    run(place, *command)
    return {name for name, text in logs(place).items() if before.get(name) != text}


def wanted(place: Path) -> set[str]:
    """The jobs that a dry run of Snakemake names, as their log files are named."""
    found = re.findall(r"cli run jobs/([^/\s]+)/(\S+)\.json ", run(place, "snakemake", "-n", "-p"))
    return {f"{'data' if name.startswith(('masks/', 'digit_scenes/')) else of}/{name}" for of, name in found}


def nothing_to_do(place: Path) -> None:
    """Both engines say so."""
    assert "up to date" in run(place, "dvc", "status")
    assert "Nothing to be done" in run(place, "snakemake", "-n")


def edit(place: Path, dotted: str, value: Any) -> None:
    """Give one key of params.yaml another value."""
    yaml = YAML()
    yaml.width = 4096
    path = place / "params.yaml"
    content = node = yaml.load(path.read_text(encoding="utf-8"))
    *parents, last = dotted.split("/")
    for key in parents:
        node = node[key]
    node[last] = value
    with open(path, "w", encoding="utf-8") as stream:
        yaml.dump(content, stream)


def twin(origin: Path, place: Path) -> Path:
    """A copy with all results, on which both engines agree."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(origin, place, symlinks=True, copy_function=linked_if_cached)
    return place


def linked_if_cached(source: str, target: str) -> str:
    """DVC never writes into a file of its cache: a link saves a gigabyte over all tests."""
    copy = os.link if "/.dvc/cache/" in source else shutil.copy2
    copy(source, target)
    return target
