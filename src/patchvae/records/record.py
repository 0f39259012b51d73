"""Records: the file beside a result that says what made it, and the digests by which files are compared.

A record holds the digest of its job, and the digest of every file that the job read and wrote. A result is right if its
record says so; no engine's notes and no file times count.
"""

import hashlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import canonical, read_json, write_json
from patchvae.records.digest import content_digest

Digests = dict[str, str]  # path from the project's folder -> digest
LENGTH = 16  # hex digits of a digest
# Of a packed data set's splits: the same images in another order are the same data
FILES = ("sha256", "labels_sha256", "order_sha256")
ORDER = " in order "


def short(data: bytes) -> str:
    """The digest of some bytes."""
    return hashlib.sha256(data).hexdigest()[:LENGTH]


def job_digest(rule: str, config: Mapping[str, Any], code: str) -> str:
    """The digest of a job: of what it does and of the code that does it, not of where its files are."""
    return short(canonical({"rule": rule, "config": config, "code": code}).encode())


def config_digest(config: Mapping[str, Any]) -> str:
    """The digest of a configuration."""
    return short(canonical(config).encode())


def digest_of(path: Path) -> str:
    """The digest of a file's content, from few bytes where the file is large.

    A checkpoint's is made from the checksums in its table of contents, an array's from the manifest beside it.
    Raises PatchVAEError for a file that cannot be read.
    """
    try:
        size = os.stat(path).st_size
        if path.suffix == ".npy":
            return f"{size} bytes {_of_array(path)}".rstrip()
        if path.suffix == ".pt":
            return content_digest(path)
        if path.name == "manifest.json":
            return _of_manifest(path)
        return short(path.read_bytes())
    except OSError as error:
        raise PatchVAEError(f"{path}: {error.strerror or error}") from error


def same(digest: str, other: str, ordered: bool) -> bool:
    """Whether two digests are of the same content; ordered: whether the order of images counts."""
    return digest == other or (not ordered and digest.partition(ORDER)[0] == other.partition(ORDER)[0])


def _of_array(path: Path) -> str:
    manifest = _manifest(path.with_name("manifest.json"))
    split, _, what = path.stem.partition("_")
    entry = manifest.get("splits", {}).get(split)
    if entry is None:  # of weight masks
        return str(manifest.get("sha256", ""))[:LENGTH]
    if what == "occurrence" or "set_sha256" not in entry:
        return str(entry.get({"images": "sha256"}.get(what, f"{what}_sha256"), ""))[:LENGTH]
    return f"{entry['set_sha256'][:LENGTH]}{ORDER}{entry['order_sha256'][:LENGTH]}"


def _of_manifest(path: Path) -> str:
    manifest = read_json(path)
    if not isinstance(manifest, dict):
        raise PatchVAEError(f"{path}: not a manifest")
    if "splits" in manifest:  # which archive the images came in is no part of what they are
        manifest = {key: manifest.get(key) for key in ("classes", "image_size", "splits")}
    for split in manifest.get("splits", {}).values():
        if "set_sha256" in split:
            for key in FILES:
                split.pop(key, None)
    return short(canonical(manifest).encode())


def _manifest(path: Path) -> dict[str, Any]:
    content = read_json(path) if path.is_file() else {}
    return content if isinstance(content, dict) else {}


class Record:
    """What made the outputs of one job."""

    def __init__(
        self, job: str, config: str, read: Digests, wrote: Digests, after: Digests | None = None, note: str = ""
    ) -> None:
        """job, config: the digests of the job and of its configuration; read, wrote: of its files; after:
        `plan.jobs.settings` of the jobs that made what it read; note: how else than by running it this is known."""
        self.job, self.config, self.read, self.wrote = job, config, read, wrote
        self.after, self.note = after or {}, note

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read a record; raises PatchVAEError naming a file that is missing or no record."""
        match read_json(path):
            case {
                "job": str(job),
                "config": str(config),
                "read": dict(read),
                "wrote": dict(wrote),
                "after": dict(after),
                **more,
            }:
                if all(isinstance(digest, str) for digests in (read, wrote, after) for digest in digests.values()):
                    return cls(job, config, read, wrote, after, str(more.get("note", "")))
        raise PatchVAEError(f"{path}: not the record of a result")

    def save(self, path: Path) -> None:
        note = {"note": self.note} if self.note else {}
        content = {"job": self.job, "config": self.config, "read": self.read, "wrote": self.wrote, "after": self.after}
        write_json(path, content | note)


def digests(paths: Iterable[str], root: Path) -> Digests:
    """The digests of files below a folder, by path; raises PatchVAEError for one that is missing."""
    return {path: digest_of(root / path) for path in paths}
