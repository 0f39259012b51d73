"""Records: the file beside a result that says what made it, and the digests by which files are compared.

A record holds the digest of its job, and the digest of every file that the job read and wrote. Whether a result is
right follows from its record alone, not from an engine's notes or the times of files.
"""

import hashlib
import os
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import canonical, read_json, write_json

Digests = dict[str, str]  # path from the project's folder -> digest
LENGTH = 16  # hex digits of a digest
# Of a packed data set's splits: the same images in another order are the same data
FILES = ("sha256", "labels_sha256", "order_sha256")
ORDER = " in order "


def short(data: bytes, length: int = LENGTH) -> str:
    """The first hex digits of the SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()[:length]


def config_digest(config: Mapping[str, Any]) -> str:
    """The digest of a configuration."""
    return short(canonical(config).encode())


def job_digest(rule: str, config: Mapping[str, Any], code: str) -> str:
    """The digest of a job: of what it does and of the code that does it, not of where its files are."""
    return config_digest({"rule": rule, "config": config, "code": code})


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


def content_digest(path: Path | str) -> str:
    """16 hex digits for the content of a checkpoint or .npz: SHA-256 of its members' names, sizes and CRC-32.

    A zip archive lists them at its end, so that a large file takes no longer than a small one. The folder in which
    PyTorch puts all members does not count: older checkpoints name it after the process that wrote them. The digest is
    of what was written: damage since then shows only when the file is read.
    Raises PatchVAEError naming a file that is missing, truncated or no such archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [(member.filename, member.file_size, member.CRC) for member in archive.infolist()]
    except FileNotFoundError as error:
        raise PatchVAEError(f"{path} does not exist") from error
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise PatchVAEError(f"{path} cannot be read: it is truncated or no zip archive") from error
    folder = next((name.removesuffix("data.pkl") for name, _, _ in members if name.endswith("/data.pkl")), "")
    lines = [f"{name.removeprefix(folder)} {size} {crc:08x}\n" for name, size, crc in members]
    return short("".join(lines).encode())


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


@dataclass(frozen=True)
class Record:
    """What made the outputs of one job.

    job, config: the digests of the job and of its configuration; read, wrote: of its files; after: `plan.jobs.lineage`
    of the jobs that made what it read; note: how else than by running it this is known.
    """

    job: str
    config: str
    read: Digests
    wrote: Digests
    after: Digests = field(default_factory=dict)
    note: str = ""

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
        content = asdict(self)
        write_json(path, content if self.note else {key: content[key] for key in content if key != "note"})


def digests(paths: Iterable[str], root: Path) -> Digests:
    """The digests of files below a folder, by path; raises PatchVAEError for one that is missing."""
    return {path: digest_of(root / path) for path in paths}
