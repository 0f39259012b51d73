#!/usr/bin/env python3
"""Make the tables and figures of a run again from the metrics files that are here, without data, training or engine.

workflow/rebuild.py [OVERLAY...]    of the run of params.yaml, or of these overlays; a cell that was not run is empty

Writes where the jobs of the run write. Where README.md has marks of the run, the answer is put between them.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from layout import ROOT, inputs, jobs, paths
from reports import REPORTS

from patchvae.checks import checked_params
from patchvae.config import Params
from patchvae.errors import PatchVAEError
from patchvae.report import readme
from patchvae.report.job import writer
from patchvae.resolve import resolve

MEASURED = ("metrics_files", "finetune_files")  # inputs without which there is nothing to report


def report(overlays: list[str]) -> None:
    """Write every report of a run of which there is any metrics file; raises PatchVAEError naming a wrong one."""
    params = checked_params([ROOT / "params.yaml", *overlays])
    run = params["run"]
    if not any((ROOT / "results" / run / "metrics").rglob("*.json")):
        raise PatchVAEError(f"results/{run}/metrics holds no metrics file: run it, or `dvc pull`")
    for name, job in jobs(params):
        if name in REPORTS and REPORTS[name].partial:
            remake(name, params, job)
    answers = [ROOT / "results" / run / f"tables/{name}.md" for name in ("answer", "decision_answer")]
    if answers[0].is_file() and readme.BEGIN.format(name=run) in (ROOT / "README.md").read_text(encoding="utf-8"):
        readme.insert(ROOT / "README.md", run, [path for path in answers if path.is_file()])


def remake(name: str, params: Params, job: Params) -> None:
    """Make a report from those of its inputs that are here, unless no metrics file is among them."""
    values: dict[str, Any] = {"partial": True} if name == "table1" else {}
    for key, files in inputs(name, params, job).items():
        here = [path for path in map(ROOT.joinpath, paths(files)) if path.is_file()]
        if key in MEASURED and not here:
            return
        values[key] = here[0] if isinstance(files, str) else here
    values |= {key: ROOT / str(path).format(**job) for key, path in REPORTS[name].outputs.items()}
    writer(name)(resolve(params, name, job), **values)


if __name__ == "__main__":
    try:
        report(sys.argv[1:])
    except PatchVAEError as error:
        sys.exit(str(error))
