"""Photographs into packed arrays: one pass over each archive, decoding in parallel, memory that does not grow."""

import contextlib
import hashlib
import logging
import os
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from patchvae.data.archives import Load, read_wanted
from patchvae.data.names import no_photo
from patchvae.data.packed import SPLITS, RowWriter, array_rows, check_labels, clear, save_array, write_manifest
from patchvae.data.photos import PhotoList, PhotoSet, TooSmall, Undecodable, decode
from patchvae.errors import PatchVAEError

IN_FLIGHT = 4  # images per thread that are read and not yet written
UNLISTED = "images of no split"  # in the manifest's counts of files that were left out

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
    refuse_repeats(dataset, splits)
    clear(out_dir)
    with contextlib.ExitStack() as stack:
        writers = {}
        for split in SPLITS:
            shape = (len(splits[split].names), size, size, 3)
            writers[split] = stack.enter_context(array_rows(out_dir / f"{split}_images.npy", shape, np.uint8))
        packing = _Packing(config, photos, writers)
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


def refuse_repeats(dataset: str, splits: Mapping[str, PhotoList]) -> None:
    """Raise PatchVAEError for an image that lies twice in a split, or in both."""
    seen: dict[Path, set[str]] = {}
    for split in SPLITS:
        photos = splits[split]
        names: set[str] = set()
        for name in photos.names:
            if name in names:
                raise PatchVAEError(f"{dataset} ({split}): the image {name} is listed twice")
            names.add(name)
        shared = names & seen.get(photos.archive, set())
        if shared:
            raise PatchVAEError(f"{dataset}: the image {min(shared)} is in both splits, train and test")
        seen[photos.archive] = names


class _Packing:
    """One run over the archives: which rows are done, which were skipped and why."""

    def __init__(self, config: Mapping[str, Any], photos: PhotoSet, writers: Mapping[str, RowWriter]) -> None:
        self.config, self.photos, self.splits, self.writers = config, photos, photos.splits, writers
        # Eight bytes of each file's digest: for ImageNet, two agree by chance once in a billion times.
        self.digests = {split: np.zeros(len(self.splits[split].names), dtype=np.uint64) for split in SPLITS}
        self.undecodable: dict[str, dict[int, str]] = {split: {} for split in SPLITS}
        self.ignored: Counter[str] = Counter()

    def run(self, threads: int) -> None:
        """Read, decode and write every image."""
        total = sum(len(photos.names) for photos in self.splits.values())
        pending: deque[tuple[str, int, Future[int]]] = deque()
        with (
            ThreadPoolExecutor(threads) as pool,
            tqdm(desc=f"packing {self.config['dataset']}", total=total, unit=" images", disable=None) as bar,
        ):
            for split, row, load in self._images():
                if len(pending) >= IN_FLIGHT * threads:
                    self._settle(*pending.popleft())
                pending.append((split, row, pool.submit(self._work, split, row, load)))
                bar.update()
            while pending:
                self._settle(*pending.popleft())

    def _images(self) -> Iterator[tuple[str, int, Load]]:
        """Every listed image in the order of its archive, which is read once for both splits."""
        archives = {(photos.archive, photos.nested) for photos in self.splits.values()}
        for archive, nested in sorted(archives):
            places = {
                name: (split, row)
                for split in SPLITS
                if self.splits[split].archive == archive
                for row, name in enumerate(self.splits[split].names)
            }
            done = {split: np.zeros(len(self.splits[split].names), dtype=bool) for split in SPLITS}
            for name, load in read_wanted(archive, places, nested, self._ignore):
                split, row = places[name]
                if done[split][row]:
                    raise PatchVAEError(f"the archive {archive} holds {name} twice: repack it with one of them")
                done[split][row] = True
                yield split, row, load
            missing = [(name, split) for name, (split, row) in places.items() if not done[split][row]]
            if missing:
                name, split = missing[0]
                raise PatchVAEError(f"{archive} has no image {name}, which belongs to {split} ({len(missing)} missing)")

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
        except TooSmall as error:
            size = self.config["image_size"]
            raise PatchVAEError(
                f"the image {photos.names[row]} in {photos.archive} has {error} pixels, less than image_size {size}"
            ) from error
        except Undecodable as error:
            self.undecodable[split][row] = str(error)
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
        left = {}
        for split, writer in self.writers.items():
            missing, labels = self.undecodable[split], np.array(self.splits[split].labels, dtype=np.int64)
            writer.finish(writer.close_gaps(missing, len(labels)))
            left[split] = np.delete(labels, list(missing))
        return left
