"""Runs one job from its file, anywhere: `patchvae run JOBFILE`."""

import functools
import os
from pathlib import Path

from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.jobs import gpus
from patchvae.jobs.work import work
from patchvae.plan.jobs import ORDERED, Job, before, fingerprint, read_job
from patchvae.records.digests import AGAIN
from patchvae.records.record import Digests, Record, config_digest, digest_of, digests, same

# Rules that ask for a GPU; `parts` and `real_parts` use one where `--device` names it, all other jobs none
ON_GPU = ("pretrain", "finetune", "rates", "probe", "few_labels", "few_labels_pixels", "reconstruct", "fid")

THREADS = {"prepare": min(8, os.cpu_count() or 1)}  # of a job without `--threads`: as its rule has them, for equal bits


def execute(path: Path, device: str | None, threads: int | None) -> None:
    """Do a job and write the record of its outputs last; paths in its file are below the folder of this process.

    Raises PatchVAEError for an input that is missing or not what its own job makes, and whatever the job raises. An
    older record is removed first, so that no half-done work has one.
    """
    job = read_job(path)
    if fingerprint(*job.modules) != job.code:
        raise PatchVAEError(
            f"{path} is of another state of the code than the one here: `patchvae plan` writes it again"
        )
    check_inputs(job)
    read = digests(job.reads, Path())
    after = before(job, functools.cache(job_at))
    if job.rule not in ON_GPU:
        device = device or "cpu"
    device, threads = gpus.for_job(job.rule, device), threads or THREADS.get(job.rule, 1)
    Path(job.record).unlink(missing_ok=True)
    addresses = Path(job.places)
    work(job, read_json(addresses) if addresses.is_file() else job.config, device, threads)
    ordered = job.rule in ORDERED
    changed = [name for name, digest in read.items() if not same(digest_of(Path(name)), digest, ordered)]
    if read_job(path).text != job.text:  # an engine would take the results for those of the new one
        changed = [job.path]
    if changed:
        raise PatchVAEError(f"{changed[0]} was written anew while its job was at work: call it again")
    config = config_digest(job.config)
    Record(job.digest, config, read, digests(job.makes, Path()), after).save(Path(job.record))


def job_at(path: str) -> Job | None:
    """The job of a file, or None where there is none."""
    return read_job(path) if Path(path).is_file() else None


def check_inputs(job: Job) -> None:
    """Raise PatchVAEError for an input that is missing, or that another job than the wanted one has made.

    The jobs that make the inputs are known by their files; where such a file is not here, nothing is wanted of them.
    """
    for path in job.reads:
        if not Path(path).is_file():
            raise PatchVAEError(f"{path} is missing, and {job.path} reads it: {AGAIN}")
    for maker in filter(None, map(job_at, job.after)):
        read = {*maker.makes} & {*job.reads}
        made = made_by(maker) if read else {}
        for path in sorted(read):
            if digest_of(Path(path)) != made.get(path):
                raise PatchVAEError(f"{path} is not what its job wrote: {AGAIN}")


def made_by(job: Job) -> Digests:
    """What the record of a job's outputs says of them; raises PatchVAEError where another job has made them."""
    try:
        record = Record.load(Path(job.record))
    except PatchVAEError as error:
        raise PatchVAEError(f"{job.makes[0]} has no record of what made it: {AGAIN}") from error
    if record.job != job.digest:
        raise PatchVAEError(f"{job.makes[0]} was made with other parameters or code than those asked for: {AGAIN}")
    return record.wrote
