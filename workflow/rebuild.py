#!/usr/bin/env python3
"""Make the tables and figures of a run again from the metrics files that are here, without data, training or engine.

workflow/rebuild.py [OVERLAY...]    of the run of params.yaml, or of these overlays; a cell that was not run is empty

Writes where the jobs of the run write. Where README.md has marks of the run, the answer is put between them.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from layout import OUTPUTS, ROOT

from patchvae.checks import checked_params
from patchvae.config import Params
from patchvae.errors import PatchVAEError
from patchvae.plan import jobs
from patchvae.report import readme
from patchvae.report.claims import report_claims
from patchvae.report.lengths import report_lengths
from patchvae.report.tables.probe import write_probe_table
from patchvae.report.tables.sensitivity import write_sensitivity
from patchvae.report.tables.table1 import write_table1
from patchvae.resolve import resolve

PAPER = ROOT / "paper"
SPREAD = [PAPER / "sweep_num_parts.csv", PAPER / "sweep_part_dim.csv"]


def metrics(run: str, folder: str) -> list[Path]:
    """Metrics files in a folder of a run's."""
    return sorted((ROOT / "results" / run / "metrics" / folder).rglob("*.json"))


def table1(params: Params, config: Params, paths: list[Path], job: dict[str, Any]) -> None:
    files = metrics(params["run"], "finetune/table1")
    if files:
        write_table1(config, PAPER / "table1.csv", files, *paths, partial=True)


def claims(params: Params, config: Params, paths: list[Path], job: dict[str, Any]) -> None:
    files = metrics(params["run"], "finetune/table1")
    if files:
        *texts, answer, png, pdf = paths
        given = ROOT / params["claims"][0]
        report_claims(config, given, PAPER / "table1.csv", SPREAD, files, tuple(texts), png, pdf, answer)


def probe_table(params: Params, config: Params, paths: list[Path], job: dict[str, Any]) -> None:
    files = metrics(params["run"], f"probe/{job['dataset']}")
    if files:
        write_probe_table(config, files, *paths)


def lengths(params: Params, config: Params, paths: list[Path], job: dict[str, Any]) -> None:
    files = metrics(params["run"], "finetune/lengths")
    if files:
        shared = metrics(params["run"], f"finetune/table1/{config['regime']}")
        *texts, png, pdf = paths
        probes = metrics(params["run"], f"probe/{job['dataset']}")
        report_lengths(config, [*files, *shared], probes, tuple(texts), png, pdf)


def sensitivity(params: Params, config: Params, paths: list[Path], job: dict[str, Any]) -> None:
    files = metrics(params["run"], "finetune/sensitivity")
    if files:
        write_sensitivity(config, [*files, *metrics(params["run"], f"finetune/table1/{config['regime']}")], *paths)


REPORTS = {function.__name__: function for function in (table1, claims, probe_table, lengths, sensitivity)}


def report(overlays: list[str]) -> None:
    """Write every report of a run of which there is any metrics file; raises PatchVAEError naming a wrong one."""
    params = checked_params([ROOT / "params.yaml", *overlays])
    run = params["run"]
    if not metrics(run, ""):
        raise PatchVAEError(f"results/{run}/metrics holds no metrics file: run it, or `dvc pull`")
    for rule, job in jobs(params):
        if rule in REPORTS:
            paths = [ROOT / path.format(**job) for path in OUTPUTS[rule]]
            REPORTS[rule](params, resolve(params, rule, job), paths, job)
    answer = ROOT / "results" / run / "tables/answer.md"
    if answer.is_file() and readme.BEGIN.format(name=run) in (ROOT / "README.md").read_text(encoding="utf-8"):
        readme.insert(ROOT / "README.md", run, answer)


if __name__ == "__main__":
    try:
        report(sys.argv[1:])
    except PatchVAEError as error:
        sys.exit(str(error))
