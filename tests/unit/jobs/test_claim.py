"""Of two runs of one training at once, only the later one writes."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from helpers import pretrain

import patchvae
from patchvae.errors import PatchVAEError
from patchvae.files import file_digest, read_json, write_json
from patchvae.jobs.claim import TOKEN, Claim, Overtaken
from patchvae.jobs.states import state_path
from patchvae.jobs.work import work
from patchvae.plan.jobs import read_job
from patchvae.records import checkpoint
from patchvae.records.record import Record, digests

# A run by the command line that saves after every step and, before step HOLD, waits for the file `go`
RUN = """
import functools, pathlib, sys, time
from patchvae.cli import main
from patchvae.training import loop, pretrain as p
hold, place = int(sys.argv[1]), pathlib.Path(sys.argv[2])
p.train = functools.partial(loop.train, save_every=0.0)
prepare = p.PretrainTask.prepare
def held(self, number):
    if number == hold:
        (place / "held").touch()
        while not (place / "go").exists():
            time.sleep(0.02)
    return prepare(self, number)
p.PretrainTask.prepare = held
sys.exit(main(sys.argv[3:]))
"""
ENV = {**os.environ, "PYTHONPATH": str(Path(patchvae.__file__).parents[1])}


def written(names: list[str]) -> dict[str, str]:
    """Digests of files and of those in folders, by name."""
    paths = [path for name in names for path in (Path(name), *Path(name).rglob("*"))]
    return {path.as_posix(): file_digest(path) for path in paths if path.is_file()}


def test_the_later_of_two_runs_writes_and_ends_in_the_bits_of_a_quiet_one(packed, pretrain_config, job_file, tmp_path):
    data, _ = packed
    config = pretrain_config()
    quiet = tmp_path / "quiet"
    pretrain(config, data, None, quiet / "model.pt", quiet / "metrics.json", quiet / "scratch", "cpu", 1)
    path = job_file("pretrain", config.given)
    names = ["pretrain.pt", "pretrain.json", "pretrain.record", "scratch"]

    def begun(name: str, hold: int) -> "tuple[Path, subprocess.Popen[str]]":
        place = tmp_path / name
        place.mkdir()
        words = ["run", path, "--device", "cpu", "--threads", "1", "--log", place / "log"]
        command = [sys.executable, "-c", RUN, hold, place, *words]
        return place, subprocess.Popen([str(word) for word in command], env=ENV, stderr=subprocess.PIPE, text=True)

    def held(place: Path, run: "subprocess.Popen[str]") -> None:
        while not (place / "held").exists():
            assert run.poll() is None, run.communicate()[1]
            time.sleep(0.02)

    def stops(place: Path, run: "subprocess.Popen[str]", status: int) -> None:
        """Without a write."""
        before = written(names)
        (place / "go").touch()
        said = run.communicate(timeout=100)[1]
        assert run.returncode == status and "Traceback" not in said
        assert "another run of this training has begun since" in said.splitlines()[-1]
        assert written(names) == before

    first, second = begun("first", 4), None
    try:
        held(*first)
        second = begun("second", 8)
        held(*second)
        stops(*first, status=1)
        assert not Path("pretrain.pt").exists()
        third = begun("third", -1)
        assert third[1].communicate(timeout=100) and third[1].returncode == 0
        stops(*second, status=0)  # the outputs are there by now, and Snakemake would delete them after an error
    finally:
        for _, run in filter(None, (first, second)):
            run.kill()
            run.communicate()
    ours, theirs = (checkpoint.load(path) for path in (Path("pretrain.pt"), quiet / "model.pt"))
    assert all(torch.equal(ours["model"][key], theirs["model"][key]) for key in theirs["model"])
    assert read_json("pretrain.json")["history"] == read_json(quiet / "metrics.json")["history"]


@pytest.fixture
def claim(tmp_path: Path) -> Callable[..., Claim]:
    """A function of a seed and a record: a run's claim on the training with that seed, taken."""

    def taken(seed: int, record: str = "a.record") -> Claim:
        state_path(tmp_path / "scratch", {"seed": seed}, f"seed {seed}", Path(record))
        run = Claim(tmp_path / "scratch", Path(record))
        run.take(f"seed {seed}")
        return run

    return taken


@pytest.mark.parametrize("later", [(0, "a"), (0, "b"), (1, "a")])  # same training, same state, same outputs
def test_what_two_runs_both_write_is_the_later_ones(claim, later: tuple[int, str]) -> None:
    first, other = claim(0, "a"), claim(7, "c")
    second = claim(*later)
    with pytest.raises(PatchVAEError, match=f"^seed 0: another run of this training has begun since .*{TOKEN}"):
        first.check()
    second.check()
    other.check()


def test_projects_that_share_a_scratch_do_not_end_each_others_trainings(claim, tmp_path, monkeypatch) -> None:
    runs = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        runs.append(claim(0))
    for run in runs:
        run.check()


def test_a_run_stops_whose_state_was_deleted_as_its_outputs_are_recorded(claim) -> None:
    first = claim(0)
    (path,) = first.paths
    path.unlink()
    with pytest.raises(PatchVAEError, match="was deleted"):
        first.check()
    assert not path.exists()


def test_a_run_that_is_overtaken_at_its_start_stops(tmp_path: Path) -> None:
    state_path(tmp_path, {}, "one", Path("a.record"))
    write_json(tmp_path / "broken" / "job.json", [])
    with pytest.raises(PatchVAEError, match="has just begun"):
        Claim(tmp_path, Path("b.record")).take("two")
    assert not list(tmp_path.glob(f"*/{TOKEN}"))


def test_looking_takes_a_hundredth_of_the_time(claim, monkeypatch) -> None:
    first = claim(0)
    clock = [0.0]
    looked = []
    read = Path.read_text

    def slow(path: Path, **how: str) -> str:  # as on a distant file server
        clock[0] += 0.002
        looked.append(path)
        return read(path, **how)

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    first._next = 0.0
    monkeypatch.setattr(Path, "read_text", slow)
    while clock[0] < 10:
        clock[0] += 0.01
        first.check(now=False)
    assert 40 <= len(looked) <= 51


@pytest.mark.parametrize(
    ("recorded", "well"),
    [("the same job", True), ("another job", False), ("nothing", False)],
)
def test_who_is_overtaken_ends_well_where_the_outputs_are_right(
    job_file, pretrain_config, monkeypatch, recorded: str, well: bool
) -> None:
    job = read_job(job_file("pretrain", pretrain_config().given))
    for name in job.makes:
        checkpoint.save(Path(name), {})
    digest = {"the same job": job.digest, "another job": "0" * 16}
    if recorded in digest:
        Record(digest[recorded], "", digests(job.reads, Path()), digests(job.makes, Path())).save(Path(job.record))

    def overtaken(*args, **files):
        raise Overtaken("overtaken")

    monkeypatch.setattr("patchvae.jobs.computing.compute", overtaken)
    with contextlib.nullcontext() if well else pytest.raises(Overtaken):
        work(job, job.config, "cpu", 1)
