"""Results travel between clones and outlive kills, bad input and a broken remote."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from clones import ENV, commit, edit, executed, logs, nothing_to_do, run, sync, twin
from helpers import copy_checkout

SYNC = [sys.executable, "workflow/sync.py"]


def refused(place: Path, *command: str) -> str:
    """What a command says that must not end well."""
    done = subprocess.run(command, cwd=place, env=ENV, capture_output=True, text=True, timeout=600)
    assert done.returncode not in (0, -9), done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def killed(place: Path, seconds: float, *command: str) -> None:
    """Run a command and all that it starts for so long, then kill them."""
    running = subprocess.Popen(
        command, cwd=place, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        running.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()


def mended(place: Path) -> str:
    """What mend says, when all that was killed is gone."""
    for _ in range(100):
        done = subprocess.run([*SYNC, "mend"], cwd=place, env=ENV, capture_output=True, text=True)
        if "wait for it" not in done.stderr:
            break
        time.sleep(0.1)
    assert done.returncode == 0, done.stderr
    return done.stderr


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


@pytest.fixture(scope="module")
def shared(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone that has pushed its run to a folder: (clone)/../remote."""
    folder = tmp_path_factory.mktemp("shared")
    place = twin(origin, folder / "clone")
    run(place, "dvc", "remote", "add", "--local", "--default", "share", str(folder / "remote"))
    run(place, "dvc", "push")
    return place


def colleague(shared: Path, place: Path) -> Path:
    """A fresh clone that knows the remote and has pulled nothing yet."""
    run(shared.parent, "git", "clone", "--quiet", str(shared), str(place))
    run(place, "dvc", "remote", "add", "--local", "--default", "share", str(shared.parent / "remote"))
    return place


def test_a_colleague_pulls_the_run_and_has_nothing_to_do(shared: Path, tmp_path: Path) -> None:
    place = colleague(shared, tmp_path / "colleague")
    run(place, "dvc", "pull")
    assert "up to date" in run(place, "dvc", "status")
    sync(place, "align")
    nothing_to_do(place)
    assert logs(place) == {}
    assert tables(place) == tables(shared)


def test_a_remote_without_half_of_its_objects_is_named_and_loses_nothing(shared: Path, tmp_path: Path) -> None:
    remote = shared.parent / "remote"
    objects = sorted(path for path in remote.rglob("*") if path.is_file())
    for path in objects[::2]:
        (tmp_path / path.relative_to(remote)).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, tmp_path / path.relative_to(remote))
    place = colleague(shared, tmp_path / "colleague")
    try:
        assert "Missing cache files" in refused(place, "dvc", "pull")
        said = run(place, "dvc", "status")
        assert "results/engines" in said and "data/packed" in said
        assert "align: DVC sees changes" in refused(place, *SYNC, "align")
    finally:
        for path in objects[::2]:
            shutil.move(tmp_path / path.relative_to(remote), path)
    run(place, "dvc", "pull")
    sync(place, "align")
    nothing_to_do(place)


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
    assert name in refused(place, *SYNC, "align")
    assert name in refused(place, *SYNC, "verify")
    run(place, "dvc", "pull")
    sync(place, "verify")
    assert hashlib.md5((place / name).read_bytes()).hexdigest() == digest
    assert broken_objects(place / ".dvc/cache") == []
    sync(place, "align")
    nothing_to_do(place)


def test_adopt_refuses_what_is_not_finished(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    before = (place / "dvc.lock").read_bytes()
    edit(place, "finetune/lr", 0.02)
    assert "adopt: Snakemake has work left" in refused(place, *SYNC, "adopt")
    assert (place / "dvc.lock").read_bytes() == before


def test_dvc_refuses_what_the_schema_refuses_and_runs_nothing(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "finetune/lrr", 0.02)  # DVC itself would not mind
    edit(place, "figures/rows", 3)
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


def test_a_run_by_another_version_of_the_code_is_not_taken_for_this_ones(shared: Path, tmp_path: Path) -> None:
    place = colleague(shared, tmp_path / "colleague")
    with open(place / "src/patchvae/report/tables/table1.py", "a", encoding="utf-8") as stream:
        stream.write("# later\n")
    run(place, "dvc", "pull")
    assert "align: DVC sees changes" in refused(place, *SYNC, "align")


def test_a_table_altered_by_hand_is_written_again(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    table = place / "results/engines/tables/table1.md"
    table.write_text("99.9\n", encoding="utf-8")
    assert "table1.md" in run(place, "dvc", "status")
    assert "align: DVC sees changes" in refused(place, *SYNC, "align")
    run(place, "dvc", "repro")
    assert tables(place) == tables(origin)


def test_dvc_does_not_delete_a_run_that_was_not_adopted(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "ablations/num_parts", [4, 8, 6])
    run(place, "snakemake", "--cores", "2")
    made = checkpoints(place)
    said = refused(place, "dvc", "repro")
    assert "would delete results" in said and "num_parts=6" in said
    assert "not what dvc.lock says" in refused(place, *SYNC, "verify")
    assert checkpoints(place) == made
    assert executed(place, *SYNC, "adopt") == set()
    assert executed(place, "dvc", "repro") == set()
    nothing_to_do(place)


def test_one_run_of_an_overlay_is_tracked_at_a_time(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    run(place, "git", "init", "--quiet")
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
        sync(place, "align")
        assert not stray.exists()
    folder = place / "scratch/unlisted/results/engines/metrics/finetune"
    assert {path.read_text() for path in folder.iterdir()} == {"1", "2"}
    stray.write_text("3")
    edit(place, "figures/rows", 3)
    refused(place, *SYNC, "align")
    assert stray.read_text() == "3"


def test_the_tools_say_which_python_they_need(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    bare = [sys.executable, "-S", "-E"]  # without any installed package
    for tool in (["workflow/sync.py", "adopt"], ["workflow/check"]):
        assert "source .venv/bin/activate" in refused(place, *bare, *tool)


def test_the_engines_wait_for_each_other(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "pretrain/lr", 0.002)
    before = checkpoints(place)
    with subprocess.Popen(["snakemake", "--cores", "1"], cwd=place, env=ENV, start_new_session=True) as running:
        while not (made := {name for name, when in checkpoints(place).items() if when != before[name]}):
            assert running.poll() is None
            time.sleep(0.1)
        said = refused(place, "dvc", "repro")
        os.killpg(running.pid, signal.SIGKILL)
    assert "another snakemake works in this folder" in said
    assert all(checkpoints(place).get(name) not in (None, before[name]) for name in made)
    place = twin(origin, tmp_path / "other")
    edit(place, "pretrain/lr", 0.002)
    with subprocess.Popen(["dvc", "repro"], cwd=place, env=ENV, start_new_session=True) as running:
        said = refused(place, "snakemake", "--cores", "1", "--nolock")  # Snakemake's own lock would do it as well
        os.killpg(running.pid, signal.SIGKILL)
    assert "works in this folder: wait for it" in said


def test_kills_at_ten_random_moments_lose_nothing(origin: Path, tmp_path: Path) -> None:
    """The cache is whole after each, the eleventh call finishes the work, and the last run can be had back."""
    place = twin(origin, tmp_path / "clone")
    before, held = tables(place), objects(place)
    seed = random.SystemRandom().randrange(2**32)
    moment = random.Random(seed)
    edit(place, "finetune/lr", 0.02)
    for _ in range(10):
        killed(place, moment.uniform(0.5, 12), "dvc", "repro")
        mended(place)
        assert broken_objects(place / ".dvc/cache") == [], seed
        assert objects(place) >= held, seed
    run(place, "dvc", "repro")
    assert "up to date" in run(place, "dvc", "status")
    sync(place, "align")
    nothing_to_do(place)
    assert tables(place) != before
    run(place, "git", "checkout", "--quiet", ".")
    run(place, "dvc", "checkout")
    assert "up to date" in run(place, "dvc", "status")
    assert tables(place) == before
    edit(place, "finetune/lr", 0.02)  # Snakemake has records of this edit, and other results lie here
    for command in (["snakemake", "-n"], [*SYNC, "adopt"]):
        assert "not as Snakemake made it: if DVC put it here, `workflow/sync.py align`" in refused(place, *command)
    run(place, "git", "checkout", "--quiet", "params.yaml")
    sync(place, "align")
    edit(place, "finetune/lr", 0.02)
    assert "finetune" in run(place, "snakemake", "-n")


def test_mend_waits_for_jobs_and_takes_away_what_a_kill_has_left(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "ablations/num_parts", [4, 8, 6])
    with subprocess.Popen(["snakemake", "--cores", "1"], cwd=place, env=ENV, start_new_session=True) as running:
        while not list((place / ".snakemake/locks").glob("*")):
            time.sleep(0.1)
        assert "wait for it, or end it" in refused(place, *SYNC, "mend")
        os.killpg(running.pid, signal.SIGKILL)
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
    assert not [job for job in again if "/tables/" not in job and job not in ("engines/curves", "engines/summary")]
    sync(place, "align")
    nothing_to_do(place)
    assert mended(place) == ""
    (place / "dvc.lock").write_text("", encoding="utf-8")
    assert "workflow/sync.py mend" in refused(place, *SYNC, "align")
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


@pytest.mark.parametrize("command", ["adopt", "align"])
def test_adopt_and_align_survive_kills(origin: Path, tmp_path: Path, command: str) -> None:
    place = twin(origin, tmp_path / "clone")
    seed = random.SystemRandom().randrange(2**32)
    moment = random.Random(seed)
    edit(place, "figures/rows", 3)
    run(place, *(["snakemake", "--cores", "2"] if command == "adopt" else ["dvc", "repro"]))
    for _ in range(5):
        killed(place, moment.uniform(0.2, 8), *SYNC, command)
        assert broken_objects(place / ".dvc/cache") == [], seed
        if list((place / ".snakemake/locks").glob("*")):
            assert "workflow/sync.py mend" in refused(place, *SYNC, command)
            mended(place)
    assert executed(place, *SYNC, command) == set()
    nothing_to_do(place)


def test_a_full_disk_during_checkout_loses_nothing(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    names = ["results/engines/checkpoints", "results/engines/metrics", "data"]
    for name in names:
        shutil.rmtree(place / name)
    small = f"trap '' XFSZ; ulimit -f 1000; exec {ENV['PATH'].split(':')[0]}/dvc checkout"  # files of 1 MB at most
    said = refused(place, "bash", "-c", small)
    assert "seed0.pt" in said or "File too large" in said
    assert broken_objects(place / ".dvc/cache") == []
    run(place, "dvc", "checkout")
    sync(place, "align")
    nothing_to_do(place)
