"""Places205 from its official files (http://places.csail.mit.edu, images of 256 x 256 pixels)."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.data.archives import read_members
from patchvae.data.lists import decode_lines, split_lines
from patchvae.data.photos import PhotoList, PhotoSet, Rows
from patchvae.errors import PatchVAEError

IMAGES, LISTS = "imagesPlaces205_resize.tar.gz", "trainvalsplit_places205.tar.gz"
FOLDER = "data/vision/torralba/deeplearning/images256/"
MEMBERS = {"train": "trainvalsplit_places205/train_places205.csv", "test": "trainvalsplit_places205/val_places205.csv"}


def read_places205(config: Mapping[str, Any], sources: Mapping[str, Path]) -> PhotoSet:
    """Training: the official training list. Test: the official validation list (deviation E48).

    Lines are `a/abbey/FILE 0`: the path below images256/ and a number. The class is named by the folders between the
    letter and the file, and classes are in the order of their names.
    Raises PatchVAEError for other lines, a number that stands for two classes and a class with two numbers.
    """
    contents = read_members(sources[LISTS], list(MEMBERS.values()))
    prefix = _prefix(sources[IMAGES])
    numbers: dict[str, str] = {}  # of a class, as in the lists
    names: dict[str, str] = {}  # of a number
    splits = {}
    for split, member in MEMBERS.items():
        where = f"{member} in {sources[LISTS]}"
        rows: Rows = []
        for path, number in split_lines(where, decode_lines(where, contents.pop(member))):
            name = sys.intern("/".join(path.split("/")[1:-1]))  # one text per class, not per photograph
            if not name:
                raise PatchVAEError(f"{where} has the path {path} instead of LETTER/CLASS/FILE")
            if (numbers.setdefault(name, number), names.setdefault(number, name)) != (number, name):
                raise PatchVAEError(f"{where}: the number {number} of {path} contradicts other lines")
            rows.append((prefix + path, name))
        splits[split] = PhotoList(sources[IMAGES], rows)
    return PhotoSet(sorted(numbers), splits, published=True)


def _prefix(archive: Path) -> str:
    """The folders before a list's paths: all of the archive's, or those that an extracted folder still has."""
    parts = FOLDER.split("/")
    prefixes = ["/".join(parts[start:]) for start in range(len(parts))]
    return next(prefix for prefix in prefixes if not archive.is_dir() or (archive / prefix).is_dir())
