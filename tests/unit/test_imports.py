"""What a job imports before it does anything: its start is most of what a small one costs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

import patchvae
from patchvae.plan.kinds import PARTS_FIGURES
from patchvae.plan.layout import KINDS
from patchvae.records.provenance import PACKAGE, source_files

MODULES = {rule: kind.module for rule, kind in KINDS.items() if kind.module} | PARTS_FIGURES
REPORTS = ("table1", "table2", "sweep", "table7", "parts_table", "summary", "curves", "figure_masks")


def imported(code: str, *names: str) -> set[str]:
    """Those of the names that a program has imported at its end."""
    code += f"\nimport sys; print(*sorted(set(sys.modules) & set({names!r})))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (ROOT / "src", ROOT / "tests")))}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_package_waits_with_torch_until_something_is_loaded() -> None:
    assert imported("import patchvae", "torch", "numpy") == set()
    assert imported("import patchvae; patchvae.load", "torch", "torchvision", "matplotlib") == {"torch"}
    assert imported("import patchvae; assert not hasattr(patchvae, 'lead')", "torch") == set()


def test_load_is_the_function_of_features_and_no_job_depends_on_it() -> None:
    """So that an edit of it trains nothing anew."""
    assert patchvae.load is patchvae.features.load
    assert not [module for module in MODULES.values() if PACKAGE / "features.py" in source_files(module)]


def test_reports_import_no_torch() -> None:
    code = "\n".join(f"import {MODULES[command]}" for command in REPORTS)
    assert imported(code, "torch", "torchvision", "sklearn", "scipy", "json") == {"json"}


def test_what_tells_of_a_run_waits_for_no_torch() -> None:
    modules = "patchvae.plan.jobs, patchvae.params.checks, patchvae.commands.status, patchvae.commands.cost"
    assert imported(f"import {modules}", "torch", "pandas", "numpy", "snakemake", "dvc", "json") == {"json"}


@pytest.mark.parametrize("command", ["fid", "reconstruct", "parameter_tables"])
def test_what_only_a_measurement_needs_is_imported_by_it(command: str) -> None:
    """An FID without Inception weights measures nothing."""
    heavy = ("torchvision", "torchmetrics", "pytorch_fid", "sklearn", "scipy", "torch._dynamo")
    assert imported(f"import {MODULES[command]}", "torch", *heavy) == {"torch"}


@pytest.mark.parametrize("command", ["summary", "curves"])
def test_texts_are_written_without_pandas(command: str) -> None:
    assert imported(f"import {MODULES[command]}", "pandas", "matplotlib", "numpy") == set()


def test_a_training_imports_torch_and_little_else(tmp_path: Path) -> None:
    """From its start to its last step; an optimiser would import torch.compile's tracer."""
    code = f"""
import torch
from patchvae.training.optimizers import adam, sgd
import patchvae.training.pretrain, patchvae.training.finetune, patchvae.jobs.watch, patchvae.jobs.computing
import patchvae.models.patchvae, patchvae.models.beta_vae, patchvae.training.objectives.vae
model = torch.nn.Linear(2, 2)
for optimizer in (adam(model, 0.1, [0.5, 0.9]), sgd(list(model.parameters()), 0.1, 0.9, 0.0)):
    optimizer.zero_grad(set_to_none=True)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    torch.save(optimizer.state_dict(), {str(tmp_path / "state.pt")!r})
    optimizer.load_state_dict(torch.load({str(tmp_path / "state.pt")!r}))
"""
    heavy = ("torchvision", "pandas", "matplotlib", "sklearn", "scipy", "sympy", "torch._dynamo", "torch._inductor")
    assert imported(code, "torch", *heavy) == {"torch"}


@pytest.mark.parametrize("package", ["training", "evaluation"])
def test_what_computes_takes_tensors_and_names_no_files(package: str) -> None:
    for path in (PACKAGE / package).rglob("*.py"):
        found = re.findall(r"^\s*(?:from|import) (patchvae\.(?:jobs|records|files)\b|pathlib)", path.read_text(), re.M)
        assert found == [], path
