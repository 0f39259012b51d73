"""Copies of packed data on a disk of this machine, where PATCHVAE_LOCAL_DATA names a folder for them.

A training reads its images in random order, which a shared file system serves slowly. The copies are made once, for all
jobs of a machine. Nothing of this reaches a result, which knows its data by their digests.
"""

import fcntl
import hashlib
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from patchvae.data.packed import ARRAYS, MANIFEST, load_manifest
from patchvae.files import file_digest, read_json
from patchvae.records.digests import MASKS_MANIFEST

FOLDER = "PATCHVAE_LOCAL_DATA"

log = logging.getLogger(__name__)


def local_data(data: Path) -> Path:
    """The local copy of a packed data set, made where there is none yet, or `data` itself where none is wanted.

    Raises PatchVAEError for a broken manifest.
    """
    if not os.environ.get(FOLDER):
        return data
    arrays: dict[str, str] = {}
    for split, entry in load_manifest(data)["splits"].items():
        arrays |= {f"{split}_{name}.npy": entry[key] for name, key in ARRAYS.items() if key in entry}
    return _copied(data, MANIFEST, arrays)


def local_masks(masks: Path) -> Path:
    """The same for weight masks."""
    if not os.environ.get(FOLDER):
        return masks
    record = read_json(masks.parent / MASKS_MANIFEST)
    if not isinstance(record, dict) or "sha256" not in record:
        return masks  # which the training refuses
    return _copied(masks.parent, MASKS_MANIFEST, {masks.name: record["sha256"]}) / masks.name


def _copied(source: Path, description: str, arrays: Mapping[str, str]) -> Path:
    """A folder with copies of the arrays (name -> SHA-256) and of the file that describes them.

    `source` where they cannot be copied; the log then says why in one sentence.
    """
    try:
        sizes = {name: (source / name).stat().st_size for name in arrays}
        text = (source / description).read_bytes()
        place = Path(os.environ[FOLDER]) / f"{source.name}-{hashlib.sha256(text).hexdigest()[:16]}"
        place.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{place}.lock", "a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)  # a job that comes second waits for the copy of the first
            there = {path.name: path.stat().st_size for path in place.glob("*")}
            if there != sizes | {description: len(text)}:
                _copy(source, place, description, arrays, sum(sizes.values()))
    except OSError as error:
        log.warning("%s is read where it is: no copy in %s (%s)", source, os.environ[FOLDER], error.strerror or error)
        return source
    log.info("reads the copy of %s in %s", source, place)
    return place


def _copy(source: Path, place: Path, description: str, arrays: Mapping[str, str], size: int) -> None:
    """Raises OSError where there is no room, or the files are not as they are described."""
    partial = place.with_name(f"{place.name}.partial")
    for stale in (place, partial):
        shutil.rmtree(stale, ignore_errors=True)
    free = shutil.disk_usage(place.parent).free
    if size > free:
        raise OSError(f"it takes {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free")
    try:
        partial.mkdir()
        for name, sha256 in arrays.items():
            shutil.copyfile(source / name, partial / name)
            if file_digest(partial / name) != sha256:
                raise OSError(f"{name} has another content than {description} says")
        shutil.copyfile(source / description, partial / description)
        os.rename(partial, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
