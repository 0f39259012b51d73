"""The packed form of a data set: uint8 arrays that training maps into memory, and a manifest with their digests."""

import contextlib
import hashlib
import io
import itertools
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from patchvae.errors import PatchVAEError
from patchvae.files import HASHED, atomic, file_digest, read_json, write_json

MANIFEST = "manifest.json"
SPLITS = ("train", "test")
UNLABELLED = -1
ROW = "S32"  # a SHA-256 as one value, to be sorted; all have this length, so it matters nothing that it drops zeros
_OTHER = ": the files of two data sets or versions lie there, pack it again"


@dataclass(frozen=True)
class PackedSplit:
    """One split: images (n, S, S, 3) uint8, labels (n,) int64, and for digit scenes the true map (n, S/8, S/8)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    occurrence: npt.NDArray[np.uint8] | None = None


def save_array(path: Path | str, array: npt.NDArray[Any]) -> None:
    """Write a .npy file atomically; raises PatchVAEError naming the file when the disk is full."""
    with array_rows(path, array.shape, array.dtype) as writer:
        writer.write(0, array)
        writer.finish(len(array))


class RowWriter:
    """A .npy file whose rows are written one by one, in any order and from any thread.

    Plain writes, not a memory map: a full disk then is an error and no crash, and the process does not seem to grow
    with the file.
    """

    def __init__(self, path: Path | str, stream: BinaryIO, shape: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.path, self.row_shape, self.dtype, self._stream = path, shape[1:], np.dtype(dtype), stream
        self._row_bytes = self.dtype.itemsize * math.prod(self.row_shape)
        self._start = len(self._header(shape[0]))

    def write(self, first: int, rows: npt.NDArray[Any]) -> None:
        """Put rows (k, ...) at the places from `first` on; raises PatchVAEError when the disk is full."""
        if rows.dtype != self.dtype or rows.shape[1:] != self.row_shape:
            raise ValueError(f"rows are {rows.dtype} {rows.shape}, not {self.dtype} (k, {self.row_shape})")
        self._put(self._start + first * self._row_bytes, np.ascontiguousarray(rows).data.cast("B"))

    def close_gaps(self, missing: Collection[int], count: int) -> int:
        """Move rows up to fill the missing ones, and return how many of `count` are left."""
        gaps = [*sorted(missing), count]
        target = gaps[0]
        for gap, following in itertools.pairwise(gaps):
            for row in range(gap + 1, following):
                content = os.pread(self._stream.fileno(), self._row_bytes, self._start + row * self._row_bytes)
                self._put(self._start + target * self._row_bytes, memoryview(content))
                target += 1
        return target

    def finish(self, count: int) -> None:
        """Write the header of `count` rows and cut off what lies behind them."""
        self._put(0, memoryview(self._header(count)))
        os.truncate(self._stream.fileno(), self._start + count * self._row_bytes)

    def _put(self, place: int, content: memoryview) -> None:
        try:
            while content:
                written = os.pwrite(self._stream.fileno(), content, place)
                place, content = place + written, content[written:]
        except OSError as error:
            raise PatchVAEError(f"cannot write {self.path}: {error.strerror or error}") from error

    def _header(self, count: int) -> bytes:
        stream = io.BytesIO()
        descr = np.lib.format.dtype_to_descr(self.dtype)
        header = {"descr": descr, "fortran_order": False, "shape": (count, *self.row_shape)}
        np.lib.format.write_array_header_1_0(stream, header)  # numpy leaves room for any number of rows
        return stream.getvalue()


@contextlib.contextmanager
def array_rows(path: Path | str, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Iterator[RowWriter]:
    """Yield a RowWriter of an array of `shape`; `path` appears at the end of the block, after its `finish`."""
    with atomic(path) as partial, open(partial, "wb+") as stream:
        yield RowWriter(path, stream, shape, dtype)


def load_array(path: Path | str) -> npt.NDArray[Any]:
    """Map a .npy file read-only; raises PatchVAEError naming the file when it is missing or truncated."""
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise PatchVAEError(f"cannot read {path}: {error}") from error
    if not isinstance(array, np.ndarray):
        raise PatchVAEError(f"cannot read {path}: it is an archive of arrays")
    return array


def write_packed(
    out_dir: Path | str,
    dataset: str,
    format: str,
    classes: Sequence[str],
    splits: Mapping[str, PackedSplit],
    source: Mapping[str, str],
) -> None:
    """Write {split}_images.npy, {split}_labels.npy, {split}_occurrence.npy where there is one, then manifest.json.

    `source` is the checksum of every raw file. The old manifest is removed first and the new one is written last, so
    an interrupted rewrite leaves none. Raises PatchVAEError for inconsistent arrays, labels outside the classes and a
    class without an image.
    """
    out_dir = Path(out_dir)
    for split in SPLITS:
        check_split(f"{dataset} ({split})", splits[split], classes, split)
    clear(out_dir)
    for split in SPLITS:
        data = splits[split]
        save_array(out_dir / f"{split}_images.npy", data.images)
        save_array(out_dir / f"{split}_labels.npy", data.labels)
        if data.occurrence is not None:
            save_array(out_dir / f"{split}_occurrence.npy", data.occurrence)
    write_manifest(out_dir, dataset, format, classes, source)


def clear(out_dir: Path) -> None:
    """Remove the manifest, arrays that may not be replaced, and half-written ones of a killed run."""
    (out_dir / MANIFEST).unlink(missing_ok=True)
    for stale in (*out_dir.glob("*_occurrence.npy"), *out_dir.glob(".*.npy.*.partial")):
        stale.unlink()


def write_manifest(
    out_dir: Path,
    dataset: str,
    format: str,
    classes: Sequence[str],
    source: Mapping[str, str],
    skipped: Sequence[Mapping[str, str]] = (),
    ignored: Mapping[str, int] | None = None,
) -> None:
    """Write the manifest of the arrays in `out_dir`.

    Of each split, `sha256` and `labels_sha256` are of the files. `set_sha256` is of the set of images with their labels
    (SHA-256 of their sorted `image_digests`), the same in whatever order they are packed; `order_sha256` is of the same
    digests in the packed order.
    `skipped` are the images that could not be decoded; `ignored` counts files that are in no split, by kind.
    """
    entries = {}
    for split in SPLITS:
        labels = load_array(out_dir / f"{split}_labels.npy")
        images_sha256, digests = image_digests(out_dir, split)
        entries[split] = {
            "count": len(labels),
            "labelled": int((labels >= 0).sum()),
            "sha256": images_sha256,
            "labels_sha256": file_digest(out_dir / f"{split}_labels.npy"),
            "set_sha256": hashlib.sha256(np.sort(digests.view(ROW), axis=0).tobytes()).hexdigest(),
            "order_sha256": hashlib.sha256(digests.tobytes()).hexdigest(),
        }
        if (out_dir / f"{split}_occurrence.npy").exists():
            entries[split]["occurrence_sha256"] = file_digest(out_dir / f"{split}_occurrence.npy")
    manifest = {
        "dataset": dataset,
        "format": format,
        "classes": list(classes),
        "image_size": load_array(out_dir / "train_images.npy").shape[1],
        "splits": entries,
        "source": dict(source),
        "skipped": list(skipped),
        "ignored": dict(ignored or {}),
    }
    write_json(out_dir / MANIFEST, manifest)


def image_digests(data_dir: Path | str, split: str) -> tuple[str, npt.NDArray[np.uint8]]:
    """SHA-256 of {split}_images.npy as a file, and of each image's pixels and label: (n, 32), in the packed order.

    The label counts as eight bytes, the lowest first. The images are read once, from front to back, and not kept.
    """
    path, labels = Path(data_dir) / f"{split}_images.npy", load_array(Path(data_dir) / f"{split}_labels.npy")
    images, digests, whole = load_array(path), np.empty((len(labels), 32), np.uint8), hashlib.sha256()
    with open(path, "rb") as stream:
        whole.update(stream.read(path.stat().st_size - images.nbytes))
        for row, label in enumerate(labels.astype("<i8")):
            pixels = stream.read(images[0].nbytes)
            whole.update(pixels)
            image = hashlib.sha256(pixels)
            image.update(label.tobytes())
            digests[row] = np.frombuffer(image.digest(), np.uint8)
    return whole.hexdigest(), digests


def load_manifest(data_dir: Path | str) -> dict[str, Any]:
    """The manifest of a packed data set; raises PatchVAEError when it is missing, broken or of an older version."""
    path = Path(data_dir) / MANIFEST
    manifest: dict[str, Any] = read_json(path)
    for key in ("dataset", "format", "classes", "image_size", "splits", "source"):
        if not isinstance(manifest, dict) or key not in manifest:
            raise PatchVAEError(f"{path} has no key {key}")
    for split in SPLITS:
        entry = manifest["splits"].get(split) if isinstance(manifest["splits"], dict) else None
        if not isinstance(entry, dict) or not {"count", "sha256"} <= entry.keys():
            raise PatchVAEError(f"{path} lacks the count or sha256 of the split {split}")
        if not {"labels_sha256", "set_sha256", "order_sha256"} <= entry.keys():
            raise PatchVAEError(
                f"{path} is of an older version: pack the data set again with `snakemake --force {path}`, and the"
                " --configfile of your run, if it has one"
            )
    return manifest


def load_split(data_dir: Path | str, split: str) -> PackedSplit:
    """Map one split ("train" or "test") into memory, images read-only.

    Raises PatchVAEError for an unknown split, missing files, and files that disagree with the manifest.
    """
    data_dir = Path(data_dir)
    if split not in SPLITS:
        raise PatchVAEError(f"unknown split {split!r} of {data_dir}; known are {', '.join(SPLITS)}")
    manifest = load_manifest(data_dir)
    check_arrays(data_dir, split, manifest)
    has_occurrence = "occurrence_sha256" in manifest["splits"][split]
    data = PackedSplit(
        images=load_array(data_dir / f"{split}_images.npy"),
        labels=np.array(load_array(data_dir / f"{split}_labels.npy")),
        occurrence=load_array(data_dir / f"{split}_occurrence.npy") if has_occurrence else None,
    )
    check_split(str(data_dir / f"{split}_images.npy"), data, manifest["classes"], split)
    return data


def check_arrays(data_dir: Path | str, split: str, manifest: Mapping[str, Any]) -> None:
    """Raise PatchVAEError for arrays of `split` that are not those of the manifest (see `load_manifest`).

    They must have its number of rows, size, type and digest. The digest of images larger than HASHED is not computed,
    since every job would read them all.
    """
    data_dir, entry = Path(data_dir), manifest["splits"][split]
    check_images(data_dir / f"{split}_images.npy", entry, manifest["image_size"])
    for what, dtype in (("labels", np.int64), ("occurrence", np.uint8)):
        path, digest = data_dir / f"{split}_{what}.npy", entry.get(f"{what}_sha256")
        if digest is None:
            continue
        array = load_array(path)
        if array.dtype != dtype or array.shape[:1] != (entry["count"],):
            rows = f"{array.dtype} {array.shape}"
            raise PatchVAEError(f"{path} holds {rows}, not {np.dtype(dtype)} of {entry['count']} rows{_OTHER}")
        if file_digest(path) != digest:
            raise PatchVAEError(f"{path} has another content than {data_dir / MANIFEST} says{_OTHER}")


def check_images(path: Path, entry: Mapping[str, Any], size: int) -> npt.NDArray[Any]:
    """The images (count, size, size, 3) at `path`, mapped; raises PatchVAEError unless they match their entry."""
    images, count = load_array(path), entry["count"]
    if images.dtype != np.uint8:
        raise PatchVAEError(f"{path} holds {images.dtype}, not uint8{_OTHER}")
    if images.shape != (count, size, size, 3):
        raise PatchVAEError(f"{path} has the shape {images.shape}, not {(count, size, size, 3)}{_OTHER}")
    if path.stat().st_size <= HASHED and file_digest(path) != entry["sha256"]:
        raise PatchVAEError(f"{path} has another content than {path.with_name(MANIFEST)} says{_OTHER}")
    return images


def check_split(where: str, data: PackedSplit, classes: Sequence[str], split: str) -> None:
    """Raise PatchVAEError, naming `where`, unless arrays are one consistent split with all classes in it.

    A training label of -1 is an image without a label (E42).
    """
    images, labels = data.images, data.labels
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 3:
        raise PatchVAEError(f"{where}: images must be uint8 (n, S, S, 3), not {images.dtype} {images.shape}")
    if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
        raise PatchVAEError(f"{where}: {len(images)} images, but labels are {labels.dtype} {labels.shape}")
    if data.occurrence is not None and len(data.occurrence) != len(images):
        raise PatchVAEError(f"{where}: {len(images)} images, but {len(data.occurrence)} occurrence maps")
    check_labels(where, labels, classes, split)


def check_labels(where: str, labels: npt.NDArray[np.int64], classes: Sequence[str], split: str) -> None:
    """Raise PatchVAEError, naming `where`, for a label outside the classes and a class without an image."""
    least = UNLABELLED if split == "train" else 0
    outside = labels[(labels < least) | (labels >= len(classes))]
    if len(outside):
        raise PatchVAEError(f"{where}: the label {outside[0]} is outside the {len(classes)} classes")
    empty = np.flatnonzero(np.bincount(labels[labels >= 0], minlength=len(classes)) == 0)
    if len(empty):
        raise PatchVAEError(f"{where}: the class {classes[empty[0]]} has no image")
