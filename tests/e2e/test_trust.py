"""No result of other parameters, code or data passes for the wanted one, and no training is thrown away."""

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clones import ENV, SYNC, UNRECORDED, changes, edit, executed, nothing_to_do, refused, run, sync, twin, wait_until
from helpers import ROOT, SNAKEMAKE, copy_checkout, environment

from patchvae.files import read_json, write_json

Run = Callable[..., "subprocess.CompletedProcess[str]"]
FINETUNED = 8  # of engines.yaml: three rows on two data sets, and two values of a sweep
PATCHVAES = 6  # and those of PatchVAE


def planned(place: Path) -> str:
    """What a dry run says."""
    return run(place, "snakemake", "-n")


def finetunings(text: str) -> int:
    return text.count(": Fine-tune ")


def files(place: Path) -> dict[str, int]:
    """Name -> time of every file, but those of Snakemake itself and of Python."""
    names = [
        path for path in place.rglob("*") if path.is_file() and not {".snakemake", "__pycache__"} & set(path.parts)
    ]
    return {path.relative_to(place).as_posix(): path.stat().st_mtime_ns for path in names}


def lose_records(place: Path) -> None:
    shutil.rmtree(place / ".snakemake")


def touch_all(place: Path) -> None:
    """What `--touch --forceall` did before it was refused: tell Snakemake that all is as wanted."""
    command = ["snakemake", "--cores", "1", "--touch", "--forceall"]
    align = ENV | {"PATCHVAE_ALIGN": str(place / "params.yaml")}
    subprocess.run(command, cwd=place, env=align, check=True, capture_output=True)


@pytest.mark.parametrize("forget", [lose_records, pytest.param(touch_all, marks=pytest.mark.slow)])
def test_results_of_other_parameters_are_made_again_whatever_snakemake_remembers(
    origin: Path, tmp_path: Path, forget: Callable[[Path], None]
) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "finetune/lr", 0.02)
    forget(place)
    before = files(place)
    said = planned(place)
    assert finetunings(said) == FINETUNED and ": Pretrain " not in said
    assert "so made again: results/engines/metrics/finetune/" in said and "(parameters)" in said
    assert files(place) == before
    ran = executed(place, "snakemake", "--cores", "2")
    assert len([job for job in ran if "/finetune/" in job]) == FINETUNED
    assert "Nothing to be done" in planned(place)


def test_results_of_other_code_are_made_again_where_the_records_are_lost(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    with open(place / "src/patchvae/models/patchvae.py", "a", encoding="utf-8") as stream:
        stream.write("\n\nCHANGED = True\n")
    touch_all(place)
    said = planned(place)
    assert (said.count(": Pretrain "), finetunings(said)) == (PATCHVAES, PATCHVAES)


def test_results_of_other_data_are_made_again(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    for name, key in (("manifest", "splits"), ("record", "config")):
        path = place / f"data/packed/small/{name}.json"
        content = read_json(path)
        if key == "splits":
            content["splits"]["test"]["set_sha256"] = "0" * 64
        else:
            content["config"]["seed"] = 7
        write_json(path, content)
        touch_all(place)
        said = planned(place)
        assert f"({'data' if key == 'splits' else 'parameters'})" in said
        assert (": Draw the digit scenes of small" in said) == (key == "config")
        assert ": Fine-tune random on small" in said
        assert (": Fine-tune random on other" in said) is False


TOUCHES = [["--touch", "--forceall"], ["-t"], ["--touc"], ["-kt"], ["--profile", "touches"]]
TOUCHED = (
    "--touch would record that what lies here was made with the parameters of today: `workflow/sync.py align` records"
    " what it was made with\n"
)


def test_a_touch_is_refused_in_any_words(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    (place / "touches").mkdir()
    (place / "touches/config.yaml").write_text("touch: true\n")
    for words, stage in [*((words, {}) for words in TOUCHES), (TOUCHES[0], {"PATCHVAE_STAGE": "table1"})]:
        command = ["snakemake", "--cores", "1", *words]
        done = subprocess.run(command, cwd=place, env=ENV | stage, capture_output=True, text=True)
        assert done.returncode == 1 and "common.smk" not in done.stdout + done.stderr
        assert done.stderr.endswith(f"\n{TOUCHED}")
    assert not any((place / name).exists() for name in ("data", "results/paper", "logs"))
    for words in (TOUCHES[0], TOUCHES[-1]):
        assert "This was a dry-run" in run(place, "snakemake", "-n", "--quiet", "all", *words)


def test_a_touch_changes_nothing(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    edit(place, "drawing/rows", 3)  # of which no record tells
    assert TOUCHED in refused(place, "snakemake", "--cores", "1", "-kt")
    assert "Draw figure4" in planned(place)


def test_a_poisoned_lock_is_told_and_not_believed(origin: Path, tmp_path: Path) -> None:
    """`dvc commit` with an edit pending: DVC then takes the old numbers for the new parameters'."""
    place = twin(origin, tmp_path / "clone")
    edit(place, "finetune/lr", 0.02)
    run(place, "workflow/check")
    run(place, "dvc", "commit", "--force")
    assert "up to date" in run(place, "dvc", "status")
    said = sync(place, "align")
    assert "so `snakemake` makes them again: results/engines/metrics/finetune/" in said and "(parameters)" in said
    ran = executed(place, "snakemake", "--cores", "2")
    assert len([job for job in ran if "/finetune/" in job]) == FINETUNED
    nothing_to_do(place)


def test_an_edit_while_align_works_is_an_edit(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    run(place, "dvc", "checkout")
    with subprocess.Popen([*SYNC, "align"], cwd=place, env=ENV, stderr=subprocess.PIPE, text=True) as running:
        time.sleep(2)
        edit(place, "finetune/lr", 0.02)
        running.communicate()
    assert finetunings(planned(place)) == FINETUNED


def test_an_edit_while_a_run_is_recorded_does_not_get_its_results(origin: Path, tmp_path: Path) -> None:
    """DVC would otherwise say of the results that they are those of the edit."""
    place = twin(origin, tmp_path / "clone")
    lock = (place / "dvc.lock").read_bytes()
    edit(place, "drawing/rows", 3)
    run(place, "snakemake", "--cores", "2", *UNRECORDED)
    checked = changes(place / "data/code/masks.json")
    with subprocess.Popen([*SYNC, "adopt"], cwd=place, env=ENV, stderr=subprocess.PIPE, text=True) as running:
        wait_until(checked, running)
        edit(place, "drawing/rows", 4)
        assert "were edited meanwhile, so nothing was recorded" in running.communicate()[1]
    assert running.returncode == 1 and (place / "dvc.lock").read_bytes() == lock
    figures = executed(place, "snakemake", "--cores", "2")  # and records them
    assert figures and all("/figures/" in job for job in figures)
    nothing_to_do(place)


def test_a_copy_that_lost_its_times_is_aligned_by_its_records(origin: Path, tmp_path: Path) -> None:
    place = twin(origin, tmp_path / "clone")
    (place / "dvc.lock").unlink()  # a run that DVC does not track
    for path in (place / "results").rglob("seed0.*"):
        os.utime(path, (1e9, 1e9))
    said = refused(place, "snakemake", "-n")
    assert "`workflow/sync.py align`" in said.splitlines()[-1] and "common.smk" not in said
    sync(place, "align")
    said = planned(place)
    assert "Nothing to be done" in said or (": Pretrain " not in said and finetunings(said) == 0)


def test_the_job_itself_refuses_what_it_should_not_read(finished: Path, tmp_path: Path) -> None:
    """As under an engine that believes all is well, which --allowed-rules and --force stand for."""
    place = twin(finished, tmp_path / "clone")
    edit(place, "finetune/lr", 0.02)
    alone = ["snakemake", "--cores", "1", "--force", "--allowed-rules"]
    stage = ENV | {"PATCHVAE_STAGE": "table1"}

    def fails(rule: str, target: str) -> str:
        command = [*alone, rule, "--", target]
        done = subprocess.run(command, cwd=place, env=stage, capture_output=True, text=True)
        assert done.returncode != 0
        return done.stdout + done.stderr

    before = (place / "results/test/tables/table1.csv").read_bytes()
    said = fails("table1", "results/test/tables/table1.csv")
    assert "was measured with other parameters than those asked for" in said
    edit(place, "variants/patchvae/beta_occ", 0.3)
    said = fails("finetune", "results/test/metrics/finetune/table1/conv1-5/table12/patchvae/digits-tiny/seed0.json")
    assert "checkpoint results/test/checkpoints" in said and "other parameters" in said
    said = fails("figure_parts", "results/test/figures/figure4_digits-tiny.png")
    assert "other parameters" in said
    edit(place, "masks/per_channel", False)
    said = fails("pretrain", "results/test/checkpoints/pretrain/digits-tiny/patchvae+lw/seed0.pt")
    assert "data/masks/digits-tiny/train.npy was made with other parameters" in said
    assert before  # the failing job's own outputs are Snakemake's to remove; nothing wrong takes their place
    assert not (place / "results/test/tables/table1.csv").exists()


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    before = files(place)
    run(place, "snakemake", "-n")
    run(place, "snakemake", "-n", "--configfile", "configs/demo.yaml")
    assert files(place) == before


def untracked(finished: Path, place: Path) -> Path:
    """The run of configs/test.yaml as an overlay's, of which only its own records and Snakemake's tell."""
    twin(finished, place)
    shutil.copy(ROOT / "params.yaml", place)
    (place / "dvc.lock").unlink()
    return place


def align_overlays(place: Path, overlays: list[str]) -> None:
    """Which names what is not as wanted, and believes none of it."""
    said = sync(place, "align", *overlays)
    assert "so `snakemake` makes them again: " in said and "(checkpoint)" in said


def lose_records_and_times(place: Path, overlays: list[str]) -> None:
    """As a copy does without --preserve; times alone would tell Snakemake of a newer checkpoint."""
    lose_records(place)
    for path in [*(place / "data").rglob("*.*"), *(place / "results").rglob("*.*")]:
        os.utime(path, (1e9, 1e9))


@pytest.mark.parametrize(
    ("edited", "forget"),
    [
        pytest.param("masks", align_overlays, marks=pytest.mark.slow),
        pytest.param("code", lose_records_and_times, marks=pytest.mark.slow),
        pytest.param("code", align_overlays, marks=pytest.mark.slow),
        pytest.param("masks", lose_records_and_times, marks=pytest.mark.slow),
    ],
)
def test_results_of_another_checkpoint_are_made_again(
    finished: Path, tmp_path: Path, edited: str, forget: Callable[[Path, list[str]], None]
) -> None:
    """An edit, and an end when only the pretraining had been made again: its classifiers were of the one before."""
    place = untracked(finished, tmp_path / "clone")
    overlays = ["configs/test.yaml"]
    if edited == "code":
        row = "bigan"
        with open(place / "src/patchvae/models/bigan.py", "a", encoding="utf-8") as stream:
            stream.write("\n\nCHANGED = True\n")
    else:
        row = "patchvae+lw"
        (place / "masks.yaml").write_text("masks: {normalise: sum-one}\n")
        overlays.append("masks.yaml")
    command = ["snakemake", "--cores", "2", "--configfile", *overlays]
    pretrained = f"results/test/metrics/pretrain/digits-tiny/{row}/seed0.json"
    ran = executed(place, *command, "--", pretrained)
    assert f"test/pretrain/digits-tiny/{row}/seed0" in ran and not [job for job in ran if "finetune" in job]
    forget(place, overlays)
    said = run(place, *command, "-n")
    assert f": Fine-tune {row} on digits-tiny" in said and ": Pretrain " not in said
    assert finetunings(said) == 1
    (tuned,) = (job for job in executed(place, *command) if "/finetune/" in job)
    assert f"/{row}/digits-tiny/" in tuned
    metrics = read_json(place / f"results/{tuned.replace('test/', 'test/metrics/', 1)}.json")
    assert metrics["pretraining"]["checkpoint_sha256"] == read_json(place / pretrained)["checkpoint_sha256"]
    assert "Nothing to be done" in run(place, *command, "-n")


METRICS = "results/test/metrics/pretrain/digits-tiny/patchvae/seed0.json"
LOG = "logs/test/pretrain/digits-tiny/patchvae/seed0.log"
BENCHMARK = "logs/test/benchmarks/pretrain/digits-tiny/patchvae/seed0.tsv"
CONFIG = ["--configfile", "configs/test.yaml"]


def test_a_finished_training_that_snakemake_removes_is_not_run_again(snakemake: Run, tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "checkout")
    (place / BENCHMARK).mkdir(parents=True)  # so that it cannot be written
    assert snakemake(place, "--cores", "1", *CONFIG, "--", METRICS).returncode != 0
    assert not (place / METRICS).exists()
    shutil.rmtree(place / BENCHMARK)
    assert snakemake(place, "--cores", "1", *CONFIG, "--", METRICS).returncode == 0
    log = (place / LOG).read_text()
    assert "resumed at step" in log and "'epoch'" not in log
    scenes = "data/packed/digits-tiny64/manifest.json"
    assert list((place / "scratch").glob("*/state.pt"))
    assert snakemake(place, "--cores", "1", *CONFIG, "--", METRICS, scenes).returncode == 0
    assert not list((place / "scratch").glob("*/state.pt"))  # the later start found the outputs accepted


def test_a_training_that_outlived_snakemake_is_not_run_again(snakemake: Run, tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "checkout")
    overlay = tmp_path / "over.yaml"
    overlay.write_text("datasets: {digits-tiny: {pretrain_epochs: 15}}\n")
    arguments = ["--cores", "1", *CONFIG, str(overlay), "--", METRICS]
    running = subprocess.Popen(
        [*SNAKEMAKE, *arguments],
        cwd=place,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 300
    try:
        while "'epoch': 2" not in ((place / LOG).read_text() if (place / LOG).exists() else ""):
            assert running.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        os.kill(running.pid, signal.SIGKILL)  # its job lives on
        running.wait()
        while not (place / METRICS).exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert json.loads((place / METRICS).read_text())["epochs"] == 15
    assert snakemake(place, *CONFIG, overlay, "--unlock").returncode == 0
    done = snakemake(place, *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    log = (place / LOG).read_text()
    assert "resumed at step" in log and "'epoch'" not in log
