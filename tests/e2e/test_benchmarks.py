"""The benchmarks run; what they measure is no test's business."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize(
    ("script", "options", "printed"),
    [
        ("training.py", ["--rounds", "1", "--steps", "1", "--batch-size", "8"], "ratio"),
        ("preparing.py", ["--repeats", "1"], "images/s"),
        ("startup.py", ["--repeats", "1", "--commands", "summary", "--no-engines"], "s of CPU"),
        ("against.py", [".", "--rounds", "1", "--steps", "2", "--only", "head table12 conv1-5"], "same"),
        pytest.param(
            "gpu.py",
            ["--device", "cpu", "--seconds", "0.1", "--images", "640", "--only", "conv1-5", "--against", "."],
            "8 at once",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "startup.py",
            ["--repeats", "1", "--commands", "--overlay", "tests/e2e/engines.yaml"],
            "dvc repro",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_benchmark_runs(root: Path, tmp_path: Path, script: str, options: list[str], printed: str) -> None:
    options = [option.replace("FOLDER", str(tmp_path)) for option in options]
    done = subprocess.run(
        [sys.executable, f"benchmarks/{script}", *options],
        cwd=root,
        env=os.environ | {"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout
