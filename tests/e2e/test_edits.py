"""After an edit DVC and Snakemake run the same jobs, those that depend on it, and nothing runs when it is taken back.

A job has run when its log file holds something else: the command line begins it anew, with the time, when it starts.
With PATCHVAE_WRITE_DOCS=1 (and without -n) the guide's table is written from what ran.
"""

import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from clones import UNRECORDED, commit, edit, executed, nothing_to_do, run, twin
from engine_jobs import (
    FIGURE6,
    PARAMETERS,
    PARTS,
    PATCHVAES,
    RATE,
    REPORTS,
    ROWS,
    RUN,
    SWEEP,
    SWEPT,
    TABLE1,
    WEIGHTED,
    finetuned,
    pretrained,
    swept,
)
from helpers import ROOT

from patchvae.report.readme import BEGIN, END, replace_between

GUIDE = ROOT / "docs/dvc.md"
HEAD = [
    "| Edit | `dvc repro` ran | `snakemake` ran on a twin clone | taken back, `dvc repro` ran |",
    "|---|---|---|---|",
]


def reword(place: Path, name: str, old: str, new: str) -> None:
    """Change a text where it stands once."""
    text = (place / name).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (place / name).write_text(text.replace(old, new), encoding="utf-8")


def say_otherwise(place: Path) -> None:
    """Reword an error and a line of the log where trainings are done."""
    for old in ("is no state of this training", "stopped by a signal at step"):
        reword(place, "src/patchvae/training/loop.py", old, f"so: {old}")


def change_what_only_keeps_order(place: Path) -> None:
    """A statement more in a module of parameters, of plans and of records, none of which computes."""
    for name in ("params/messages.py", "plan/layout.py", "records/record.py"):
        append_to(place, f"src/patchvae/{name}")


def append_to(place: Path, name: str, text: str = "CHANGED = True") -> None:
    """Change a source file without changing what it does."""
    with open(place / name, "a", encoding="utf-8") as stream:
        stream.write(f"\n\n{text}\n")


def add_bigan(place: Path) -> None:
    """Give the run a row of BiGAN, which DVC then knows as it does the others."""
    edit(place, "table1/variants", [*ROWS, "bigan"])
    edit(place, "table1/objectives/bigan", ["bigan"])
    run(place, "snakemake", "--cores", "2")
    commit(place)


def sweep_another_key(place: Path) -> None:
    """Sweep a key for which dvc.yaml has no stages yet."""
    edit(place, "ablations/detach_occurrence", [False])
    edit(place, "ablation_base/keys", ["num_parts", "detach_occurrence"])
    run(place, "workflow/stages.py")


# What is edited, how, and the jobs that depend on it
EDITS: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "a value added to an ablation": (
        lambda place: edit(place, "ablations/num_parts", [4, 8, 6]),
        swept(6) | SWEEP | REPORTS,
    ),
    "a value taken out of an ablation": (
        lambda place: edit(place, "ablations/num_parts", [4]),
        SWEEP | REPORTS,
    ),
    "another key swept, and `workflow/stages.py` called": (
        sweep_another_key,
        swept("false", key="detach_occurrence") | {f"{RUN}/tables/sweep_detach_occurrence"} | REPORTS,
    ),
    "fine-tuning's lr": (
        lambda place: edit(place, "finetune/lr", 0.02),
        RATE,
    ),
    "β_occ of PatchVAE": (
        lambda place: edit(place, "variants/patchvae/beta_occ", 0.3),
        pretrained(PATCHVAES) | finetuned(PATCHVAES) | SWEPT | TABLE1 | SWEEP | REPORTS | PARTS,
    ),
    "N of the main model": (
        lambda place: edit(place, "model/patchvae/num_parts", 12),
        pretrained(PATCHVAES) | finetuned(PATCHVAES) | TABLE1 | SWEEP | REPORTS | PARTS,
    ),
    "a data set dropped": (
        lambda place: edit(place, "table1/datasets", ["small"]),
        TABLE1 | SWEEP | REPORTS,
    ),
    "a seed added": (
        lambda place: edit(place, "seeds", [0, 1]),
        pretrained(ROWS, seed=1)
        | finetuned(ROWS, seed=1)
        | swept(4, seed=1)
        | swept(8, seed=1)
        | TABLE1
        | SWEEP
        | REPORTS,
    ),
    "a setting of the masks": (
        lambda place: edit(place, "masks/per_channel", False),
        WEIGHTED,
    ),
    "a setting of the figures": (
        lambda place: edit(place, "drawing/rows", 3),
        PARTS | FIGURE6,
    ),
    "the adversarial term's weight, which no row uses": (
        lambda place: edit(place, "gan/weight", 2.0),
        set(),
    ),
    "fine-tuning's source file": (
        lambda place: append_to(place, "src/patchvae/training/finetune.py"),
        RATE,
    ),
    "a statement of PatchVAE's model": (
        lambda place: append_to(place, "src/patchvae/models/patchvae.py"),
        pretrained(PATCHVAES) | finetuned(PATCHVAES) | SWEPT | TABLE1 | SWEEP | REPORTS | PARTS | PARAMETERS,
    ),
    "a comment in PatchVAE's model": (
        lambda place: append_to(place, "src/patchvae/models/patchvae.py", "# why"),
        set(),
    ),
    "an error sentence and a log line": (
        say_otherwise,
        set(),
    ),
    "a file of `records/`, `params/` or `plan/`": (
        change_what_only_keeps_order,
        set(),
    ),
    "the live curves, which only watch": (
        lambda place: append_to(place, "src/patchvae/jobs/watch.py"),
        set(),
    ),
    "BiGAN's model, once BiGAN is a row": (
        lambda place: append_to(place, "src/patchvae/models/bigan.py"),
        pretrained(["bigan"]) | finetuned(["bigan"]) | TABLE1 | REPORTS,
    ),
}


def counted(jobs: set[str]) -> str:
    """Jobs by kind: `2 pretrain, 1 tables`."""
    kinds = [name.split("/")[1] for name in jobs]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(sorted(kinds))) or "none"


# What comes before an edit
FIRST = {"BiGAN's model, once BiGAN is a row": add_bigan}

# A value, a list and code (test_student.py adds to a list), for which jobs without arithmetic do
QUICK = (
    "a setting of the masks",
    "another key swept, and `workflow/stages.py` called",
    "an error sentence and a log line",
    "a file of `records/`, `params/` or `plan/`",
)


def row_after(name: str, origin: Path, folder: Path) -> str:
    """Make an edit on twin clones, check what runs, take it back; returns the row of the guide's table."""
    change, depending = EDITS[name]
    if name in FIRST:
        origin = twin(origin, folder / "origin")
        FIRST[name](origin)
    by_dvc = twin(origin, folder / "by dvc")  # a path with a space, as some have
    by_snakemake = twin(origin, folder / "by snakemake")
    change(by_dvc)
    change(by_snakemake)
    with ThreadPoolExecutor() as pool:
        reproduced = pool.submit(executed, by_dvc, "dvc", "repro")
        with_snakemake = executed(by_snakemake, "snakemake", "--cores", "1", *UNRECORDED)
        with_dvc = reproduced.result()
    changed = run(by_dvc, "dvc", "status")
    run(by_dvc, "git", "checkout", "--quiet", "params.yaml", "dvc.yaml", "src", "workflow")
    back = executed(by_dvc, "dvc", "repro")
    assert sorted(with_dvc) == sorted(with_snakemake)
    assert sorted(with_dvc) == sorted(depending)
    assert "up to date" in changed
    assert back == set()
    assert executed(by_dvc, "snakemake", "--cores", "1") == set()
    nothing_to_do(by_dvc)
    shutil.rmtree(folder)
    return f"| {name} | {' | '.join(map(counted, (with_dvc, with_snakemake, back)))} |"


@pytest.mark.parametrize("name", QUICK)
def test_both_engines_run_what_depends_on_an_edit(origin: Path, tmp_path: Path, name: str) -> None:
    assert rows_of_the_guide().get(name) == row_after(name, origin, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", EDITS)
def test_both_engines_train_what_depends_on_an_edit(trained_origin: Path, tmp_path: Path, name: str) -> None:
    row = row_after(name, trained_origin, tmp_path)
    if os.environ.get("PATCHVAE_WRITE_DOCS"):
        rows = {key: old for key, old in rows_of_the_guide().items() if key in EDITS} | {name: row}
        text = GUIDE.read_text(encoding="utf-8")
        table = "\n".join([*HEAD, *(rows[key] for key in EDITS if key in rows)])
        GUIDE.write_text(replace_between(text, "edits", table), encoding="utf-8")
    assert rows_of_the_guide().get(name) == row


def rows_of_the_guide() -> dict[str, str]:
    """Edit -> its row in the table of edits."""
    table = GUIDE.read_text(encoding="utf-8").split(BEGIN.format(name="edits"))[1].split(END.format(name="edits"))[0]
    return {line.split(" | ")[0].removeprefix("| "): line for line in table.strip().splitlines()[2:]}


def test_the_guide_shows_these_edits_and_no_others() -> None:
    assert list(rows_of_the_guide()) == list(EDITS)
