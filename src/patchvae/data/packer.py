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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from tqdm import tqdm

from patchvae.data.archives import Load, read_files
from patchvae.data.names import no_photo
from patchvae.data.packed import SPLITS, UNLABELLED, RowWriter, check_labels, clear, save_array, write_manifest
from patchvae.data.photos import PhotoSet, TooSmall, Undecodable, decode
from patchvae.errors import PatchVAEError
from patchvae.files import atomic, canonical
from patchvae.records.provenance import code_sha256

PARTIAL, JOURNAL = ".{}_images.npy.packing", ".packing.npz"
SAVE_EVERY = 60.0  # seconds
IN_FLIGHT = 4  # images per thread that are read and not yet written
UNLISTED = "images of no split"  # in the manifest's counts of files that were left out

Numbers = dict[Path, dict[str, int]]  # of the photographs, through both splits, by archive and name

log = logging.getLogger(__name__)


def pack_photos(
    out_dir: Path, config: Mapping[str, Any], photos: PhotoSet, source: Mapping[str, str], threads: int
) -> None:
    """Write the photographs of both splits as {split}_images.npy and {split}_labels.npy, then manifest.json.

    Rows are in the order of the lists. `config` has dataset, format, image_size and max_undecodable. The manifest lists
    the images that cannot be decoded, which are left out, and counts the archives' other files by kind.
    Raises PatchVAEError for an image that is listed or stored twice or not stored, more undecodable images than
    max_undecodable, an image smaller than image_size, and a class without an image.
    """
    dataset, size, classes = config["dataset"], config["image_size"], photos.classes
    of_class = {None: UNLABELLED} | {name: number for number, name in enumerate(classes)}
    labels, lists = {}, hashlib.sha256()
    for split in SPLITS:
        rows = photos.splits[split].rows
        labels[split] = np.array([of_class[name] for _, name in rows], dtype=np.int64)
        check_labels(f"{dataset} ({split})", labels[split], classes, split)
        for row in rows:
            lists.update(f"{split} {row}\n".encode())
    numbers = _numbers(dataset, photos)
    clear(out_dir)
    key = canonical([config, source, classes, lists.hexdigest(), code_sha256(__name__), PIL.__version__])
    shapes = {split: (len(labels[split]), size, size, 3) for split in SPLITS}
    with _kept_files(out_dir, shapes) as writers:
        packing = _Packing(config, photos, numbers, writers, out_dir / JOURNAL, key)
        packing.run(threads)
        packing.compare_splits()
        skipped = [(*packing.place(number), why) for number, why in sorted(packing.undecodable.items())]
        if skipped:
            packing.journal.unlink(missing_ok=True)  # rows move
        for split, writer in writers.items():
            missing = [row for of, row, _ in skipped if of == split]
            writer.finish(len(labels[split]), missing)
            labels[split] = np.delete(labels[split], missing)
            check_labels(f"{dataset} ({split})", labels[split], classes, split)
    if skipped:
        log.warning("%s: %d images cannot be decoded and are left out; the manifest lists them", dataset, len(skipped))
    if packing.ignored:
        counts = ", ".join(f"{count} {what}" for what, count in sorted(packing.ignored.items()))
        log.log(logging.INFO if photos.published else logging.WARNING, "%s: left out are %s", dataset, counts)
    for split in SPLITS:
        save_array(out_dir / f"{split}_labels.npy", labels[split])
    entries = [{"split": split, "image": photos.splits[split].rows[row][0], "why": why} for split, row, why in skipped]
    known = {"dataset": dataset, "format": config["format"], "classes": classes, "source": source}
    write_manifest(out_dir, {**known, "skipped": entries, "ignored": packing.ignored})


def _numbers(dataset: str, photos: PhotoSet) -> Numbers:
    """Number the photographs, training images first; raises PatchVAEError for one that is listed twice."""
    found: Numbers = {listed.archive: {} for listed in photos.splits.values()}
    first = 0
    for split in SPLITS:
        numbers, rows = found[photos.splits[split].archive], photos.splits[split].rows
        for number, (name, _) in enumerate(rows, first):
            other = numbers.setdefault(name, number)
            if other < first:
                raise PatchVAEError(f"{dataset}: the image {name} is in both splits, train and test")
            if other < number:
                raise PatchVAEError(f"{dataset} ({split}): the image {name} is listed twice")
        first += len(rows)
    return found


@contextlib.contextmanager
def _kept_files(out_dir: Path, shapes: Mapping[str, tuple[int, ...]]) -> Iterator[dict[str, RowWriter]]:
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
                writers[split] = RowWriter(out_dir / f"{split}_images.npy", stream, shapes[split], np.uint8)
            yield writers
            for writer in writers.values():
                os.fsync(writer.stream.fileno())
        for split, path in partial.items():
            os.replace(path, out_dir / f"{split}_images.npy")
        (out_dir / JOURNAL).unlink(missing_ok=True)
    except Exception:
        for path in (*partial.values(), out_dir / JOURNAL):
            path.unlink(missing_ok=True)
        raise


@dataclass
class _Packing:
    """One run over the archives: which photographs are done, which were skipped and why.

    It is written to a journal now and then, so that the next run goes on where a killed one was.
    """

    config: Mapping[str, Any]
    photos: PhotoSet
    numbers: Numbers
    writers: Mapping[str, RowWriter]
    journal: Path
    key: str  # all that decides what is written; a journal of another key is not believed

    def __post_init__(self) -> None:
        self.saved = time.monotonic()
        count = sum(len(listed.rows) for listed in self.photos.splits.values())
        # Eight bytes of each file's digest: for ImageNet, two agree by chance once in a billion times.
        self.digests, self.done = np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=bool)
        self.undecodable: dict[int, str] = {}
        self.ignored: Counter[str] = Counter()
        with (
            contextlib.suppress(OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile),
            np.load(self.journal) as saved,
        ):
            digests, done, undecodable = saved["digests"], saved["done"], json.loads(str(saved["undecodable"]))
            if str(saved["key"]) == self.key:
                self.digests, self.done = digests, done
                self.undecodable = {int(number): why for number, why in undecodable.items()}
                log.info("%s: goes on after %d images", self.config["dataset"], done.sum())

    def place(self, number: int) -> tuple[str, int]:
        """The split and row of a photograph."""
        first = len(self.photos.splits["train"].rows)
        return ("train", number) if number < first else ("test", number - first)

    def name(self, number: int) -> str:
        """Its name in its archive."""
        split, row = self.place(number)
        return self.photos.splits[split].rows[row][0]

    def run(self, threads: int) -> None:
        """Read, decode and write every image."""
        pending: deque[tuple[int, Future[int]]] = deque()
        description = f"packing {self.config['dataset']}"
        with (
            ThreadPoolExecutor(threads) as pool,
            tqdm(desc=description, total=len(self.done), unit=" images", disable=None) as bar,
        ):
            try:
                for number, load in self._images():
                    bar.update()
                    if self.done[number]:
                        continue
                    if len(pending) >= IN_FLIGHT * threads:
                        self._settle(*pending.popleft())
                        if time.monotonic() - self.saved >= SAVE_EVERY:
                            self._save()
                    pending.append((number, pool.submit(self._work, number, load)))
                while pending:
                    self._settle(*pending.popleft())
            except (KeyboardInterrupt, SystemExit):
                self._save()
                raise

    def _save(self) -> None:
        for writer in self.writers.values():
            os.fsync(writer.stream.fileno())  # the images before the word that they are there
        texts = json.dumps(self.undecodable)
        with atomic(self.journal) as partial, open(partial, "wb") as stream:
            np.savez(stream, key=self.key, digests=self.digests, done=self.done, undecodable=texts)
        self.saved = time.monotonic()

    def _images(self) -> Iterator[tuple[int, Load]]:
        """Every listed image in the order of its archive, which is read once for both splits."""
        for archive, nested in sorted({(listed.archive, listed.nested) for listed in self.photos.splits.values()}):
            numbers, seen = self.numbers[archive], set[str]()
            for name, load in read_files(archive, numbers, nested):
                if load is None:
                    self.ignored[no_photo(name) or UNLISTED] += 1
                    continue
                if name in seen:
                    raise PatchVAEError(f"the archive {archive} holds {name} twice: repack it with one of them")
                seen.add(name)
                yield numbers[name], load
            missing = [name for name in numbers if name not in seen]
            if missing:
                name, (split, _), count = missing[0], self.place(numbers[missing[0]]), len(missing)
                raise PatchVAEError(f"{archive} has no image {name}, which belongs to {split} ({count} missing)")

    def _work(self, number: int, load: Load) -> int:
        content, (split, row) = load(), self.place(number)
        pixels = decode(content, self.config["image_size"], self.photos.enlarge)
        self.writers[split].write(row, pixels[None])
        return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")

    def _settle(self, number: int, result: "Future[int]") -> None:
        dataset, size = self.config["dataset"], self.config["image_size"]
        image = f"the image {self.name(number)} in {self.photos.splits[self.place(number)[0]].archive}"
        try:
            self.digests[number] = result.result()
        except TooSmall as error:
            raise PatchVAEError(f"{image} has {error} pixels, less than image_size {size}") from error
        except Undecodable as error:
            self.undecodable[number] = str(error)
            allowed = self.config.get("max_undecodable", 0)
            if len(self.undecodable) > allowed:
                raise PatchVAEError(
                    f"{image} cannot be decoded ({error}), and datasets.{dataset}.max_undecodable allows {allowed}"
                    " such images"
                ) from error
        self.done[number] = True

    def compare_splits(self) -> None:
        """Raise PatchVAEError for an image whose bytes are in both splits; in published splits only log it."""
        read = np.delete(np.arange(len(self.digests)), list(self.undecodable))
        first = len(self.photos.splits["train"].rows)
        train, test = read[read < first], read[read >= first]
        shared, in_train, in_test = np.intersect1d(self.digests[train], self.digests[test], return_indices=True)
        if not len(shared):
            return
        one, other = self.name(train[in_train[0]]), self.name(test[in_test[0]])
        text = f"{self.config['dataset']}: {one} in train and {other} in test are the same image"
        if not self.photos.published:
            raise PatchVAEError(text)
        log.warning("%s; there are %d such images in the published splits", text, len(shared))
