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
from patchvae.data.packed import PackedSet, load_manifest, write_packed
from patchvae.data.packer import pack_photos
from patchvae.data.photos import PhotoSet
from patchvae.data.places205 import read_places205
from patchvae.data.source_records import check_sources, fetch_again
from patchvae.data.user_photos import read_folders, read_lists
from patchvae.errors import PatchVAEError

Reader = Callable[[Mapping[str, Any], Mapping[str, Path]], PhotoSet | PackedSet]

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


def prepare(config: Mapping[str, Any], sources: Path | None, raw: Path | None, out_dir: Path, threads: int = 1) -> None:
    """Read the raw files in `raw` that the record `sources` names and write the packed data set to `out_dir`.

    Both are None where the format has no raw files. `config` has dataset, format, image_size, num_classes and the
    format's other settings. `threads` decode photographs. Raises PatchVAEError naming the file
    or key that is wrong, or the raw file that is not on this machine or not the recorded one.
    """
    checksums, paths = check_sources(sources, raw) if sources and raw else ({}, {})
    try:
        data = FORMATS[config["format"]](config, paths)
        dataset, expected, found = config["dataset"], config["num_classes"], len(data.classes)
        if found != expected:
            raise PatchVAEError(f"num_classes of {dataset} is {expected}, its files say {found}")
        if isinstance(data, PhotoSet):
            pack_photos(out_dir, config, data, checksums, threads)
        else:
            write_packed(out_dir, dataset, config["format"], *data, checksums)
    except DamagedArchive as error:
        raise PatchVAEError(f"{error}: if it is a download, delete it and {fetch_again(str(sources))}") from error
    counts = {split: entry["count"] for split, entry in load_manifest(out_dir)["splits"].items()}
    log.info("packed %s: %s", out_dir, ", ".join(f"{split} {count}" for split, count in counts.items()))
