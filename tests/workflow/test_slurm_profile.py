"""profiles/slurm fits the rules. That it works on a SLURM is shown by `make test-slurm`."""

from pathlib import Path
from typing import Any

import pytest
from helpers import rule_texts
from ruamel.yaml import YAML

from patchvae.jobs.execute import ON_GPU
from patchvae.plan.layout import KINDS


def entries(root: Path, name: str) -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe").load(root / "profiles" / name / "config.yaml")
    return content


@pytest.fixture
def profile(root: Path) -> dict[str, Any]:
    return entries(root, "slurm")


def test_it_names_rules_that_there_are(profile: dict[str, Any]) -> None:
    assert set(profile["set-resources"]) <= set(KINDS)


def test_the_rules_with_a_gpu_are_those_of_the_partition_with_gpus(profile: dict[str, Any]) -> None:
    with_gpu = {name for name, text in rule_texts().items() if "gpu=1," in text}
    assert with_gpu == {name for name, asked in profile["set-resources"].items() if asked.get("gpu")}
    assert with_gpu == {name for name, asked in profile["set-resources"].items() if "slurm_partition" in asked}
    assert with_gpu == {*ON_GPU}


def test_the_default_profile_overrides_none_of_it(root: Path, profile: dict[str, Any]) -> None:
    """Snakemake reads both, and where they differ the default profile wins."""
    assert not set(profile) & set(entries(root, "default"))
