"""Photographs of a user: one folder per split and class, or an archive with two lists."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.data.archives import file_names
from patchvae.data.lists import open_sources, read_lines, split_line
from patchvae.data.names import no_photo, photo_names
from patchvae.data.photos import PhotoList, PhotoSet
from patchvae.data.pointers import locate
from patchvae.errors import PatchVAEError

log = logging.getLogger(__name__)


def read_folders(config: Mapping[str, Any], raw_dir: Path) -> PhotoSet:
    """One source, an archive or folder of train/<class>/... and test/<class>/... (or val/), below one folder or none.

    If there are both test/ and val/, the images of val/ are left out, and the log says so. Raises PatchVAEError for a
    missing split, an image outside the classes' folders, a class folder without an image, and fewer than two classes.
    """
    if len(config["sources"]) != 1:
        raise PatchVAEError(f"datasets.{config['dataset']}.sources must name one archive or folder")
    archive = locate(raw_dir / next(iter(config["sources"])))
    found: dict[str, dict[str, str]] = {"train": {}, "test": {}, "val": {}}
    names, strays = photo_names(archive), []
    tops, seconds = ({name.split("/")[i] for name in names if name.count("/") >= i} for i in range(2))
    depth = 1 if len(tops) == 1 and seconds & found.keys() else 0  # are the splits below a top folder?
    for name in names:
        parts = name.split("/")
        if len(parts) <= depth or parts[depth] not in found:
            strays.append(name)
            continue
        if len(parts) < depth + 3:
            raise PatchVAEError(f"{archive}: {name} is not in the folder of a class, like {parts[depth]}/CLASS/FILE")
        found[parts[depth]][name] = parts[depth + 1]
    if found["test"] and found["val"]:
        log.warning("%s has test/ and val/: the %d images of val/ are left out", archive, len(found["val"]))
    _refuse_empty_classes(archive / next(iter(tops)) if depth else archive, found)
    found["test"] = found["test"] or found.pop("val")
    for split, folder in (("train", "train/"), ("test", "test/ or val/")):
        if not found[split]:
            raise PatchVAEError(f"{archive} has no image in a folder {folder}")
    for name in strays:
        raise PatchVAEError(
            f"{archive}: {name} lies in none of train/, test/ and val/ and would be lost: move it there or elsewhere"
        )
    return _photo_set(config, archive, {split: sorted(found[split].items()) for split in ("train", "test")})


def _refuse_empty_classes(top: Path, found: Mapping[str, Mapping[str, str]]) -> None:
    """Raise PatchVAEError for a class folder without any file."""
    for split in ("train", "test" if found["test"] else "val"):
        filled = set(found[split].values())
        for folder in sorted((top / split).iterdir()) if (top / split).is_dir() else []:
            litter = folder.name.startswith(".") or no_photo(f"{folder.name}/image")
            empty = folder.is_dir() and folder.name not in filled and not any(map(Path.is_file, folder.rglob("*")))
            if empty and not litter:
                raise PatchVAEError(f"{folder} is the folder of a class without an image: fill it, or remove it")


def read_lists(config: Mapping[str, Any], raw_dir: Path) -> PhotoSet:
    """Sources `images` (an archive or folder), `train.txt` and `test.txt` with lines `PATH CLASS`.

    A path may leave out the archive's top folder, and may hold blanks; a class may not.
    Raises PatchVAEError for a listed image that is not there, or in several folders, and fewer than two classes.
    """
    paths = open_sources(config, raw_dir, ("images", "train.txt", "test.txt"))
    names = set(file_names(paths["images"]))
    short: dict[str, set[str]] = {}
    for name in names:
        short.setdefault(name.partition("/")[2], set()).add(name)
    splits: dict[str, list[tuple[str, str]]] = {}
    for split in ("train", "test"):
        file = paths[f"{split}.txt"]
        splits[split] = []
        for path, label in (split_line(file, line) for line in read_lines(file)):
            candidates = sorted({path} & names or short.get(path, set()))
            if len(candidates) != 1:
                what = f"holds as {' and '.join(candidates[:2])}" if candidates else "does not hold"
                raise PatchVAEError(f"{file} lists {path}, which {paths['images']} {what}")
            splits[split].append((candidates[0], label))
    return _photo_set(config, paths["images"], splits)


def _photo_set(config: Mapping[str, Any], archive: Path, images: Mapping[str, list[tuple[str, str]]]) -> PhotoSet:
    classes = sorted({label for split in images.values() for _, label in split})
    if len(classes) < 2:
        raise PatchVAEError(f"{config['dataset']} has one class, {classes[0]}, and a classifier needs two")
    numbers = {name: number for number, name in enumerate(classes)}
    splits = {
        split: PhotoList(archive, names=[name for name, _ in rows], labels=[numbers[label] for _, label in rows])
        for split, rows in images.items()
    }
    return PhotoSet(classes, splits, published=False)
