#!/usr/bin/env python3
"""Count metrics files that other code made as results of today's code, where the two are known to give the same.

workflow/stamp.py NOTE [OVERLAY...]    of the run of params.yaml, or of these overlays; NOTE: how that is known, such as
                                       the outcome of benchmarks/against.py

The record of a file is written anew, with the note, if its configuration and those of the jobs before it are the wanted
ones. Neither data nor checkpoints need be here. Tables follow by workflow/rebuild.py.
"""

import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from engines import ROOT

from patchvae.errors import PatchVAEError
from patchvae.params.checks import checked_params
from patchvae.plan.jobs import before, planned
from patchvae.plan.kinds import METRICS
from patchvae.records.record import Record, config_digest


def stamp(note: str, overlays: list[str]) -> None:
    """Write the records of a run's metrics files anew, and print which stay as they are."""
    jobs = {job.path: job for job in planned(checked_params([ROOT / "params.yaml", *overlays]), ROOT)}
    for job in jobs.values():
        if job.rule not in METRICS or not (ROOT / job.record).is_file():
            continue
        record, after = Record.load(ROOT / job.record), before(job, jobs.get)
        # A job before it with a record is compared in its own turn. Others make data, whose code `after` leaves out.
        makers = [path for path in after if not (ROOT / jobs[path].record).is_file()]
        if record.config != config_digest(job.config) or any(after[path] != record.after.get(path) for path in makers):
            print(f"{job.record}: of other settings")
        elif record.job != job.digest:
            replace(record, job=job.digest, after=after, note=note).save(ROOT / job.record)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        stamp(sys.argv[1], sys.argv[2:])
    except PatchVAEError as error:
        sys.exit(str(error))
