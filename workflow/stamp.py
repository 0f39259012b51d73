#!/usr/bin/env python3
"""Give metrics files that were made before there were records their records, from what they say of themselves.

workflow/stamp.py NOTE [OVERLAY...]    of the run of params.yaml, or of these overlays; NOTE: how their code is known to
                                       give what today's gives, such as the outcome of benchmarks/against.py

A file is stamped if its configuration is the wanted one, but for keys that came later and have the value that was the
only one before. The packed data must be here; checkpoints need not be. A file with a record is left alone.
"""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from engines import ROOT

from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.params.checks import checked_params
from patchvae.plan.jobs import Job, before, planned
from patchvae.plan.kinds import METRICS
from patchvae.records.digests import data_digests, difference
from patchvae.records.record import Digests, Record, config_digest, digest_of

LATER = {"last_batch": "drop"}  # keys that came after the first committed metrics, and what was done before


def stamp(note: str, overlays: list[str]) -> None:
    """Write the missing records of a run's metrics files, and print why a file gets none."""
    jobs = planned(checked_params([ROOT / "params.yaml", *overlays]), ROOT)
    by_path = {job.path: job for job in jobs}
    made: dict[str, str] = {}  # digests of checkpoints that are not here, as their metrics tell them
    stamped = 0
    for job in jobs:
        path = next((path for path in job.makes if path.endswith(".json")), "")
        if job.rule not in METRICS or not (ROOT / path).is_file():
            continue
        metrics = read_json(ROOT / path)
        if job.rule == "pretrain":
            made[job.makes[0]] = of_checkpoint(metrics)
        if (ROOT / job.record).exists():
            continue
        other = differs(job, metrics)
        if other:
            print(f"{path}: {other}")
            continue
        wrote = {name: made[name] if name in made else digest_of(ROOT / name) for name in job.makes}
        Record(
            job.digest, config_digest(job.config), read_by(job, metrics, made), wrote, before(job, by_path.get), note
        ).save(ROOT / job.record)
        stamped += 1
    print(f"{stamped} records written")


def of_checkpoint(metrics: Any) -> str:
    """What stands for a checkpoint that is not here: no other file has it as its digest."""
    return f"sha256 {metrics.get('checkpoint_sha256', 'unknown')}"


def differs(job: Job, metrics: Any) -> str | None:
    """In what a metrics file is not the wanted one."""
    config = metrics["config"]
    for key in sorted({*config, *job.config}):
        if key not in config and key in LATER and LATER[key] == job.config[key]:
            continue
        if config.get(key) != job.config.get(key):
            return f"its {key} is {config.get(key)!r}, not {job.config.get(key)!r}"
    data = ROOT / "data/packed" / metrics["dataset"]
    here = data_digests(read_json(data / "manifest.json")["splits"])
    return None if difference(metrics, here) is None else f"it was measured on other data than {data} holds"


def read_by(job: Job, metrics: Any, made: Digests) -> Digests:
    """The digests of what a job read: of checkpoints by what metrics files say of them, of all else by what is here."""
    found = {}
    for path in job.reads:
        if not path.endswith(".pt"):
            found[path] = digest_of(ROOT / path)
        elif path == job.inputs.get("reference"):
            found[path] = made.get(path, "unknown")
        else:
            found[path] = of_checkpoint(metrics["pretraining"])
    return found


if __name__ == "__main__":
    try:
        stamp(sys.argv[1], sys.argv[2:])
    except (PatchVAEError, IndexError) as error:
        sys.exit(str(error))
