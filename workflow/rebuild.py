#!/usr/bin/env python3
"""Make the tables and figures of a run again from the metrics files that are here, without data, training or engine.

workflow/rebuild.py [OVERLAY...]    of the run of params.yaml, or of these overlays; a cell that was not run is empty

Writes where the jobs of the run write. Where README.md has marks of the run, the answer is put between them.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from engines import ROOT

from patchvae.errors import PatchVAEError
from patchvae.jobs.work import write_report
from patchvae.params.checks import checked_params
from patchvae.plan.jobs import Job, State, before, planned, states
from patchvae.plan.layout import paths
from patchvae.plan.reports import REPORTS
from patchvae.records.record import Record, config_digest, digests
from patchvae.report import readme

MEASURED = ("metrics_files", "finetune_files")  # inputs without which there is nothing to report


def report(overlays: list[str]) -> None:
    """Write every report of a run of which there is any metrics file; raises PatchVAEError naming a wrong one."""
    params = checked_params([ROOT / "params.yaml", *overlays])
    run = params["run"]
    if not any((ROOT / "results" / run / "metrics").rglob("*.json")):
        raise PatchVAEError(f"results/{run}/metrics holds no metrics file: run it, or `dvc pull`")
    jobs = planned(params, ROOT)
    found = states(jobs, ROOT)
    makers = {path: job for job in jobs for path in job.makes}
    for job in jobs:
        if job.rule in REPORTS and REPORTS[job.rule].partial:
            remake(job, makers, found)
    answers = [ROOT / "results" / run / f"tables/{name}.md" for name in ("answer", "decision_answer")]
    if answers[0].is_file() and readme.BEGIN.format(name=run) in (ROOT / "README.md").read_text(encoding="utf-8"):
        readme.insert(ROOT / "README.md", run, [path for path in answers if path.is_file()])


def remake(job: Job, makers: Mapping[str, Job], found: Mapping[str, State]) -> None:
    """Make a report from those of its inputs that are here, unless no metrics file is among them."""
    inputs = {
        key: files if isinstance(files, str) else [path for path in files if (ROOT / path).is_file()]
        for key, files in job.inputs.items()
    }
    if any(key in MEASURED and not files for key, files in inputs.items()):
        return
    reads = [path for files in inputs.values() for path in paths(files)]
    for path in reads:
        if path in makers and (state := found[makers[path].path]).word not in ("right", "partial"):
            why = state.why if state.word == "wrong" else "it has no record"
            raise PatchVAEError(f"{path} is not what run {job.wildcards['run']} wants: {why}")
    write_report(job, job.config, inputs, ROOT)
    after = before(job, {maker.path: maker for maker in makers.values()}.get)
    made = digests(reads, ROOT), digests(job.makes, ROOT)
    Record(job.digest, config_digest(job.config), *made, after).save(ROOT / job.record)


if __name__ == "__main__":
    try:
        report(sys.argv[1:])
    except PatchVAEError as error:
        sys.exit(str(error))
