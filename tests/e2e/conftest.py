"""Finished runs that DVC has recorded, each made once and shared by the tests, whichever worker they are in."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from clones import PATCHVAE, commit, executed, nothing_to_do, run, sync
from filelock import FileLock
from helpers import ROOT, copy_checkout


def made_once(factory: pytest.TempPathFactory, worker: str, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first worker who needs it makes; nobody changes it afterwards. Its path has a space."""
    base = factory.getbasetemp()
    folder = (base if worker == "master" else base.parent) / f"the {name}"
    with FileLock(f"{folder}.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder / "clone")
            (folder / "made").touch()
    return folder / "clone"


def smallest_run(place: Path, *, stand_in: bool) -> None:
    """A clone with the run of engines.yaml."""
    copy_checkout(place)
    if stand_in:
        shutil.copy(ROOT / "tests/e2e/fake_work.py", place / "src/patchvae/jobs/work.py")
    run(place, "git", "init", "--quiet")
    sync(place, "track", "tests/e2e/engines.yaml")
    run(place, "snakemake", "--cores", "2")
    run(place, *PATCHVAE, "clean")
    commit(place)
    nothing_to_do(place)


def run_of_tests(place: Path) -> None:
    """A clone with the run of configs/test.yaml, made as an overlay; DVC tracks it."""
    copy_checkout(place)
    run(place, "git", "init", "--quiet")
    said = run(place, "snakemake", "--verbose", "--cores", "2", "--configfile", "configs/test.yaml")
    (place / "scratch").mkdir(exist_ok=True)
    (place / "scratch/said.txt").write_text(said)
    run(place, *PATCHVAE, "clean")  # 700 MB of states, which each twin would copy
    sync(place, "track", "configs/test.yaml")
    assert executed(place, "snakemake") == set()
    commit(place)
    nothing_to_do(place)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A clone with the run of configs/test.yaml, with real trainings; scratch/said.txt is what Snakemake said."""
    return made_once(tmp_path_factory, worker_id, "pipeline", run_of_tests)


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A clone of the smallest run, whose jobs do no arithmetic: for what is about the engines."""
    return made_once(tmp_path_factory, worker_id, "origin", lambda place: smallest_run(place, stand_in=True))


@pytest.fixture(scope="session")
def trained_origin(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The same with real trainings."""
    return made_once(tmp_path_factory, worker_id, "trained", lambda place: smallest_run(place, stand_in=False))


def shared_run(origin: Path, place: Path) -> None:
    """A clone that has pushed its run to a folder beside it."""
    shutil.copytree(origin, place, symlinks=True)
    run(place, "dvc", "remote", "add", "--local", "--default", "share", str(place.parent / "remote"))
    run(place, "dvc", "push")


@pytest.fixture(scope="session")
def shared(origin: Path, tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A clone that has pushed its run to (clone)/../remote."""
    return made_once(tmp_path_factory, worker_id, "shared", lambda place: shared_run(origin, place))
