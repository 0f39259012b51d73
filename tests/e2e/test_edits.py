"""After an edit DVC and Snakemake run the same jobs, those that depend on it, and nothing runs when it is taken back.

A job has run when its log file was written: the command line opens it anew when it starts.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, copy_checkout, environment
from ruamel.yaml import YAML

from patchvae.report.readme import insert

ENV = environment() | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "SNAKEMAKE_CORES": "1"}
GIT = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]


def run(place: Path, *command: str) -> str:
    """What a command says; it must end well."""
    done = subprocess.run(command, cwd=place, env=ENV, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def sync(place: Path, *arguments: str) -> str:
    return run(place, sys.executable, "workflow/sync.py", *arguments)


def commit(place: Path) -> None:
    run(place, *GIT, "add", "--all")
    run(place, *GIT, "commit", "--quiet", "--message", "State")


def logs(place: Path) -> dict[str, int]:
    """Every job that ever ran here, by its log file's name, with the time of its last start."""
    folder = place / "logs"
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path.stat().st_mtime_ns for path in folder.rglob("*.log")
    }


def executed(place: Path, *command: str) -> set[str]:
    """The jobs that a command runs."""
    before = logs(place)
    run(place, *command)
    return {name for name, time in logs(place).items() if before.get(name) != time}


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


def append_to(place: Path, name: str) -> None:
    """Change a source file without changing what it does."""
    with open(place / name, "a", encoding="utf-8") as stream:
        stream.write("# changed\n")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which Snakemake has run the smallest configuration, and DVC has adopted it."""
    place = copy_checkout(tmp_path_factory.mktemp("origin") / "clone")
    run(place, "git", "init", "--quiet")
    sync(place, "track", "tests/e2e/engines.yaml")
    run(place, "snakemake", "--cores", "2")
    ran = logs(place)
    sync(place, "adopt")
    assert logs(place) == ran
    commit(place)
    nothing_to_do(place)
    return place


def twin(origin: Path, place: Path) -> Path:
    """A copy with all results, on which both engines agree."""
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(origin, place, symlinks=True)
    return place


RUN = "engines"
DATASETS, ROWS = ("small", "other"), ("beta-vae", "patchvae", "patchvae+lw", "random")
PATCHVAES = ("patchvae", "patchvae+lw")


def pretrained(rows: Iterable[str], datasets: Iterable[str] = DATASETS, seed: int = 0) -> set[str]:
    return {f"{RUN}/pretrain/{dataset}/{row}/seed{seed}" for row in rows for dataset in datasets}


def finetuned(rows: Iterable[str], datasets: Iterable[str] = DATASETS, seed: int = 0) -> set[str]:
    return {f"{RUN}/finetune/table1/conv1-5/{row}/{dataset}/seed{seed}" for row in rows for dataset in datasets}


def swept(value: Any, seed: int = 0) -> set[str]:
    row = f"patchvae.num_parts={value}"
    return pretrained([row], ["small"], seed) | {f"{RUN}/finetune/num_parts/conv1-5/{row}/small/seed{seed}"}


TABLE1 = {f"{RUN}/tables/table1"}
SWEEP = {f"{RUN}/tables/sweep_num_parts", f"{RUN}/figures/sweep_num_parts"}
PARTS = {f"{RUN}/figures/figure{number}_small" for number in (1, 3, 4, 5)}
FIGURE6 = {f"{RUN}/figures/figure6_small"}
MASKS = {f"data/masks/{dataset}" for dataset in DATASETS}

# What is edited, how, and the jobs that depend on it
EDITS: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "a value added to an ablation": (
        lambda place: edit(place, "ablations/num_parts", [4, 8]),
        swept(8) | SWEEP,
    ),
    "the value of an ablation replaced": (
        lambda place: edit(place, "ablations/num_parts", [8]),
        swept(8) | SWEEP,
    ),
    "fine-tuning's lr": (
        lambda place: edit(place, "finetune/lr", 0.02),
        finetuned(ROWS) | (swept(4) - pretrained(["patchvae.num_parts=4"])) | TABLE1 | SWEEP,
    ),
    "β of the beta-VAE": (
        lambda place: edit(place, "variants/beta-vae/beta", 0.5),
        pretrained(["beta-vae"]) | finetuned(["beta-vae"]) | TABLE1,
    ),
    "β_occ of PatchVAE": (
        lambda place: edit(place, "variants/patchvae/beta_occ", 0.3),
        pretrained(["patchvae", "patchvae+lw"])
        | finetuned(["patchvae", "patchvae+lw"])
        | swept(4)
        | TABLE1
        | SWEEP
        | PARTS,
    ),
    "N of the main model": (
        lambda place: edit(place, "model/patchvae/num_parts", 12),
        pretrained(PATCHVAES) | finetuned(PATCHVAES) | TABLE1 | SWEEP | PARTS,
    ),
    "a data set dropped": (
        lambda place: edit(place, "table1/datasets", ["small"]),
        TABLE1 | {f"{RUN}/tables/sweep_num_parts"},
    ),
    "a seed added": (
        lambda place: edit(place, "seeds", [0, 1]),
        pretrained(ROWS, seed=1) | finetuned(ROWS, seed=1) | swept(4, seed=1) | TABLE1 | SWEEP,
    ),
    "a setting of the masks": (
        lambda place: edit(place, "masks/per_channel", False),
        MASKS | pretrained(["patchvae+lw"]) | finetuned(["patchvae+lw"]) | TABLE1 | FIGURE6,
    ),
    "a setting of the figures": (
        lambda place: edit(place, "figures/rows", 3),
        PARTS | FIGURE6,
    ),
    "a model's source file": (
        lambda place: append_to(place, "src/patchvae/models/vae.py"),
        pretrained([*ROWS]) | pretrained(["patchvae.num_parts=4"], ["small"]) | PARTS,
    ),
    "the source file of a table": (
        lambda place: append_to(place, "src/patchvae/report/tables/table1.py"),
        TABLE1,
    ),
}


def counted(jobs: set[str]) -> str:
    """Jobs by kind: `2 pretrain, 1 tables`."""
    kinds = [name.split("/")[1] for name in jobs]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds))) or "none"


@pytest.fixture(scope="module")
def ran(origin: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[set[str], set[str], set[str]]]:
    """Edit -> the jobs that DVC ran, that Snakemake ran, and that DVC ran after it was taken back."""
    folder = tmp_path_factory.mktemp("twins")
    by_dvc = twin(origin, folder / "by_dvc")
    found = {}
    for name, (change, _) in EDITS.items():
        by_snakemake = twin(origin, folder / "by_snakemake")
        change(by_dvc)
        change(by_snakemake)
        with ThreadPoolExecutor() as pool:  # one core each: DVC runs a job at a time
            reproduced = pool.submit(executed, by_dvc, "dvc", "repro")
            with_snakemake = executed(by_snakemake, "snakemake", "--cores", "1")
            with_dvc = reproduced.result()
        assert "up to date" in run(by_dvc, "dvc", "status")
        run(by_dvc, "git", "checkout", "--quiet", "params.yaml", "src")
        back = executed(by_dvc, "dvc", "repro")
        sync(by_dvc, "align")
        nothing_to_do(by_dvc)
        found[name] = with_dvc, with_snakemake, back
    return found


@pytest.mark.parametrize("name", EDITS)
def test_both_engines_run_what_depends_on_an_edit(ran: dict[str, tuple[set[str], ...]], name: str) -> None:
    with_dvc, with_snakemake, _ = ran[name]
    assert sorted(with_dvc) == sorted(with_snakemake)
    assert sorted(with_dvc) == sorted(EDITS[name][1])


@pytest.mark.parametrize("name", EDITS)
def test_taking_an_edit_back_runs_nothing(ran: dict[str, tuple[set[str], ...]], name: str) -> None:
    assert ran[name][2] == set()


def test_the_guide_shows_these_jobs(ran: dict[str, tuple[set[str], ...]], tmp_path: Path) -> None:
    rows = [
        "| Edit | `dvc repro` ran | `snakemake` ran on a twin clone | taken back, `dvc repro` ran |",
        "|---|---|---|---|",
    ]
    rows += [f"| {name} | {' | '.join(map(counted, ran[name]))} |" for name in EDITS]
    table, guide = tmp_path / "edits.md", tmp_path / "dvc.md"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    shutil.copy(ROOT / "docs/dvc.md", guide)
    insert(guide, "edits", table)
    if os.environ.get("PATCHVAE_WRITE_DOCS"):
        shutil.copy(guide, ROOT / "docs/dvc.md")
    assert guide.read_text(encoding="utf-8") == (ROOT / "docs/dvc.md").read_text(encoding="utf-8")
