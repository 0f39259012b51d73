"""States: each is of one training of one project, and is deleted once a record names that training's job."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import pretrain

from patchvae.cli import main
from patchvae.errors import PatchVAEError
from patchvae.files import file_digest, read_json
from patchvae.jobs.execute import execute
from patchvae.jobs.states import FINISHED, clean, state_path
from patchvae.params.configs import check_config
from patchvae.plan.jobs import read_job
from patchvae.records import checkpoint
from patchvae.records.record import Record, job_digest
from patchvae.training.pretrain import PretrainTask

RECORD = Path("results/training.record")


def made(seed: int, record: Path = RECORD, finished: bool = True, **more: Any) -> Path:
    """The state of a training, saved."""
    key = {"rule": "pretrain", "config": {"seed": seed}, "code": "c", **more}
    path = state_path(Path("scratch"), key, f"training {seed}", record)
    path.write_bytes(b"state")
    if finished:
        path.with_name(FINISHED).touch()
    return path


def recorded(seed: int, record: Path = RECORD) -> None:
    """A job that is done; its outputs need not be here."""
    record.parent.mkdir(exist_ok=True)
    Record(job_digest("pretrain", {"seed": seed}, "c"), "", {}, {"results/training.json": "1"}).save(record)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_only_the_state_that_the_record_names_goes() -> None:
    ours, other, unfinished = made(0), made(1), made(0, finished=False, pretrained="another phi")
    broken = made(2)
    (broken.parent / "job.json").write_text("{")
    nothing = made(0, Path("results/nothing.record"), pretrained="a third phi")
    assert clean(Path("scratch"))[0] == []
    recorded(0)
    removed, kept = clean(Path("scratch"))
    assert removed == ["training 0"]
    assert sorted(kept) == sorted([str(broken.parent), "training 0", "training 0", "training 1"])
    assert [path.exists() for path in (ours, other, unfinished, broken, nothing)] == [False, True, True, True, True]


def test_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    gone, kept = made(0), made(1, Path("results/other.record"))
    recorded(0)
    assert main(["clean"]) == 0
    assert not gone.exists() and kept.exists()
    assert (
        capsys.readouterr().out == "deleted 1 states in scratch, kept 1 that no record calls done\nkept: training 1\n"
    )
    assert main(["clean", "--scratch", "nowhere"]) == 0


def test_an_edit_that_is_taken_back_costs_no_state() -> None:
    """Edit 0 is interrupted, edit 1 runs to its end, and edit 0 comes back."""
    interrupted = made(0, finished=False)
    finished = made(1)
    recorded(1)
    assert clean(Path("scratch"))[0] == ["training 1"] and not finished.exists()
    assert made(0, finished=False) == interrupted


def test_projects_that_share_a_scratch_have_states_of_their_own(tmp_path: Path, monkeypatch: Any) -> None:
    places = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scratch").symlink_to(tmp_path, target_is_directory=True)
        monkeypatch.chdir(tmp_path / name)
        places.append(made(0).resolve())
    assert places[0] != places[1]
    recorded(0)
    assert clean(Path("scratch"))[0] == ["training 0"]
    assert places[0].exists() and not places[1].exists()
    # The first one is there, so the second one begins anew, and finds its own state later.
    assert made(0).resolve() == places[1]
    monkeypatch.chdir(tmp_path / "one")
    assert made(0).resolve() == places[0]


def test_a_project_that_was_moved_takes_its_states_along(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    made(0).write_bytes(b"of the old place")
    made(1)
    os.rename(tmp_path / "old", tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    key = {"rule": "pretrain", "config": {"seed": 0}, "code": "c"}
    state = state_path(Path("scratch"), key, "training 0", RECORD)
    assert state.read_bytes() == b"of the old place" and len(list(Path("scratch").iterdir())) == 2
    assert read_json(state.parent / "job.json")["record"] == str(tmp_path / "new" / RECORD)


def test_where_nobody_may_look_a_project_may_be(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "theirs").mkdir()
    monkeypatch.chdir(tmp_path / "theirs")
    theirs = state_path(tmp_path / "scratch", {"seed": 0}, "training 0", RECORD)
    monkeypatch.chdir(tmp_path)
    stat = os.stat

    def refused(path: Any, **how: Any) -> os.stat_result:
        if str(path) == str(tmp_path / "theirs"):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(os, "stat", refused)
    assert state_path(tmp_path / "scratch", {"seed": 0}, "training 0", RECORD) != theirs
    assert theirs.parent.exists()


def test_a_state_of_another_training_is_refused(packed: Any, pretrain_config: Any, tmp_path: Path) -> None:
    paths = Path("phi.pt"), Path("phi.json"), Path("scratch")
    pretrain(pretrain_config(), packed[0], None, *paths, "cpu", 1)
    (zero,) = Path("scratch").glob("*/state.pt")
    pretrain(pretrain_config(seed=1), packed[0], None, *paths, "cpu", 1)
    (one,) = {*Path("scratch").glob("*/state.pt")} - {zero}
    shutil.copyfile(one, zero)
    written = file_digest("phi.pt")
    with pytest.raises(PatchVAEError, match=f"^patchvae squares seed 0: {zero} is the state of another training: del"):
        pretrain(pretrain_config(), packed[0], None, *paths, "cpu", 1)
    assert file_digest("phi.pt") == written


# ---- jobs from their files


def test_clean_ends_no_training_at_work_and_knows_the_states_of_all_jobs(
    job_file: Callable[..., Path], pretrain_config: Any, finetune_config: Any, monkeypatch: Any
) -> None:
    """An edited job is made again: its old outputs are there while it works."""
    searched = {**finetune_config(lr="chosen").given, "grid": [0.01, 0.05], "held_out": 8, "epochs": 2}
    jobs = [
        job_file("pretrain", pretrain_config().given),
        job_file("finetune", finetune_config().given),
        job_file("rates", check_config("rates", searched).given),
    ]
    for path in jobs:
        execute(path, "cpu", 1)
    assert len(list(Path("scratch").iterdir())) >= 4
    assert clean(Path("scratch"))[1] == [] and not list(Path("scratch").iterdir())

    path = job_file("pretrain", pretrain_config(lr=0.002).given)
    prepare, cleaned = PretrainTask.prepare, []

    def cleaning(task: PretrainTask, step: int) -> int:
        if step == 4:
            assert all(Path(name).exists() for name in read_job(path).makes)
            cleaned.append(clean(Path("scratch")))
        return prepare(task, step)

    monkeypatch.setattr(PretrainTask, "prepare", cleaning)
    execute(path, "cpu", 1)
    ((removed, kept),) = cleaned
    assert removed == [] and kept == ["patchvae squares seed 0"]
    assert checkpoint.load(Path("pretrain.pt"))["config"]["lr"] == 0.002
    assert len(clean(Path("scratch"))[0]) == 1
