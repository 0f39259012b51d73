"""Stands in for patchvae/jobs/work.py in clones that are about the engines: no arithmetic, but the same files.

A job writes every output, with bytes that follow from its configuration, its code and what it has read. With
STOP_AT=LOG, the job with this log file stops before its last output and waits to be killed.
"""

import hashlib
import os
import time
import zipfile
from pathlib import Path
from typing import Any

from patchvae.files import atomic, canonical, write_json, write_text
from patchvae.plan.jobs import Job
from patchvae.records.record import digest_of, short

SPLITS = ("train", "test")
WEIGHTS = 2**21  # bytes of a checkpoint, so that a disk can be full


def work(job: Job, config: dict[str, Any], device: str, threads: int) -> None:
    """Write the outputs, the last one last."""
    read = [digest_of(Path(path)) for path in job.reads]
    digest = short(canonical([job.rule, job.config, job.code, read]).encode())
    manifest = next((path for path in job.makes if path.endswith("manifest.json")), None)
    *first, last = sorted(job.makes, key=lambda path: path == manifest)
    for path in first:
        write(Path(path), digest)
    if os.environ.get("STOP_AT") == job.log:
        time.sleep(600)
    if last == manifest:
        write_json(last, described(job, digest))
    else:
        write(Path(last), digest)


def write(path: Path, digest: str) -> None:
    text = f"{digest} {path}"
    if path.suffix == ".pt":
        with atomic(path) as partial, zipfile.ZipFile(partial, "w") as archive:
            archive.writestr(zipfile.ZipInfo("data.pkl"), (text + "\n") * (WEIGHTS // len(text)))
    elif path.suffix == ".json":
        write_json(path, {"made by": text})
    else:
        write_text(path, f"{text}\n")


def described(job: Job, digest: str) -> dict[str, Any]:
    """The manifest of packed data or of weight masks."""
    if job.rule == "masks":
        return {"sha256": hashlib.sha256(digest.encode()).hexdigest()}

    def of(split: str, what: str) -> str:
        return hashlib.sha256(f"{digest} {split} {what}".encode()).hexdigest()

    keys = ("sha256", "labels_sha256", "set_sha256", "order_sha256", "occurrence_sha256")
    return {"splits": {split: {key: of(split, key) for key in keys} for split in SPLITS}}
