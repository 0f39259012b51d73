"""The whole workflow on its smallest configuration, in a copy of the repository."""

import csv
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clones import PATCHVAE, UNRECORDED, edit, executed, run, twin, wanted
from helpers import SNAKEMAKE, copy_checkout, environment
from PIL import Image

from patchvae.records.metrics_files import read_metrics

Run = Callable[..., "subprocess.CompletedProcess[str]"]

CORES = ["--cores", "2"]


D = "digits-tiny"
TINY = ("patchvae", "patchvae+lw", "patchvae-gan", "bigan", "labelled", "imagenet-pretrained", "random")


def seed0(folder: str, *rows: str) -> set[str]:
    """Jobs by their names, as their log files have them."""
    return {f"test/{folder}/{row}/seed0" for row in rows}


def tables(*names: str) -> set[str]:
    return SUMMARY | {f"test/tables/{name}" for name in names}


# Any new table is followed by the first, any new training by the second.
SUMMARY, CURVES = {"test/summary"}, {"test/curves/pretrain"}
BY_TABLE12 = seed0("finetune/table1/conv1-5/table12", *(f"{row}/{D}" for row in TINY))
LINEAR = seed0("finetune/sensitivity/conv1-5/linear", f"patchvae/{D}", f"random/{D}")
SWEPT = seed0("finetune/num_parts/conv1-5/table12", f"patchvae.num_parts=4/{D}")
SWEPT |= seed0("finetune/lengths/conv1-5/table12", f"patchvae.epochs=1/{D}")
OF_TABLE2 = {f"test/finetune/table2/{name}/{D}64/seed0" for name in ("conv1-5/table12/patchvae", "none/table12/random")}
TRAININGS = CURVES | BY_TABLE12 | LINEAR | SWEPT | OF_TABLE2
# What Table 1's fine-tunings are read for besides
TABLE1 = tables("table1")
TABLE1_READERS = tables("table1", f"lengths_{D}", "claims", f"sensitivity_{D}")
TABLE2, TABLE7, SWEEP, SCALE_FREE = (
    tables(name) for name in ("table2", "table7", "sweep_num_parts", f"scale_free_{D}")
)
STANDARDISED, TUNED = (
    seed0(f"finetune/scale_free/conv1-5/{head}", f"patchvae/{D}", f"random/{D}") for head in ("standardised", "tuned")
)
RATES = seed0("rates/conv1-5/tuned", f"patchvae/{D}", f"random/{D}")
PROBES = seed0(f"probe/{D}", "patchvae", "patchvae.epochs=1", "random") | tables(f"lengths_{D}", f"probe_{D}")
FEW_LABELS = seed0(f"few_labels/{D}", "patchvae") | tables(f"few_labels_{D}")
PARTS = seed0(f"parts/{D}", "patchvae+lw") | tables("parts")
REAL_PARTS = seed0(f"real_parts/{D}", "patchvae") | tables(f"real_parts_{D}") | {f"test/figures/real_parts_{D}"}
FIGURES = {f"test/figures/figure{number}_{D}" for number in (1, 3, 4, 5)}
MEASURED = seed0(f"reconstruct/{D}64", "patchvae") | seed0(f"fid/{D}64", "patchvae")
MASKS = {f"data/masks/{D}", f"test/figures/figure6_{D}"}


def of(variant: str) -> set[str]:
    return CURVES | seed0(f"pretrain/{D}", variant) | {job for job in TRAININGS if f"/{variant}/{D}/" in job}


# What follows from new masks: the variants trained with L_w, and what is made of them.
WEIGHTED = of("patchvae+lw") | TABLE1_READERS | PARTS | FIGURES


def test_tables_and_figures_are_there(finished: Path) -> None:
    results = finished / "results/test"
    with open(results / "tables/table1.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[:8] == ["model", "dataset", "regime", "head", "paper", "mean", "std", "n"]
    assert len([row for row in rows if row["mean"]]) == len(TINY)
    with open(results / "tables/table1_seeds.csv", newline="") as stream:
        assert {(row["model"], row["head"], row["seed"]) for row in csv.DictReader(stream)} == {
            (variant, "table12", "0") for variant in TINY
        }
    assert (results / "tables/answer.md").stat().st_size > 0
    names = ("probe", "few_labels", "lengths", "sensitivity", "scale_free", "real_parts")
    by_dataset = [f"{name}_digits-tiny" for name in names]
    tables = [
        "parts",
        "claims",
        *by_dataset,
        "sweep_num_parts",
        *(f"table{number}" for number in (1, 2, 7, 8, 9, 10, 11, 12)),
    ]
    for name in tables:
        for kind in ("csv", "md", "tex", "html"):
            assert (results / f"tables/{name}.{kind}").stat().st_size > 0
    for name in ("table1", "table2", "sweep_num_parts", "table7", "parts", *by_dataset):
        assert "demo" in (results / f"tables/{name}.md").read_text().lower()
    for name in ("figure1", "figure3", "figure4", "figure5", "figure6"):
        assert (results / f"figures/{name}_digits-tiny.png").read_bytes().startswith(b"\x89PNG")
        assert (results / f"figures/{name}_digits-tiny.pdf").read_bytes().startswith(b"%PDF")
    for name in ("answer", "lengths_digits-tiny", "real_parts_digits-tiny"):
        assert (results / f"figures/{name}.png").read_bytes().startswith(b"\x89PNG")
        assert (results / f"figures/{name}.pdf").read_bytes().startswith(b"%PDF")
    assert (results / "figures/sweep_num_parts.png").read_bytes().startswith(b"\x89PNG")
    assert list(finished.rglob("*.partial")) == []


def test_every_metrics_file_keeps_to_the_schema(finished: Path) -> None:
    files = sorted((finished / "results/test/metrics").rglob("*.json"))
    assert {read_metrics(path)["rule"] for path in files} == {
        "pretrain",
        "finetune",
        "rates",
        "probe",
        "few_labels",
        "reconstruct",
        "fid",
        "parts",
        "real_parts",
    }


def test_without_the_weights_of_inception_only_fid_is_empty(finished: Path) -> None:
    fid = json.loads(next((finished / "results/test/metrics/fid").rglob("*.json")).read_text())
    if fid["fid"] is not None:
        pytest.skip("the weights are on this machine")
    with open(finished / "results/test/tables/table7.csv", newline="") as stream:
        numbers = {row["metric"]: row["mean"] for row in csv.DictReader(stream) if row["model"] == "patchvae"}
    assert numbers.pop("fid") == "" and all(numbers.values())
    assert fid["why"] in (finished / "results/test/tables/table7.md").read_text()


def test_the_report_is_one_file(snakemake: Run, finished: Path, tmp_path: Path) -> None:
    place = twin(finished, tmp_path / "clone")
    # As of real data; this run's has no verdict
    (place / "results/test/tables/answer.md").write_text("- **One claim: not run.** Why.\n\nTop-1\n")
    done = snakemake(place, "--report", "results/test/report.html")
    assert done.returncode == 0, done.stdout + done.stderr
    text = (place / "results/test/report.html").read_text()
    for part in (
        "One claim: not run.",
        "The paper's Table 1 against ours",
        "Classification",
        "Ablations",
        "Reconstruction",
        "Parameter counts",
        "figure4",
    ):
        assert part in text
    assert re.findall(r'(?:src|href)="(?:https?:)?//[^"]*\.(?:js|css)"', text) == []


def test_the_scheduler_sleeps_while_jobs_run(finished: Path) -> None:
    """Left alone it looks at all ready jobs once a second and for each job that has ended."""
    said = (finished / "scratch/said.txt").read_text()
    ended = len(re.findall("^Finished jobid", said, re.M))
    assert ended > 30
    assert len(re.findall("^Ready jobs:", said, re.M)) <= ended


@pytest.mark.parametrize("regime", ["probe", "conv1-5"])
def test_the_commands_from_a_phi_end_in_the_cells_number(finished: Path, tmp_path: Path, regime: str) -> None:
    place = twin(finished, tmp_path / "clone")
    run(place, *PATCHVAE, "export", CHECKPOINT, "--out", "phi.pt")
    cell = ("patchvae", "digits-tiny", regime, "--run", "test")
    run(place, *PATCHVAE[:-1], "bash", "-ec", run(place, *PATCHVAE, "explain", *cell, "--from", "phi.pt"))
    folder = {"probe": "probe/digits-tiny/patchvae", "conv1-5": "finetune/table1/conv1-5/table12/patchvae/digits-tiny"}
    expected = read_metrics(place / "results/test/metrics" / folder[regime] / "seed0.json")
    again = read_metrics(place / "again/metrics.json")
    for key in ("config", "top1", "top5", "right", "train_top1"):
        assert again[key] == expected[key]


@pytest.mark.slow
def test_both_engines_train_the_same_after_an_edit(finished: Path, tmp_path: Path) -> None:
    measured = []
    for name, command in (("by_dvc", ["dvc", "repro"]), ("by_snakemake", ["snakemake", "--cores", "1", *UNRECORDED])):
        place = twin(finished, tmp_path / name)
        edit(place, "ablations/num_parts", [4, 8])
        assert executed(place, *command) == {
            "test/pretrain/digits-tiny/patchvae.num_parts=8/seed0",
            "test/finetune/num_parts/conv1-5/table12/patchvae.num_parts=8/digits-tiny/seed0",
            "test/tables/sweep_num_parts",
            "test/summary",
            "test/curves/pretrain",
        }
        with open(place / "results/test/tables/sweep_num_parts.csv", newline="") as stream:
            measured.append({row["value"]: row["mean"] for row in csv.DictReader(stream) if row["mean"]})
    assert measured[0] == measured[1]
    assert {"4", "8"} <= set(measured[0])


@pytest.mark.parametrize(
    ("key", "value", "jobs"),
    [
        ("finetune/lr", 0.02, TRAININGS | STANDARDISED | SCALE_FREE | TABLE1_READERS | TABLE2 | SWEEP),
        ("rates/held_out", 8, RATES | TUNED | SCALE_FREE | CURVES),
        pytest.param("variants/bigan/lr", 0.001, of("bigan") | TABLE1_READERS, marks=pytest.mark.slow),
        pytest.param("gan/weight", 2.0, of("patchvae-gan") | TABLE1_READERS, marks=pytest.mark.slow),
        ("masks/per_channel", False, MASKS | WEIGHTED),
        pytest.param("select", "best", TABLE1_READERS | TABLE2 | SWEEP | SCALE_FREE, marks=pytest.mark.slow),
        pytest.param("model/bigan/latent_dim", 32, of("bigan") | TABLE1_READERS, marks=pytest.mark.slow),
        pytest.param("drawing/crop_cells", 2, FIGURES | REAL_PARTS, marks=pytest.mark.slow),
        ("reconstruction/temperature", 0.5, MEASURED | TABLE7),
        ("ridge/pool", 2, PROBES | FEW_LABELS | REAL_PARTS),
        (
            "heads/linear/head_dropout",
            0.5,
            LINEAR | tables(f"sensitivity_{D}") | CURVES,
        ),
        (
            "ablations/num_parts",
            [4, 8],
            seed0(f"pretrain/{D}", "patchvae.num_parts=8")
            | seed0("finetune/num_parts/conv1-5/table12", f"patchvae.num_parts=8/{D}")
            | SWEEP
            | CURVES,
        ),
    ],
)
def test_an_edited_value_reruns_the_jobs_that_need_it(
    finished: Path, tmp_path: Path, key: str, value: Any, jobs: set[str]
) -> None:
    place = twin(finished, tmp_path / "clone")
    edit(place, key, value)
    assert wanted(place) == jobs


@pytest.mark.parametrize(
    ("module", "jobs"),
    [
        pytest.param("report/tables/table1.py", TABLE1 | {"test/tables/claims"}, marks=pytest.mark.slow),
        ("report/figures/gallery.py", {f"test/figures/figure4_{D}"}),
        pytest.param("evaluation/parts.py", PARTS, marks=pytest.mark.slow),
        ("data/masks.py", MASKS | WEIGHTED),
        pytest.param(
            "training/finetune.py",
            TRAININGS | STANDARDISED | RATES | TUNED | SCALE_FREE | TABLE1_READERS | TABLE2 | SWEEP,
            marks=pytest.mark.slow,
        ),
        pytest.param("cli.py", set(), marks=pytest.mark.slow),
    ],
)
def test_an_edited_source_file_reruns_the_jobs_that_use_it(
    finished: Path, tmp_path: Path, module: str, jobs: set[str]
) -> None:
    place = twin(finished, tmp_path / "clone")
    with open(place / "src/patchvae" / module, "a", encoding="utf-8") as stream:
        stream.write("\n\nEDITED = True\n")
    assert wanted(place) == jobs


def test_a_touched_source_file_reruns_nothing(snakemake: Run, finished: Path, tmp_path: Path) -> None:
    place = twin(finished, tmp_path / "clone")
    os.utime(place / "src/patchvae/training/loop.py")
    done = snakemake(place, *CORES)
    assert done.returncode == 0
    assert "Nothing to be done" in done.stdout + done.stderr


@pytest.mark.slow
def test_a_data_set_of_ones_own_takes_a_few_lines(snakemake: Run, root: Path, tmp_path: Path) -> None:
    """The overlay of docs/adding-a-dataset.md, on a folder of few images and for one epoch."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 24), ("test", 8)):
        for number, name in enumerate(("iris", "tulip")):
            folder = tmp_path / "flowers" / split / name
            folder.mkdir(parents=True)
            for index in range(count):
                pixels = generator.integers(0, 100, (70, 90, 3), dtype=np.uint8)
                pixels[..., number] += 150
                Image.fromarray(pixels).save(folder / f"{index}.png")
    text = (root / "docs/adding-a-dataset.md").read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    place = copy_checkout(tmp_path / "checkout")
    overlay = place / "mine.yaml"  # beside params.yaml, as in the guide
    overlay.write_text(text.replace("/data/flowers", str(tmp_path / "flowers")).replace("_epochs: 90", "_epochs: 1"))
    small = tmp_path / "small.yaml"
    small.write_text(
        "{run: mine-small, pretrain: {batch_size: 16}, finetune: {batch_size: 16},"
        " table1: {variants: [patchvae, random],"
        " objectives: {plain: [patchvae], lw: [], gan: [], gan+lw: [], bigan: [], none: [random]}}}\n"
    )
    done = snakemake(place, *CORES, "--configfile", overlay, small)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with open(place / "results/mine-small/tables/table1.csv", newline="") as stream:
        measured = {row["model"] for row in csv.DictReader(stream) if row["mean"]}
    assert measured == {"patchvae", "random"}
    assert (place / "results/mine-small/figures/figure4_flowers.png").exists()


METRICS = "results/test/metrics/pretrain/digits-tiny/patchvae/seed0.json"
CHECKPOINT = "results/test/checkpoints/pretrain/digits-tiny/patchvae/seed0.pt"
LOG = "logs/test/pretrain/digits-tiny/patchvae/seed0.log"


@pytest.mark.parametrize(
    ("number", "resumed"), [(signal.SIGINT, True), pytest.param(signal.SIGKILL, False, marks=pytest.mark.slow)]
)
def test_a_run_killed_in_the_middle_of_a_training_is_finished_by_the_next(
    snakemake: Run, finished: Path, tmp_path: Path, number: signal.Signals, resumed: bool
) -> None:
    place = twin(finished, tmp_path / "clone")
    edit(place, "datasets/digits-tiny/pretrain_epochs", 8)
    arguments = ["--cores", "1", "--", METRICS]
    running = subprocess.Popen(
        [*SNAKEMAKE, *arguments],
        cwd=place,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # as a terminal's ^C, the signal reaches Snakemake and its job
    )
    try:
        deadline = time.monotonic() + 300
        while "'epoch': 3" not in ((place / LOG).read_text() if (place / LOG).exists() else ""):
            assert running.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(running.pid, number)
        assert running.wait(timeout=60) != 0
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
    assert not (place / METRICS).exists()
    assert not (place / CHECKPOINT).exists()
    if number == signal.SIGKILL:
        assert snakemake(place, "--unlock").returncode == 0
    done = snakemake(place, *arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (place / METRICS).exists()
    assert (place / CHECKPOINT).exists()
    assert ("resumed at step" in (place / LOG).read_text()) == resumed
