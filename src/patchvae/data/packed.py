"""The packed form of a data set: uint8 arrays that training maps into memory, and a manifest with their digests.

The old manifest is removed before anything is written and the new one is written last, so that an interrupted rewrite
leaves none.
"""

import contextlib
import hashlib
import io
import itertools
import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from patchvae.errors import PatchVAEError
from patchvae.files import HASHED, atomic, file_digest, read_json, write_json

MANIFEST = "manifest.json"
SPLITS = ("train", "test")
UNLABELLED = -1
ROW = "S32"  # a SHA-256 as one value, to be sorted; all have this length, so it matters nothing that it drops zeros
# The arrays of a split as files {split}_{name}.npy, and the keys of their digests in the manifest
ARRAYS = {"images": "sha256", "labels": "labels_sha256", "occurrence": "occurrence_sha256"}
ENTRY = ("count", "sha256", "labels_sha256", "set_sha256", "order_sha256")  # keys of every split in the manifest


@dataclass(frozen=True)
class PackedSplit:
    """One split: images (n, S, S, 3) uint8, labels (n,) int64, and for digit scenes the true map (n, S/8, S/8)."""

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    occurrence: npt.NDArray[np.uint8] | None = None


class PackedSet(NamedTuple):
    """What a format without photographs says of its data set: class names, and the arrays per split."""

    classes: list[str]
    splits: dict[str, PackedSplit]


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
        """path: for errors; stream: the file, open for reading and writing."""
        self.path, self.stream, self.row_shape, self.dtype = path, stream, shape[1:], np.dtype(dtype)
        self._row_bytes = self.dtype.itemsize * math.prod(self.row_shape)
        self._start = len(self._header(shape[0]))

    def write(self, first: int, rows: npt.NDArray[Any]) -> None:
        """Put rows (k, ...) at the places from `first` on; raises PatchVAEError when the disk is full."""
        self._put(self._start + first * self._row_bytes, np.ascontiguousarray(rows).data.cast("B"))

    def finish(self, count: int, missing: Collection[int] = ()) -> None:
        """Move rows up to fill the missing ones of `count`, write the header, and cut off what lies behind."""
        left = np.delete(np.arange(count), list(missing)).tolist()
        for target, row in enumerate(left):
            if target != row:
                content = os.pread(self.stream.fileno(), self._row_bytes, self._start + row * self._row_bytes)
                self._put(self._start + target * self._row_bytes, memoryview(content))
        self._put(0, memoryview(self._header(len(left))))
        os.truncate(self.stream.fileno(), self._start + len(left) * self._row_bytes)

    def _put(self, place: int, content: memoryview) -> None:
        try:
            while content:
                written = os.pwrite(self.stream.fileno(), content, place)
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


def load_array(path: Path | str, mode: Literal["r", "c"] = "r") -> npt.NDArray[Any]:
    """Map a .npy file, by default read-only; raises PatchVAEError naming the file when it is missing or truncated."""
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode=mode)
    except (OSError, ValueError, EOFError) as error:
        raise PatchVAEError(f"cannot read {path}: {error}") from error
    return array


def write_packed(
    out_dir: Path, dataset: str, format: str, classes: list[str], splits: dict[str, PackedSplit], source: dict[str, str]
) -> None:
    """Write {split}_images.npy, {split}_labels.npy, {split}_occurrence.npy where there is one, then manifest.json.

    `source` is the checksum of every raw file. Raises PatchVAEError as `check_labels`.
    """
    for split in SPLITS:
        check_labels(f"{dataset} ({split})", splits[split].labels, classes, split)
    clear(out_dir)
    for split, name in itertools.product(SPLITS, ARRAYS):
        array = getattr(splits[split], name)
        if array is not None:
            save_array(out_dir / f"{split}_{name}.npy", array)
    write_manifest(out_dir, {"dataset": dataset, "format": format, "classes": classes, "source": source})


def clear(out_dir: Path) -> None:
    """Remove the manifest, arrays that may not be replaced, and half-written ones of a killed run."""
    (out_dir / MANIFEST).unlink(missing_ok=True)
    for stale in (*out_dir.glob("*_occurrence.npy"), *out_dir.glob(".*.npy.*.partial")):
        stale.unlink()


def write_manifest(out_dir: Path, known: Mapping[str, Any]) -> None:
    """Write the manifest of the arrays in `out_dir`.

    known: `dataset`, `format`, `classes` and `source`, and of photographs `skipped`, those that could not be decoded,
    and `ignored`, the numbers of files that are in no split, by kind.
    Of each split, `sha256` and `labels_sha256` are of the files. `set_sha256` is of the set of images with their labels
    (SHA-256 of their sorted `image_digests`), the same in whatever order they are packed; `order_sha256` is of the same
    digests in the packed order.
    """
    entries: dict[str, dict[str, Any]] = {}
    for split in SPLITS:
        labels = load_array(out_dir / f"{split}_labels.npy")
        images_sha256, digests = image_digests(out_dir, split)
        entries[split] = {
            "count": len(labels),
            "labelled": int((labels >= 0).sum()),
            "sha256": images_sha256,
            "set_sha256": hashlib.sha256(np.sort(digests.view(ROW), axis=0).tobytes()).hexdigest(),
            "order_sha256": hashlib.sha256(digests.tobytes()).hexdigest(),
        }
        for name in ("labels", "occurrence"):
            if (path := out_dir / f"{split}_{name}.npy").exists():
                entries[split][ARRAYS[name]] = file_digest(path)
    size = load_array(out_dir / "train_images.npy").shape[1]
    write_json(out_dir / MANIFEST, {"skipped": [], "ignored": {}, **known, "image_size": size, "splits": entries})


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
    try:
        lacks = [key for key in ("dataset", "format", "classes", "image_size", "source") if key not in manifest]
        for split in SPLITS:
            lacks += [f"{key} of {split}" for key in ENTRY if key not in manifest["splits"][split]]
    except (KeyError, TypeError):
        lacks = ["splits"]
    if lacks:
        raise PatchVAEError(
            f"{path} lacks {lacks[0]}, as it is broken or of an older version: pack the data set again with"
            f" `snakemake --force {path}`, and the --configfile of your run, if it has one"
        )
    return manifest


def load_split(data_dir: Path | str, split: str) -> PackedSplit:
    """Map one split ("train" or "test") into memory, images read-only.

    Raises PatchVAEError for missing files, and files that disagree with the manifest.
    """
    arrays = check_arrays(data_dir, split, load_manifest(data_dir))
    return PackedSplit(arrays["images"], np.array(arrays["labels"]), arrays.get("occurrence"))


def check_arrays(data_dir: Path | str, split: str, manifest: Mapping[str, Any]) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a split by their name in ARRAYS, mapped; manifest: of `load_manifest`.

    Raises PatchVAEError unless they have the manifest's number of rows, size of images, type and digest. The digest of
    images larger than HASHED is not computed, since every job would read them all.
    """
    entry, size, found = manifest["splits"][split], manifest["image_size"], {}
    other = "the files of two data sets or versions lie there, pack it again"
    for name, key in ARRAYS.items():
        if key not in entry:
            continue
        path = Path(data_dir) / f"{split}_{name}.npy"
        found[name] = array = load_array(path)
        dtype = np.dtype(np.int64 if name == "labels" else np.uint8)
        shape = (entry["count"], size, size, 3) if name == "images" else (entry["count"],)
        if array.dtype != dtype or array.shape[: len(shape)] != shape:
            raise PatchVAEError(f"{path} holds {array.dtype} {array.shape}, not {dtype} {shape}: {other}")
        if (name != "images" or path.stat().st_size <= HASHED) and file_digest(path) != entry[key]:
            raise PatchVAEError(f"{path} has another content than {path.with_name(MANIFEST)} says: {other}")
    return found


def check_labels(where: str, labels: npt.NDArray[np.int64], classes: Sequence[str], split: str) -> None:
    """Raise PatchVAEError, naming `where`, for a label outside the classes and a class without an image.

    A training label of -1 is an image without a label (E42).
    """
    least = UNLABELLED if split == "train" else 0
    outside = labels[(labels < least) | (labels >= len(classes))]
    if len(outside):
        raise PatchVAEError(f"{where}: the label {outside[0]} is outside the {len(classes)} classes")
    empty = np.flatnonzero(np.bincount(labels[labels >= 0], minlength=len(classes)) == 0)
    if len(empty):
        raise PatchVAEError(f"{where}: the class {classes[empty[0]]} has no image")
