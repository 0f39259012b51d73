"""From the raw files of a data set to its packed form, whatever the format."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from patchvae.data.archives import DamagedArchive
from patchvae.data.cifar100 import read_cifar100
from patchvae.data.digits import read_digit_scenes
from patchvae.data.imagenet import read_imagenet
from patchvae.data.indoor67 import read_indoor67
from patchvae.data.packed import PackedSplit, load_manifest, write_packed
from patchvae.data.packer import pack_photos
from patchvae.data.photos import PhotoSet
from patchvae.data.places205 import read_places205
from patchvae.data.source_records import check_sources, fetch_again
from patchvae.data.user_photos import read_folders, read_lists
from patchvae.errors import PatchVAEError

Reader = Callable[[Mapping[str, Any], Any], PhotoSet | tuple[list[str], dict[str, PackedSplit]]]

# A data set with a new file layout adds its reader here.
FORMATS: dict[str, Reader] = {
    "cifar100": read_cifar100,
    "digit-scenes": read_digit_scenes,
    "indoor67": read_indoor67,
    "places205": read_places205,
    "imagenet": read_imagenet,
    "folders": read_folders,
    "lists": read_lists,
}

log = logging.getLogger(__name__)


def prepare(
    config: Mapping[str, Any],
    sources: Path | None,
    raw_dir: Path | None,
    out_dir: Path | str,
    threads: int | None = None,
) -> None:
    """Read the raw files in `raw_dir` that the record `sources` names and write the packed data set to `out_dir`.

    Both are None where the format has no raw files. `config` has dataset, format, image_size, num_classes and the
    format's other settings. `threads` decode photographs, by default one per CPU. Raises PatchVAEError naming the file
    or key that is wrong, or the raw file that is not on this machine or not the recorded one.
    """
    reader = FORMATS.get(config["format"])
    if reader is None:
        raise PatchVAEError(
            f"unknown format {config['format']!r} of {config['dataset']}; known are {', '.join(FORMATS)}"
        )
    checksums: dict[str, str] = {}
    if reader is not read_digit_scenes:
        if sources is None or raw_dir is None:
            raise PatchVAEError(f"{config['dataset']} is made from raw files: give their folder and their record")
        checksums = check_sources(sources, raw_dir)
    try:
        _pack(config, reader, checksums, raw_dir, out_dir, threads)
    except DamagedArchive as error:
        raise PatchVAEError(f"{error}: if it is a download, delete it and {fetch_again(str(sources))}") from error
    counts = {split: entry["count"] for split, entry in load_manifest(out_dir)["splits"].items()}
    log.info("packed %s: %s", out_dir, ", ".join(f"{split} {count}" for split, count in counts.items()))


def _pack(
    config: Mapping[str, Any],
    reader: Reader,
    checksums: Mapping[str, str],
    raw_dir: Path | None,
    out_dir: Path | str,
    threads: int | None,
) -> None:
    data = reader({**config, "sources": checksums}, raw_dir)
    classes = data.classes if isinstance(data, PhotoSet) else data[0]
    if len(classes) != config["num_classes"]:
        raise PatchVAEError(
            f"num_classes of {config['dataset']} is {config['num_classes']}, its files say {len(classes)}"
        )
    if isinstance(data, PhotoSet):
        pack_photos(out_dir, config, data, checksums, threads)
    else:
        write_packed(out_dir, config["dataset"], config["format"], classes, data[1], checksums)
