"""Photographs of a user: one folder per split and class, or an archive with two lists."""

import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from patchvae.data.archives import file_names
from patchvae.data.lists import read_lines, split_lines
from patchvae.data.names import no_photo, photo_names
from patchvae.data.photos import PhotoList, PhotoSet, Rows
from patchvae.errors import PatchVAEError

log = logging.getLogger(__name__)


def read_folders(config: Mapping[str, Any], sources: Mapping[str, Path]) -> PhotoSet:
    """One source, an archive or folder of train/<class>/... and test/<class>/... (or val/), below one folder or none.

    If there are both test/ and val/, the images of val/ are left out, and the log says so. Raises PatchVAEError for a
    missing split, an image outside the classes' folders, a class folder without an image, and fewer than two classes.
    """
    (archive,) = sources.values()
    found: dict[str, Rows] = {"train": [], "test": [], "val": []}
    names, strays = sorted(set(photo_names(archive))), []
    tops, seconds = ({name.split("/")[i] for name in names if name.count("/") >= i} for i in range(2))
    depth = 1 if len(tops) == 1 and seconds & found.keys() else 0  # are the splits below a top folder?
    place = archive.joinpath(*tops) if depth else archive
    for name in names:
        parts = name.split("/")[depth:]
        if not parts or parts[0] not in found:
            strays.append(name)
        elif len(parts) < 3:
            raise PatchVAEError(f"{archive}: {name} is not in the folder of a class, like {parts[0]}/CLASS/FILE")
        else:
            found[parts[0]].append((name, parts[1]))
    if found["test"] and found["val"]:
        log.warning("%s has test/ and val/: the %d images of val/ are left out", archive, len(found["val"]))
    test = "test" if found["test"] else "val"
    for split, folder in (("train", "train/"), (test, "test/ or val/")):
        _refuse_empty_classes(place / split, {label for _, label in found[split]})
        if not found[split]:
            raise PatchVAEError(f"{archive} has no image in a folder {folder}")
    for name in strays:
        raise PatchVAEError(f"{archive}: {name} lies in none of train/, test/ and val/ and would be lost: move it")
    return _photo_set(config, archive, found["train"], found[test])


def _refuse_empty_classes(split: Path, filled: Collection[str | None]) -> None:
    """Raise PatchVAEError for the folder of a class without any file, in the folder of a split, if that is one."""
    for folder in sorted(split.iterdir()) if split.is_dir() else []:
        litter = folder.name.startswith(".") or no_photo(f"{folder.name}/image")
        empty = folder.is_dir() and folder.name not in filled and not any(map(Path.is_file, folder.rglob("*")))
        if empty and not litter:
            raise PatchVAEError(f"{folder} is the folder of a class without an image: fill it, or remove it")


def read_lists(config: Mapping[str, Any], sources: Mapping[str, Path]) -> PhotoSet:
    """Sources `images` (an archive or folder), `train.txt` and `test.txt` with lines `PATH CLASS`.

    A path may leave out the archive's top folder, and may hold blanks; a class may not.
    Raises PatchVAEError for a listed image that is not there, or in several folders, and fewer than two classes.
    """
    archive = sources["images"]
    names = set(file_names(archive))
    short: dict[str, set[str]] = {}  # the names by what follows their top folder
    for name in names:
        short.setdefault(name.partition("/")[2], set()).add(name)

    def rows(file: Path) -> Rows:
        found: Rows = []
        for path, label in split_lines(file, read_lines(file)):
            candidates = sorted({path} & names or short.get(path, set()))
            if len(candidates) != 1:
                what = f"holds as {' and '.join(candidates[:2])}" if candidates else "does not hold"
                raise PatchVAEError(f"{file} lists {path}, which {archive} {what}")
            found.append((candidates[0], label))
        return found

    return _photo_set(config, archive, rows(sources["train.txt"]), rows(sources["test.txt"]))


def _photo_set(config: Mapping[str, Any], archive: Path, train: Rows, test: Rows) -> PhotoSet:
    classes = sorted({label for _, label in train + test if label})
    if len(classes) < 2:
        raise PatchVAEError(f"{config['dataset']} has one class, {classes[0]}, and a classifier needs two")
    return PhotoSet(classes, {"train": PhotoList(archive, train), "test": PhotoList(archive, test)}, published=False)
