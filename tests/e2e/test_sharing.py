"""Results travel between clones and outlive kills, bad input and a broken remote."""

import hashlib
import random
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from clones import (
    ENV,
    SYNC,
    UNRECORDED,
    changes,
    commit,
    edit,
    executed,
    killed_after,
    logs,
    mended,
    nothing_to_do,
    refused,
    run,
    sync,
    twin,
    wait_until,
)
from helpers import copy_checkout


def killed_within(place: Path, seconds: float, *command: str) -> None:
    """Run a command for so long, if it takes as long."""
    with killed_after(place, *command) as running:
        try:
            running.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return


def tables(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((place / "results/engines/tables").iterdir())}


def checkpoints(place: Path) -> dict[str, int]:
    """Name -> time of each checkpoint here."""
    found = (place / "results/engines/checkpoints").rglob("*.pt")
    return {path.relative_to(place).as_posix(): path.stat().st_mtime_ns for path in found}


def objects(place: Path) -> set[str]:
    """What DVC's cache holds."""
    cache = place / ".dvc/cache/files/md5"
    return {path.relative_to(cache).as_posix() for path in cache.rglob("*") if path.is_file()}


def broken_objects(cache: Path) -> list[str]:
    """Files of DVC's cache whose name is not their checksum."""
    objects = [path for path in (cache / "files/md5").rglob("*") if path.is_file() and path.suffix != ".tmp"]
    assert objects
    names = {path: (path.parent.name + path.name).removesuffix(".dir") for path in objects if len(path.name) >= 30}
    return [str(path) for path, name in names.items() if hashlib.md5(path.read_bytes()).hexdigest() != name]


def colleague(shared: Path, place: Path, remote: Path | None = None) -> Path:
    """A fresh clone that knows the remote and has pulled nothing yet."""
    run(shared.parent, "git", "clone", "--quiet", str(shared), str(place))
    folder = str(remote or shared.parent / "remote")
    run(place, "dvc", "remote", "add", "--local", "--default", "share", folder)
    return place


def test_a_colleague_pulls_the_run_and_has_nothing_to_do(shared: Path, tmp_path: Path) -> None:
    place = colleague(shared, tmp_path / "colleague")
    run(place, "dvc", "pull")
    assert "up to date" in run(place, "dvc", "status")
    run(place, "snakemake", "--cores", "1")
    nothing_to_do(place)
    assert logs(place) == {}
    assert tables(place) == tables(shared)


def test_a_remote_without_half_of_its_objects_is_named_and_loses_nothing(shared: Path, tmp_path: Path) -> None:
    whole, remote = shared.parent / "remote", tmp_path / "remote"
    objects = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    for name in objects[::2]:
        (remote / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(whole / name, remote / name)
    place = colleague(shared, tmp_path / "colleague", remote)
    assert "Missing cache files" in refused(place, "dvc", "pull")
    said = run(place, "dvc", "status")
    assert "results/engines" in said and "data/packed" in said
    shutil.copytree(whole, remote, dirs_exist_ok=True)
    run(place, "dvc", "pull")
    assert executed(place, "snakemake", "--cores", "1") == set()
    assert tables(place) == tables(shared)


def test_an_altered_object_of_the_cache_is_found_and_comes_back_from_the_remote(shared: Path, tmp_path: Path) -> None:
    place = colleague(shared, tmp_path / "colleague")
    run(place, "dvc", "pull")
    name = "results/engines/checkpoints/pretrain/small/patchvae/seed0.pt"
    digest = hashlib.md5((place / name).read_bytes()).hexdigest()
    altered = place / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
    altered.chmod(0o644)
    altered.write_bytes(altered.read_bytes() + b"x")
    (place / name).unlink()
    subprocess.run(["dvc", "checkout"], cwd=place, env=ENV, capture_output=True)
    said = run(place, "dvc", "status")
    assert name in said and "not in cache" in said
    assert name in refused(place, *SYNC, "verify")
    run(place, "dvc", "pull")
    sync(place, "verify")
    assert hashlib.md5((place / name).read_bytes()).hexdigest() == digest
    assert broken_objects(place / ".dvc/cache") == []
    nothing_to_do(place)


def test_adopt_refuses_what_is_not_finished(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    before = (place / "dvc.lock").read_bytes()
    edit(place, "finetune/lr", 0.02)
    said = refused(place, *SYNC, "adopt")
    assert "are wrong (parameters or code), so nothing was recorded: finish the run with `snakemake`" in said
    assert (place / "dvc.lock").read_bytes() == before


def test_dvc_refuses_what_the_schema_refuses_and_runs_nothing(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "finetune/lrr", 0.02)  # DVC itself would not mind
    edit(place, "drawing/rows", 3)
    before = logs(place)
    said = refused(place, "dvc", "repro")
    assert "parameters: finetune.lrr: unknown key; did you mean lr?" in said
    assert logs(place) == before
    assert tables(place) == tables(origin)


def test_dvc_refuses_a_sweep_for_which_it_has_no_stage(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "ablations/occurrence_kl", ["mean"])
    edit(place, "ablation_base/keys", ["num_parts", "occurrence_kl"])
    said = refused(place, "dvc", "repro")
    assert "dvc.yaml" in said and "occurrence_kl" in said


@pytest.mark.slow
def test_a_run_by_another_version_of_the_code_is_not_taken_for_this_ones(shared: Path, tmp_path: Path) -> None:
    place = colleague(shared, tmp_path / "colleague")
    with open(place / "src/patchvae/report/tables/table1.py", "a", encoding="utf-8") as stream:
        stream.write("\n\nLATER = True\n")
    run(place, "dvc", "pull")
    ran = executed(place, "snakemake", "--cores", "1")
    assert "engines/tables/table1" in ran and not [job for job in ran if "/pretrain/" in job or "/finetune/" in job]


def test_a_table_altered_by_hand_is_written_again(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    table = place / "results/engines/tables/table1.md"
    table.write_text("99.9\n", encoding="utf-8")
    assert "table1.md" in run(place, "dvc", "status")
    run(place, "dvc", "repro")
    assert tables(place) == tables(origin)


def test_one_run_of_an_overlay_is_tracked_at_a_time(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    run(place, "git", "init", "--quiet")
    committed = place / "results/cifar100-quick/metrics/finetune/seed0.json"
    committed.parent.mkdir(parents=True, exist_ok=True)
    committed.write_text("{}\n")
    commit(place)
    before = (place / "params.yaml").read_bytes()
    said = refused(place, *SYNC, "track", "configs/cifar100-quick.yaml")
    assert "results/cifar100-quick/metrics/" in said and "DVC cannot cache" in said
    assert (place / "params.yaml").read_bytes() == before
    sync(place, "track", "configs/demo.yaml")
    said = refused(place, *SYNC, "track", "configs/authors-code.yaml")
    assert "params.yaml: is the run of configs/demo.yaml already" in said


def test_what_no_job_names_is_set_aside_and_never_overwritten(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    stray = place / "results/engines/metrics/finetune/stray.json"
    for text in ("1", "2"):
        stray.write_text(text)
        run(place, "workflow/check")
        assert not stray.exists()
    folder = place / "scratch/unlisted/results/engines/metrics/finetune"
    assert {path.read_text() for path in folder.iterdir()} == {"1", "2"}


def test_the_tools_say_which_python_they_need(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    bare = [sys.executable, "-S", "-E"]  # without any installed package
    for tool in (["workflow/sync.py", "adopt"], ["workflow/check"]):
        assert "source .venv/bin/activate" in refused(place, *bare, *tool)


PRETRAINING = "logs/engines/pretrain/small/patchvae+lw/seed0.log"
CHECKPOINT = "results/engines/checkpoints/pretrain/small/patchvae+lw/seed0.pt"
ADDED = "logs/engines/pretrain/small/patchvae.num_parts=6/seed0.log"


def grows(folder: Path) -> Callable[[], bool]:
    """Whether there are more files in a folder than now."""

    def count() -> int:
        return sum(1 for path in folder.rglob("*") if path.is_file())

    before = count()
    return lambda: count() > before


def test_the_engines_wait_for_each_other(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "ablations/num_parts", [4, 8, 6])
    before = checkpoints(place)
    begins = changes(place / ADDED)
    with killed_after(place, "snakemake", "--cores", "1", stop_at=ADDED) as running:
        wait_until(begins, running)
        said = refused(place, "dvc", "repro")
    assert "another snakemake works in this folder" in said
    assert checkpoints(place).items() >= before.items()
    place = twin(origin, tmp_path / "other")
    edit(place, "ablations/num_parts", [4, 8, 6])
    begins = changes(place / ADDED)
    with killed_after(place, "dvc", "repro", stop_at=ADDED) as running:
        wait_until(begins, running)
        said = refused(place, "snakemake", "--cores", "1", "--nolock")  # Snakemake's own lock would do it as well
    assert said.splitlines()[-1].endswith("works in this folder: wait for it") and "common.smk" not in said


def edit_the_masks(place: Path) -> None:
    """An edit after which ten jobs run, from the masks to the tables."""
    edit(place, "masks/per_channel", False)


def finished_and_had_back(place: Path, before: dict[str, bytes], change: Callable[[Path], None]) -> None:
    """After kills a call finishes the work, the last run can be had back, and neither is taken for the other."""
    run(place, "dvc", "repro")
    assert "up to date" in run(place, "dvc", "status")
    assert executed(place, "snakemake") == set()
    nothing_to_do(place)
    assert tables(place) != before
    run(place, "git", "checkout", "--quiet", ".")
    run(place, "dvc", "checkout")
    assert "up to date" in run(place, "dvc", "status")
    assert tables(place) == before
    change(place)  # Snakemake has run this edit before, and other results lie here
    assert "so nothing was recorded" in refused(place, *SYNC, "adopt")
    assert [job for job in executed(place, "snakemake") if "/finetune/" in job]
    nothing_to_do(place)


@pytest.mark.slow
def test_kills_while_dvc_works_lose_nothing(origin: Path, tmp_path: Path) -> None:
    """The cache is whole after each, the next call finishes the work, and the last run can be had back."""
    place = twin(origin, tmp_path / "clone")
    before, held = tables(place), objects(place)
    edit_the_masks(place)
    moments: list[tuple[str, Callable[[], Callable[[], bool]]]] = [
        ("", lambda: changes(place / "jobs/engines/masks/small.json")),  # the check writes the jobs' files
        ("", lambda: grows(place / ".dvc/cache/files/md5")),  # the new masks go into the cache
        ("", lambda: changes(place / "dvc.lock")),  # DVC writes down what it has made
        (PRETRAINING, lambda: changes(place / CHECKPOINT)),  # a job has made one of its two files
    ]
    for stop_at, moment in moments:
        reached = moment()
        with killed_after(place, "dvc", "repro", stop_at=stop_at) as running:
            wait_until(reached, running)
        mended(place)
        assert broken_objects(place / ".dvc/cache") == []
        assert objects(place) >= held
    finished_and_had_back(place, before, edit_the_masks)


@pytest.mark.slow
def test_kills_at_ten_random_moments_lose_nothing(trained_origin: Path, tmp_path: Path) -> None:
    """As above, in the midst of trainings and of anything else."""
    place = twin(trained_origin, tmp_path / "clone")
    before, held = tables(place), objects(place)
    seed = random.SystemRandom().randrange(2**32)
    moment = random.Random(seed)

    def change(place: Path) -> None:
        edit(place, "finetune/lr", 0.02)

    change(place)
    for _ in range(10):
        killed_within(place, moment.uniform(0.5, 12), "dvc", "repro")
        mended(place)
        assert broken_objects(place / ".dvc/cache") == [], seed
        assert objects(place) >= held, seed
    finished_and_had_back(place, before, change)


@pytest.mark.slow
def test_mend_waits_for_jobs_and_takes_away_what_a_kill_has_left(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "ablations/num_parts", [4, 8, 6])
    begins = changes(place / ADDED)
    with killed_after(place, "snakemake", "--cores", "1", stop_at=ADDED) as running:
        wait_until(begins, running)
        assert "wait for it, or end it" in refused(place, *SYNC, "mend")
    assert "unlocked Snakemake" in mended(place)
    unknown = place / "results/engines/checkpoints/pretrain/small/patchvae.num_parts=6/seed0.pt"
    unknown.parent.mkdir(parents=True, exist_ok=True)
    unknown.write_bytes(b"of a job that outlived DVC")
    assert "not in DVC's cache" in mended(place)
    assert "would delete results" in refused(place, "dvc", "repro")
    unknown.unlink()
    assert any("num_parts=6" in job for job in executed(place, "dvc", "repro"))
    lock, committed = (place / "dvc.lock").read_text(encoding="utf-8"), run(place, "git", "show", ":dvc.lock")
    assert lock != committed
    within_a_checksum = lock.rindex("md5: ") + 10
    for end in (0, 8192, within_a_checksum, len(lock) * 2 // 3):
        (place / "dvc.lock").write_text(lock[:end].rstrip("\n"), encoding="utf-8")
        (place / ".dvc/tmp/rwlock").write_text('{"write": {"dvc', encoding="utf-8")
        assert "git's is in its place" in mended(place)
        assert (place / "dvc.lock").read_text(encoding="utf-8") == committed
    again = executed(place, "dvc", "repro")
    assert not [
        job for job in again if "/tables/" not in job and job not in ("engines/curves/pretrain", "engines/summary")
    ]
    nothing_to_do(place)
    assert mended(place) == ""
    (place / "dvc.lock").write_text("", encoding="utf-8")
    unmerged = (
        "entry=$(git ls-files --stage dvc.lock | sed 's/ 0\\t/ 2\\t/') && git rm --cached --quiet dvc.lock"
        ' && git update-index --index-info <<< "$entry"'
    )
    run(place, "bash", "-c", unmerged)
    assert "dvc.lock: git sees a conflict" in refused(place, *SYNC, "mend")
    assert (place / "dvc.lock").exists()
    run(place, "git", "rm", "--cached", "--quiet", "dvc.lock")
    assert "git has none" in mended(place)
    assert not (place / "dvc.lock").exists()
    assert not [job for job in executed(place, "dvc", "repro") if "/pretrain/" in job or "/finetune/" in job]


def ready_to_record(origin: Path, place: Path) -> Path:
    """A clone in which `adopt` has something to do."""
    twin(origin, place)
    edit(place, "ablations/num_parts", [4, 8, 6])
    run(place, "snakemake", "--cores", "2", *UNRECORDED)
    return place


def test_adopt_survives_kills(origin: Path, tmp_path: Path) -> None:
    place = ready_to_record(origin, tmp_path / "clone")
    for moment in (lambda: grows(place / ".dvc/cache/files/md5"), lambda: changes(place / "dvc.lock")):
        reached = moment()
        with killed_after(place, *SYNC, "adopt") as running:
            wait_until(reached, running)
        assert broken_objects(place / ".dvc/cache") == []
    assert executed(place, *SYNC, "adopt") == set()
    nothing_to_do(place)


@pytest.mark.slow
def test_adopt_survives_kills_at_random_moments(origin: Path, tmp_path: Path) -> None:
    place = ready_to_record(origin, tmp_path / "clone")
    seed = random.SystemRandom().randrange(2**32)
    print("seed", seed)  # shown if the test fails
    moment = random.Random(seed)
    for _ in range(5):
        killed_within(place, moment.uniform(0.2, 8), *SYNC, "adopt")
        assert broken_objects(place / ".dvc/cache") == []
    assert executed(place, *SYNC, "adopt") == set()
    nothing_to_do(place)


def test_a_full_disk_during_checkout_loses_nothing(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    names = ["results/engines/checkpoints", "results/engines/metrics", "data"]
    for name in names:
        shutil.rmtree(place / name)
    dvc = shlex.quote(f"{ENV['PATH'].split(':')[0]}/dvc")
    small = f"trap '' XFSZ; ulimit -f 1000; exec {dvc} checkout"  # files of 1 MB at most
    said = refused(place, "bash", "-c", small)
    assert any(words in said for words in ("seed0.pt", "File too large", "disk I/O error"))  # of DVC's state
    assert broken_objects(place / ".dvc/cache") == []
    run(place, "dvc", "checkout")
    nothing_to_do(place)
