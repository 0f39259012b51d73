"""The environments that `snakemake --sdm` gives to jobs."""

import os
import subprocess
import sys
from pathlib import Path

from helpers import SNAKEMAKE, copy_checkout, environment

from patchvae.params.reading import read_yaml

# Stands in for Apptainer: says what it was given, and runs the command outside of any container.
APPTAINER = """#!/bin/sh
[ "$1" = --version ] && echo apptainer version 1.3.4 && exit
echo "$@" >> called
while [ "$1" != -c ]; do shift; done
exec bash -c "$2"
"""


def test_the_conda_environment_is_the_lock(root: Path) -> None:
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [line for line in lines if line and not line.startswith("#")]
    *_, packages = read_yaml(root / "workflow/envs/patchvae.yaml")["dependencies"]
    assert packages == {"pip": pinned}, "run `make workflow/envs/patchvae.yaml`"


def test_jobs_run_in_the_image_with_its_python(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "clone")
    program = tmp_path / "apptainer"
    program.write_text(APPTAINER)
    program.chmod(0o755)
    env = environment() | {"PATH": f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"}
    target = "results/test/tables/table8.md"
    command = [*SNAKEMAKE, "--cores", "1", "--configfile", "configs/test.yaml", "--sdm", "apptainer"]
    command += ["--apptainer-args=--nv", "--", target]

    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert "workflow/envs/patchvae.sif is missing: `apptainer build" in done.stderr
    assert "Traceback" not in done.stderr

    (place / "workflow/envs/patchvae.sif").touch()
    done = subprocess.run(command, cwd=place, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (called,) = (place / "called").read_text().splitlines()
    assert " --nv " in called
    assert f"{place}/workflow/envs/patchvae.sif" in called
    assert "export PATH=$PATH " in called  # not the Python that runs Snakemake
    assert (place / target).exists()

    moved = place.rename(tmp_path / "a clone")
    done = subprocess.run(command, cwd=moved, env=env, capture_output=True, text=True)
    assert done.returncode != 0
    assert f"{moved}: " in done.stderr and "space" in done.stderr and "Traceback" not in done.stderr


def test_without_a_home_folder_caches_are_kept_in_the_checkout(tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "a clone")
    env = {key: value for key, value in environment().items() if key not in ("XDG_CACHE_HOME", "MPLCONFIGDIR")}
    command = [*SNAKEMAKE, "--configfile", "configs/test.yaml", "-n", "--", "results/test/tables/table8.md"]
    done = subprocess.run(command, cwd=place, env=env | {"HOME": "/dev/null"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (place / ".snakemake/cache").is_dir()
