"""Places205 from its official files (http://places.csail.mit.edu, images of 256 x 256 pixels)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.data.archives import read_members
from patchvae.data.lists import decode_lines, open_sources, split_line
from patchvae.data.photos import PhotoList, PhotoSet
from patchvae.errors import PatchVAEError

IMAGES, LISTS = "imagesPlaces205_resize.tar.gz", "trainvalsplit_places205.tar.gz"
FOLDER = "data/vision/torralba/deeplearning/images256/"
MEMBERS = {
    split: f"trainvalsplit_places205/{part}_places205.csv" for split, part in (("train", "train"), ("test", "val"))
}


def read_places205(config: Mapping[str, Any], raw_dir: Path) -> PhotoSet:
    """Training: the official training list. Test: the official validation list (deviation E48).

    Lines are `a/abbey/FILE 0`: the path below images256/ and a number. The class is named by the folders between the
    letter and the file, and classes are in the order of their names.
    Raises PatchVAEError for other lines, a number that stands for two classes and a class with two numbers.
    """
    paths = open_sources(config, raw_dir, (IMAGES, LISTS))
    contents = read_members(paths[LISTS], list(MEMBERS.values()))
    prefix = None
    numbers: dict[str, str] = {}  # of a class, as in the lists
    names: dict[str, str] = {}  # of a number
    labels: dict[str, int] = {}  # of a class, in the order of their appearance
    splits = {split: PhotoList(paths[IMAGES]) for split in MEMBERS}
    for split, member in MEMBERS.items():
        where = f"{member} in {paths[LISTS]}"
        for line in decode_lines(where, contents.pop(member)):
            path, number = split_line(where, line)
            name = "/".join(path.split("/")[1:-1])
            if not name:
                raise PatchVAEError(f"{where} has the path {path} instead of LETTER/CLASS/FILE")
            if (numbers.setdefault(name, number), names.setdefault(number, name)) != (number, name):
                raise PatchVAEError(f"{where}: the number {number} of {path} contradicts other lines")
            if prefix is None:
                prefix = _prefix(paths[IMAGES], path)
            splits[split].add(prefix + path, labels.setdefault(name, len(labels)))
    classes = sorted(labels)
    ranks = {labels[name]: rank for rank, name in enumerate(classes)}
    for photos in splits.values():
        photos.labels = [ranks[label] for label in photos.labels]
    return PhotoSet(classes, splits, published=True)


def _prefix(archive: Path, path: str) -> str:
    """The folders before a list's paths: all of the archive's, or those that an extracted folder still has."""
    parts = FOLDER.split("/")
    starts = range(len(parts)) if archive.is_dir() else range(1)
    candidates = ["/".join(parts[start:]) for start in starts]
    return next((prefix for prefix in candidates if (archive / prefix / path).is_file()), FOLDER)
