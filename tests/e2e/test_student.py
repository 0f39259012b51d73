"""Edits, runs, checkouts and kills with no other commands than `snakemake`, `dvc` and `git`."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from clones import ENV, UNRECORDED, commit, edit, executed, killed_after, nothing_to_do, refused, run, twin, wait_until

SNAKEMAKE = ("snakemake", "--cores", "2")


def results(place: Path) -> dict[str, bytes]:
    """Tables, figures and numbers of the run."""
    folder = place / "results/engines"
    files = [folder / "summary.json", *(folder / "tables").iterdir(), *(folder / "figures").iterdir()]
    return {path.name: path.read_bytes() for path in sorted(files)}


@pytest.fixture
def from_scratch(origin: Path, tmp_path: Path) -> Callable[[Path], dict[str, bytes]]:
    """from_scratch(place): what a run without a past makes of these parameters."""

    def make(place: Path) -> dict[str, bytes]:
        other = twin(origin, tmp_path / "other")
        for name in ("results", ".snakemake", ".dvc/cache", "dvc.lock", "data", "scratch"):
            path = other / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        shutil.copy(place / "params.yaml", other / "params.yaml")
        run(other, *SNAKEMAKE, *UNRECORDED)
        assert not (other / "dvc.lock").exists()
        return results(other)

    return make


def trainings(jobs: set[str]) -> set[str]:
    return {job for job in jobs if "/pretrain/" in job or "/finetune/" in job}


@pytest.mark.slow
def test_a_week_of_a_student(origin: Path, tmp_path: Path, from_scratch: Callable[[Path], dict[str, bytes]]) -> None:
    place = twin(origin, tmp_path / "clone")
    first = results(place)
    edit(place, "finetune/lr", 0.02)
    assert trainings(executed(place, "dvc", "repro"))
    nothing_to_do(place)
    commit(place)
    second = results(place)
    edit(place, "ablations/num_parts", [4, 8, 6])
    ran = executed(place, *SNAKEMAKE)
    assert len(trainings(ran)) == 2 and all("num_parts=6" in job for job in trainings(ran))
    nothing_to_do(place)
    commit(place)
    # Back to the first state: nothing is trained
    run(place, "git", "checkout", "--quiet", "HEAD~2")
    run(place, "dvc", "checkout")
    assert executed(place, *SNAKEMAKE) == set()
    nothing_to_do(place)
    assert results(place) == first
    # To the second one with an edit on top, which alone is run
    run(place, "git", "checkout", "--quiet", "-")
    run(place, "git", "checkout", "--quiet", "HEAD~1")
    run(place, "dvc", "checkout")
    assert results(place) == second
    edit(place, "ablations/num_parts", [4, 8, 10])
    ran = executed(place, *SNAKEMAKE)
    assert len(trainings(ran)) == 2 and all("num_parts=10" in job for job in trainings(ran))
    nothing_to_do(place)
    assert results(place) == from_scratch(place)
    # Taken back with DVC alone, from its cache
    run(place, "git", "checkout", "--quiet", "params.yaml")
    assert trainings(executed(place, "dvc", "repro")) == set()
    assert executed(place, *SNAKEMAKE) == set()
    assert results(place) == second


def test_a_kill_between_the_last_job_and_the_recording_is_made_up_for(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "finetune/lr", 0.02)
    marker, summary = place / ".snakemake/unrecorded", place / "results/engines/summary.json"
    before, lock = summary.stat().st_mtime_ns, (place / "dvc.lock").read_bytes()

    def all_jobs_are_done() -> bool:
        locks = list((place / ".snakemake/locks").glob("*"))
        return summary.exists() and summary.stat().st_mtime_ns != before and not locks

    with killed_after(place, *SNAKEMAKE) as running:
        wait_until(all_jobs_are_done, running)
    assert marker.exists() and (place / "dvc.lock").read_bytes() == lock
    made = results(place)
    assert "finish the run with `snakemake`" in refused(place, "dvc", "repro")
    assert executed(place, *SNAKEMAKE) == set()
    assert not marker.exists()
    nothing_to_do(place)
    assert results(place) == made


def test_part_of_a_run_is_not_recorded_and_the_rest_makes_up_for_it(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    lock = (place / "dvc.lock").read_bytes()
    edit(place, "drawing/rows", 3)
    for part in (["results/engines/figures/figure4_small.png"], ["--until", "figure_masks"], ["-n"]):
        run(place, *SNAKEMAKE, *part)
        assert (place / "dvc.lock").read_bytes() == lock
    run(place, *SNAKEMAKE)
    assert (place / "dvc.lock").read_bytes() != lock
    nothing_to_do(place)


def test_a_profile_leaves_recording_to_the_command(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    lock = (place / "dvc.lock").read_bytes()
    profile = place / "profiles/default/config.yaml"
    profile.write_text(profile.read_text() + "\nconfig:\n  - dvc=false\n")
    edit(place, "finetune/lr", 0.02)
    run(place, *SNAKEMAKE)
    assert (place / "dvc.lock").read_bytes() == lock
    made = results(place)
    assert "would delete results" in refused(place, "dvc", "repro")
    assert "not what dvc.lock says" in refused(place, "workflow/sync.py", "verify")
    assert executed(place, "workflow/sync.py", "adopt") == set()
    assert executed(place, "dvc", "repro") == set()
    assert results(place) == made
    nothing_to_do(place)
    run(place, "git", "checkout", "--quiet", "params.yaml", "dvc.lock", "results")
    run(place, "dvc", "checkout")
    assert executed(place, *SNAKEMAKE) == set()


@pytest.mark.slow
def test_links_keep_large_data_once_and_both_engines_agree(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    run(place, "dvc", "config", "--local", "cache.type", "hardlink")
    for name in ("data", ".dvc/cache", "results/engines/metrics", "results/engines/checkpoints"):
        shutil.rmtree(place / name)
    run(place, *SNAKEMAKE)
    nothing_to_do(place)
    packed = [path for path in (place / "data/packed").rglob("*") if path.is_file()]
    assert packed and all(path.stat().st_nlink > 1 for path in packed)
    edit(place, "finetune/lr", 0.02)
    run(place, *SNAKEMAKE)
    nothing_to_do(place)


def test_the_value_of_the_profile_is_true_or_false(tmp_path: Path, origin: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    done = subprocess.run([*SNAKEMAKE, "--config", "dvc=maybe"], cwd=place, env=ENV, capture_output=True, text=True)
    assert done.returncode == 1 and "--config: dvc: maybe is neither true nor false" in done.stderr
