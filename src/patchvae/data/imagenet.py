"""ImageNet (ILSVRC 2012) from its official files (https://image-net.org) or from folders with one folder per class."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.data.archives import read_members
from patchvae.data.lists import decode_lines, open_sources, read_lines, split_line
from patchvae.data.names import photo_names
from patchvae.data.photos import PhotoList, PhotoSet
from patchvae.errors import PatchVAEError

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT, LABELS = "ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_val_labels.txt"
META = "ILSVRC2012_devkit_t12/data/meta.mat"
TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


def read_imagenet(config: Mapping[str, Any], raw_dir: Path) -> PhotoSet:
    """Training: all training images. Test: the validation images. Classes are the sorted synsets.

    The training archive is a tar of one tar per synset, or a folder of such tars or of one folder per synset. The
    validation archive is flat, and labelled by the devkit or by lines `FILE SYNSET`; or it is a folder of one folder
    per synset. Raises PatchVAEError naming the file or key that is wrong.
    """
    paths = open_sources(config, raw_dir, (TRAIN, VAL), (DEVKIT, LABELS))
    synsets = {}
    for source in (TRAIN, VAL):
        names = photo_names(paths[source], nested=source == TRAIN)
        synsets[source] = {name: name.split("/")[-2] for name in sorted(names) if "/" in name}
        if len(synsets[source]) < len(names):
            if source == TRAIN:
                raise PatchVAEError(f"{paths[TRAIN]} holds images outside the tars or folders of the synsets")
            labels = _validation_labels(config, paths)
            unknown = [name for name in sorted(names) if name.rpartition("/")[2] not in labels]
            if unknown:
                raise PatchVAEError(f"no label for {unknown[0]} of {paths[VAL]}, which lacks {len(unknown)} in all")
            missing = sorted(labels.keys() - {name.rpartition("/")[2] for name in names})
            if missing:
                raise PatchVAEError(f"{missing[0]} has a label, and {paths[VAL]} lacks it ({len(missing)} in all)")
            synsets[VAL] = {name: labels[name.rpartition("/")[2]] for name in sorted(names)}
    classes = sorted(set(synsets[TRAIN].values()) | set(synsets[VAL].values()))
    numbers = {synset: number for number, synset in enumerate(classes)}
    splits = {"train": PhotoList(paths[TRAIN], nested=True), "test": PhotoList(paths[VAL])}
    for split, source in (("train", TRAIN), ("test", VAL)):
        for name, synset in synsets[source].items():
            splits[split].add(name, numbers[synset])
    return PhotoSet(classes, splits, published=True, enlarge=True)  # some are a few dozen pixels wide


def _validation_labels(config: Mapping[str, Any], paths: Mapping[str, Path]) -> dict[str, str]:
    """The synset of every validation image by its file name."""
    if LABELS in paths:
        given: dict[str, str] = {}
        for image, synset in (split_line(paths[LABELS], line) for line in read_lines(paths[LABELS])):
            if given.setdefault(image, synset) != synset:
                raise PatchVAEError(f"{paths[LABELS]} labels {image} twice, {given[image]} and {synset}")
        return given
    if DEVKIT not in paths:
        where = f"datasets.{config['dataset']}.sources"
        raise PatchVAEError(
            f"the images of {paths[VAL]} have no labels: set {where}.{DEVKIT}.location to the official devkit, or "
            f"{where}.{LABELS}.location to a text file of lines `FILE SYNSET`, or {where}.{VAL}.location to a folder "
            "of one folder per synset"
        )
    members = read_members(paths[DEVKIT], (META, TRUTH))
    synsets = _synsets(f"{META} in {paths[DEVKIT]}", members[META])
    labels = {}
    for number, line in enumerate(decode_lines(f"{TRUTH} in {paths[DEVKIT]}", members[TRUTH]), 1):
        if line not in synsets:
            raise PatchVAEError(f"{TRUTH} in {paths[DEVKIT]} has the class {line!r}, which meta.mat does not know")
        labels[f"ILSVRC2012_val_{number:08d}.JPEG"] = synsets[line]
    return labels


def _synsets(where: str, content: bytes) -> dict[str, str]:
    """The synset of every ILSVRC2012_ID that has no children, from the devkit's Matlab file."""
    from scipy.io import loadmat  # heavy, and needed here only

    try:
        entries = loadmat(io.BytesIO(content), simplify_cells=True)["synsets"]
        return {str(e["ILSVRC2012_ID"]): str(e["WNID"]) for e in entries if e["num_children"] == 0}
    except Exception as error:  # a damaged file can raise anything
        raise PatchVAEError(f"cannot read {where}: {str(error) or type(error).__name__}") from error
