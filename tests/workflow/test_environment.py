"""The Conda environment of `snakemake --sdm conda` has the packages of requirements.lock."""

from pathlib import Path

from patchvae.config import read_yaml


def test_the_conda_environment_is_the_lock(root: Path) -> None:
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    *_, packages = read_yaml(root / "workflow/envs/patchvae.yaml")["dependencies"]
    assert packages == {"pip": pinned}, "run `make workflow/envs/patchvae.yaml`"
