"""From the raw files of a data set to its packed form, whatever the format."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from patchvae.data.cifar100 import read_cifar100
from patchvae.data.digits import read_digit_scenes
from patchvae.data.packed import PackedSplit, write_packed
from patchvae.errors import PatchVAEError

Reader = Callable[[Mapping[str, Any], Any], tuple[list[str], dict[str, PackedSplit]]]

# A new data set with an upstream format of its own adds one reader here.
FORMATS: dict[str, Reader] = {"cifar100": read_cifar100, "digit-scenes": read_digit_scenes}

log = logging.getLogger(__name__)


def prepare(config: Mapping[str, Any], raw_dir: Path | str | None, out_dir: Path | str) -> None:
    """Read the raw files in `raw_dir` (None where the format has none) and write the packed data set to `out_dir`.

    `config` has dataset, format, image_size, num_classes, and sources (name -> checksum, already verified by the
    download) or what its format needs instead. Raises PatchVAEError naming the file or key that is wrong.
    """
    reader = FORMATS.get(config["format"])
    if reader is None:
        raise PatchVAEError(
            f"unknown format {config['format']!r} of {config['dataset']}; known are {', '.join(FORMATS)}"
        )
    sources = config.get("sources", {})
    if sources and raw_dir is None:
        raise PatchVAEError(f"{config['dataset']} has sources, but no raw directory was given")
    classes, splits = reader(config, None if raw_dir is None else Path(raw_dir))
    if len(classes) != config["num_classes"]:
        raise PatchVAEError(
            f"num_classes of {config['dataset']} is {config['num_classes']}, its files say {len(classes)}"
        )
    write_packed(out_dir, config["dataset"], config["format"], classes, splits, sources)
    log.info("packed %s: %s", out_dir, ", ".join(f"{split} {len(data.labels)}" for split, data in splits.items()))
