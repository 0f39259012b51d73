"""A table and a loss as someone added them who had read CONTRIBUTING.md alone (tests/e2e/added) fit today's code.

Where a diff no longer applies, make the change anew by the guide, and mend the guide where it does not lead there.
"""

import subprocess
from pathlib import Path

import pytest
from clones import UNRECORDED, edit, executed, nothing_to_do, run, twin
from helpers import ROOT, copy_checkout

ADDED = ROOT / "tests/e2e/added"


@pytest.mark.parametrize("example", ["table", "loss"])
def test_an_example_fits_the_code_of_today(example: str) -> None:
    done = subprocess.run(
        ["git", "apply", "--check", f"tests/e2e/added/{example}.diff"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_rule_of_the_added_table_is_planned(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    run(place, "git", "apply", str(ADDED / "table.diff"))
    run(place, "snakemake", "-n", "--configfile", "configs/demo.yaml", "--", "results/demo/tables/training_accuracy.md")


@pytest.mark.slow
def test_a_table_is_one_module_one_entry_and_one_caption(trained_origin: Path, tmp_path: Path) -> None:
    place = twin(trained_origin, tmp_path / "clone")
    run(place, "git", "apply", str(ADDED / "table.diff"))
    run(place, "workflow/stages.py")
    ran = executed(place, "snakemake", "--cores", "1")
    assert "engines/tables/training_accuracy" in ran
    assert not [job for job in ran if "/pretrain/" in job or "/finetune/" in job]
    assert "Random" in (place / "results/engines/tables/training_accuracy.md").read_text()
    nothing_to_do(place)
    edit(place, "finetune/lr", 0.02)
    assert "engines/tables/training_accuracy" in executed(place, "dvc", "repro")


@pytest.mark.slow
def test_a_loss_is_one_function_one_call_and_one_key(trained_origin: Path, tmp_path: Path) -> None:
    place = twin(trained_origin, tmp_path / "clone")
    run(place, "git", "apply", str(ADDED / "loss.diff"))
    run(place, "python", "-m", "pytest", "-q", "tests/unit/test_losses.py", "tests/unit/models/test_patchvae.py")
    edit(place, "variants/patchvae/occurrence_free_bits", 50.0)
    (tuned,) = (place / "results/engines/metrics/pretrain/small/patchvae").glob("seed0.json")
    before = tuned.read_text()
    ran = executed(place, "snakemake", "--cores", "1", *UNRECORDED, "--", str(tuned.relative_to(place)))
    assert ran == {"engines/pretrain/small/patchvae/seed0"}
    assert tuned.read_text() != before
