"""Photographs into packed arrays: one pass over each archive, decoding in parallel, memory that does not grow."""

import contextlib
import hashlib
import json
import logging
import os
import time
import zipfile
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import PIL
from tqdm import tqdm

from patchvae.data.archives import Load, read_wanted
from patchvae.data.names import no_photo
from patchvae.data.packed import SPLITS, RowWriter, check_labels, clear, save_array, write_manifest
from patchvae.data.photos import PhotoList, PhotoSet, TooSmall, Undecodable, decode
from patchvae.errors import PatchVAEError
from patchvae.files import atomic, canonical
from patchvae.records.provenance import code_sha256

PARTIAL, JOURNAL = ".{}_images.npy.packing", ".packing.npz"
SAVE_EVERY = 60.0  # seconds
IN_FLIGHT = 4  # images per thread that are read and not yet written
UNLISTED = "images of no split"  # in the manifest's counts of files that were left out

Places = dict[str, tuple[str, int]]  # name of a photograph -> its split and row

log = logging.getLogger(__name__)


def pack_photos(
    out_dir: Path | str,
    config: Mapping[str, Any],
    photos: PhotoSet,
    source: Mapping[str, str],
    threads: int | None = None,
) -> None:
    """Write the photographs of both splits as {split}_images.npy and {split}_labels.npy, then manifest.json.

    Rows are in the order of the lists. `config` has dataset, format, image_size and max_undecodable. The manifest lists
    the images that cannot be decoded, which are left out, and counts the archives' other files by kind. The old one is
    removed first, and the new one is written last.
    Raises PatchVAEError for an image that is listed or stored twice or not stored, more undecodable images than
    max_undecodable, an image smaller than image_size, and a class without an image.
    """
    out_dir, dataset, size = Path(out_dir), config["dataset"], config["image_size"]
    classes, splits = photos.classes, photos.splits
    for split in SPLITS:
        labels = np.array(splits[split].labels, dtype=np.int64)
        check_labels(f"{dataset} ({split})", labels, classes, split)
    archives = {photos.archive for photos in splits.values()}
    places = {archive: _places(dataset, archive, splits) for archive in sorted(archives)}
    clear(out_dir)
    key = canonical([config, source, classes, _lists_digest(splits), code_sha256(__name__), PIL.__version__])
    with _kept_files(out_dir, {split: (len(splits[split].names), size, size, 3) for split in SPLITS}) as files:
        packing = _Packing(config, photos, places, files, _Journal(out_dir / JOURNAL, key, files))
        packing.run(threads or os.cpu_count() or 1)
        packing.compare_splits()
        skipped = packing.skipped()
        labels_left = packing.finish()
        for split in SPLITS:
            check_labels(f"{dataset} ({split})", labels_left[split], classes, split)
    if skipped:
        log.warning("%s: %d images cannot be decoded and are left out; the manifest lists them", dataset, len(skipped))
    if packing.ignored:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(packing.ignored.items()))
        log.log(logging.INFO if photos.published else logging.WARNING, "%s: left out are %s", dataset, counts)
    for split in SPLITS:
        save_array(out_dir / f"{split}_labels.npy", labels_left[split])
    write_manifest(out_dir, dataset, config["format"], classes, source, skipped, packing.ignored)


def _places(dataset: str, archive: Path, splits: Mapping[str, PhotoList]) -> Places:
    """Where the photographs of an archive stand in the lists.

    Raises PatchVAEError for an image that lies twice in a split, or in both.
    """
    found: Places = {}
    for split in SPLITS:
        for row, name in enumerate(splits[split].names if splits[split].archive == archive else ()):
            other = found.setdefault(name, (split, row))
            if other[0] != split:
                raise PatchVAEError(f"{dataset}: the image {name} is in both splits, train and test")
            if other[1] != row:
                raise PatchVAEError(f"{dataset} ({split}): the image {name} is listed twice")
    return found


def _lists_digest(splits: Mapping[str, PhotoList]) -> str:
    digest = hashlib.sha256()
    for split in SPLITS:
        for name, label in zip(splits[split].names, splits[split].labels, strict=True):
            digest.update(f"{split} {label} {len(name)} {name}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class _KeptRows(RowWriter):
    def sync(self) -> None:
        """Have all rows on the disk."""
        os.fsync(self._stream.fileno())


@contextlib.contextmanager
def _kept_files(out_dir: Path, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[dict[str, _KeptRows]]:
    """Writers of both splits' images, which appear at the end of the block.

    A kill leaves the files half written beside them, where the next run finds them; an error removes them.
    """
    partial = {split: out_dir / PARTIAL.format(split) for split in SPLITS}
    try:
        with contextlib.ExitStack() as stack:
            writers = {}
            for split, path in partial.items():
                out_dir.mkdir(parents=True, exist_ok=True)
                path.touch()
                stream = stack.enter_context(open(path, "rb+"))
                writers[split] = _KeptRows(out_dir / f"{split}_images.npy", stream, shapes[split], np.uint8)
            yield writers
            for writer in writers.values():
                writer.sync()
        for split, path in partial.items():
            os.replace(path, out_dir / f"{split}_images.npy")
        (out_dir / JOURNAL).unlink(missing_ok=True)
    except Exception:
        for path in (*partial.values(), out_dir / JOURNAL):
            path.unlink(missing_ok=True)
        raise


class _Journal:
    """Which images a packing has written, on the disk now and then, so that a killed one goes on from there."""

    def __init__(self, path: Path, key: str, files: Mapping[str, _KeptRows]) -> None:
        """key: all that decides what is written; another key's journal is not believed."""
        self.path, self.key, self.files, self.written = path, key, files, time.monotonic()

    def read(self) -> dict[str, Any] | None:
        """What `write` was given last for this key, or None."""
        try:
            with np.load(self.path, allow_pickle=False) as saved:
                found = {name: saved[name] for name in saved.files}
            return found if str(found.pop("key")) == self.key else None
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def write(self, **arrays: Any) -> None:
        for writer in self.files.values():
            writer.sync()  # the images before the word that they are there
        with atomic(self.path) as partial, open(partial, "wb") as stream:
            np.savez(stream, key=np.array(self.key), **arrays)
        self.written = time.monotonic()

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


class _Packing:
    """One run over the archives: which rows are done, which were skipped and why."""

    def __init__(
        self,
        config: Mapping[str, Any],
        photos: PhotoSet,
        places: Mapping[Path, Places],
        writers: Mapping[str, RowWriter],
        journal: _Journal,
    ) -> None:
        self.config, self.photos, self.splits, self.places = config, photos, photos.splits, places
        self.writers, self.journal = writers, journal
        counts = {split: len(self.splits[split].names) for split in SPLITS}
        # Eight bytes of each file's digest: for ImageNet, two agree by chance once in a billion times.
        self.digests = {split: np.zeros(count, dtype=np.uint64) for split, count in counts.items()}
        self.done = {split: np.zeros(count, dtype=bool) for split, count in counts.items()}
        self.undecodable: dict[str, dict[int, str]] = {split: {} for split in SPLITS}
        self.ignored: Counter[str] = Counter()
        if saved := journal.read():
            for split in SPLITS:
                self.digests[split], self.done[split] = saved[f"{split}_digests"], saved[f"{split}_done"]
                texts = json.loads(str(saved[f"{split}_undecodable"]))
                self.undecodable[split] = {int(row): why for row, why in texts.items()}
            log.info(
                "%s: goes on after %d images", config["dataset"], sum(int(done.sum()) for done in self.done.values())
            )

    def run(self, threads: int) -> None:
        """Read, decode and write every image."""
        total = sum(len(photos.names) for photos in self.splits.values())
        pending: deque[tuple[str, int, Future[int]]] = deque()
        with (
            ThreadPoolExecutor(threads) as pool,
            tqdm(desc=f"packing {self.config['dataset']}", total=total, unit=" images", disable=None) as bar,
        ):
            try:
                for split, row, load in self._images():
                    bar.update()
                    if self.done[split][row]:
                        continue
                    if len(pending) >= IN_FLIGHT * threads:
                        self._settle(*pending.popleft())
                        if time.monotonic() - self.journal.written >= SAVE_EVERY:
                            self._save()
                    pending.append((split, row, pool.submit(self._work, split, row, load)))
                while pending:
                    self._settle(*pending.popleft())
            except (KeyboardInterrupt, SystemExit):
                self._save()
                raise

    def _save(self) -> None:
        arrays: dict[str, Any] = {}
        for split in SPLITS:
            arrays |= {f"{split}_digests": self.digests[split], f"{split}_done": self.done[split]}
            arrays[f"{split}_undecodable"] = np.array(json.dumps(self.undecodable[split]))
        self.journal.write(**arrays)

    def _images(self) -> Iterator[tuple[str, int, Load]]:
        """Every listed image in the order of its archive, which is read once for both splits."""
        archives = {(photos.archive, photos.nested) for photos in self.splits.values()}
        for archive, nested in sorted(archives):
            places, seen = self.places[archive], set[str]()
            for name, load in read_wanted(archive, places, nested, self._ignore):
                if name in seen:
                    raise PatchVAEError(f"the archive {archive} holds {name} twice: repack it with one of them")
                seen.add(name)
                yield *places[name], load
            if len(seen) < len(places):
                name = next(name for name in places if name not in seen)
                raise PatchVAEError(
                    f"{archive} has no image {name}, which belongs to {places[name][0]}"
                    f" ({len(places) - len(seen)} missing)"
                )

    def _ignore(self, name: str) -> None:
        self.ignored[no_photo(name) or UNLISTED] += 1

    def _work(self, split: str, row: int, load: Load) -> int:
        content = load()
        pixels = decode(content, self.config["image_size"], self.photos.enlarge)
        self.writers[split].write(row, pixels[None])
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")

    def _settle(self, split: str, row: int, result: "Future[int]") -> None:
        photos = self.splits[split]
        try:
            self.digests[split][row] = result.result()
            self.done[split][row] = True
        except TooSmall as error:
            size = self.config["image_size"]
            raise PatchVAEError(
                f"the image {photos.names[row]} in {photos.archive} has {error} pixels, less than image_size {size}"
            ) from error
        except Undecodable as error:
            self.undecodable[split][row] = str(error)
            self.done[split][row] = True
            allowed = self.config.get("max_undecodable", 0)
            if sum(map(len, self.undecodable.values())) > allowed:
                raise PatchVAEError(
                    f"the image {photos.names[row]} in {photos.archive} cannot be decoded ({error}), and "
                    f"datasets.{self.config['dataset']}.max_undecodable allows {allowed} such images"
                ) from error

    def compare_splits(self) -> None:
        """Raise PatchVAEError for an image whose bytes are in both splits; in published splits only log it."""
        train, test = (np.delete(self.digests[split], list(self.undecodable[split])) for split in SPLITS)
        shared = np.intersect1d(train, test)
        if not len(shared):
            return
        pair = [self.splits[s].names[int(np.flatnonzero(self.digests[s] == shared[0])[0])] for s in SPLITS]
        text = f"{self.config['dataset']}: {pair[0]} in train and {pair[1]} in test are the same image"
        if not self.photos.published:
            raise PatchVAEError(text)
        log.warning("%s; there are %d such images in the published splits", text, len(shared))

    def skipped(self) -> list[dict[str, str]]:
        """The images left out, as the manifest lists them."""
        return [
            {"split": split, "image": self.splits[split].names[row], "why": why}
            for split in SPLITS
            for row, why in sorted(self.undecodable[split].items())
        ]

    def finish(self) -> dict[str, npt.NDArray[np.int64]]:
        """Close the gaps of skipped images and return the labels of those that are left."""
        if any(self.undecodable.values()):
            self.journal.forget()  # rows move
        left = {}
        for split, writer in self.writers.items():
            missing, labels = self.undecodable[split], np.array(self.splits[split].labels, dtype=np.int64)
            writer.finish(writer.close_gaps(missing, len(labels)))
            left[split] = np.delete(labels, list(missing))
        return left
