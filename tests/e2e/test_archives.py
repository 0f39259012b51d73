"""All four data sets from archives in their official layouts to their tables, in `make test-all`, or alone:

    PATCHVAE_ARCHIVES=/path/to/archives python -m pytest tests/e2e/test_archives.py

The folder holds the archives that configs/archives-smoke.yaml names.
"""

import csv
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import copy_checkout

Run = Callable[..., "subprocess.CompletedProcess[str]"]
ARCHIVES = os.environ.get("PATCHVAE_ARCHIVES")


@pytest.mark.slow
@pytest.mark.skipif(ARCHIVES is None, reason="PATCHVAE_ARCHIVES names no folder of archives")
def test_every_data_set_goes_from_its_archives_to_its_tables(snakemake: Run, tmp_path: Path) -> None:
    place = copy_checkout(tmp_path / "checkout")
    (place / "archives").symlink_to(Path(str(ARCHIVES)).resolve())
    done = snakemake(place, "--cores", "2", "--configfile", "configs/archives-smoke.yaml")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    tables = place / "results/archives-smoke/tables"

    def measured(table: str, column: str) -> set[str]:
        with open(tables / f"{table}.csv", newline="") as stream:
            return {row[column] for row in csv.DictReader(stream) if row["mean"]}

    assert measured("table1", "dataset") == {"cifar100", "indoor67", "places205"}
    assert {"patchvae+lw", "imagenet-pretrained", "random"} <= measured("table1", "model")
    assert measured("table2", "metric") == {"top1", "top5"}
    assert measured("sweep_num_parts", "value") == {"8", "16"}
    assert {"psnr", "ssim"} <= measured("table7", "metric")
