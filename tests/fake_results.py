"""Outputs and records of jobs, as if each had been done, for what only compares files."""

import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from patchvae.plan.jobs import Job, before
from patchvae.records.record import Record, config_digest, digests


def manifest(images: str = "these", order: str = "one") -> str:
    """The manifest of packed data with some images in some order."""
    parts = {"sha256": (images, order), "labels_sha256": (images, order), "set_sha256": (images, "")}
    parts |= {"order_sha256": ("", order), "occurrence_sha256": (images, "")}
    splits = {split: {key: f"{split} {a} {b}"[:64] for key, (a, b) in parts.items()} for split in ("train", "test")}
    return json.dumps({"image_size": 32, "splits": splits})


def checkpoint(path: Path, weights: str = "weights") -> None:
    """An archive as PyTorch writes one."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", "names")
        archive.writestr("archive/data/0", weights)


def put(path: Path, text: str = "") -> None:
    """A file of its kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".pt":
        checkpoint(path, text or "weights")
    elif path.name == "manifest.json" and not text:
        path.write_text(json.dumps({"sha256": "m" * 64}) if "masks" in path.parts else manifest())
    else:
        path.write_text(text or path.name)


def put_sources(jobs: Iterable[Job], root: Path) -> None:
    """The files that jobs read and none makes."""
    made = {path for job in jobs for path in job.makes}
    for path in {path for job in jobs for path in job.reads} - made:
        put(root / path)


def done(job: Job, root: Path, others: Callable[[str], Job | None] = lambda path: None) -> None:
    """Do a job whose inputs are there."""
    for path in job.makes:
        put(root / path)
    record(job, root, others)


def record(job: Job, root: Path, others: Callable[[str], Job | None] = lambda path: None) -> None:
    after = before(job, others)
    Record(job.digest, config_digest(job.config), digests(job.reads, root), digests(job.makes, root), after).save(
        root / job.record
    )


def all_done(jobs: Iterable[Job], root: Path) -> None:
    jobs = [*jobs]
    by_path = {job.path: job for job in jobs}
    put_sources(jobs, root)
    for job in jobs:
        done(job, root, by_path.get)
