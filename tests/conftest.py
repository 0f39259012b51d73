"""Shared by all tests."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, run_snakemake

from patchvae.params.reading import load_params

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked:
        import torch

        if not torch.cuda.is_available():
            for item in marked:
                item.add_marker(pytest.mark.skip(reason="no NVIDIA GPU"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture
def params(root: Path) -> dict[str, Any]:
    return load_params([root / "params.yaml"])


@pytest.fixture(scope="session")
def snakemake() -> Run:
    return run_snakemake
