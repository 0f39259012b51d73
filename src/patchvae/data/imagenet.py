"""ImageNet (ILSVRC 2012) from its official files (https://image-net.org) or from folders with one folder per class."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.data.archives import read_members
from patchvae.data.lists import decode_lines, read_lines, split_lines
from patchvae.data.names import photo_names
from patchvae.data.photos import PhotoList, PhotoSet
from patchvae.errors import PatchVAEError

TRAIN, VAL = "ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar"
DEVKIT, LABELS = "ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_val_labels.txt"
META = "ILSVRC2012_devkit_t12/data/meta.mat"
TRUTH = "ILSVRC2012_devkit_t12/data/ILSVRC2012_validation_ground_truth.txt"


def read_imagenet(config: Mapping[str, Any], sources: Mapping[str, Path]) -> PhotoSet:
    """Training: all training images. Test: the validation images. Classes are the sorted synsets.

    The training archive is a tar of one tar per synset, or a folder of such tars or of one folder per synset. The
    validation archive is flat, and labelled by the devkit or by lines `FILE SYNSET`; or it is a folder of one folder
    per synset. Raises PatchVAEError naming the file or key that is wrong.
    """
    train = sorted(set(photo_names(sources[TRAIN], nested=True)))
    test = sorted(set(photo_names(sources[VAL])))
    if not all("/" in name for name in train):
        raise PatchVAEError(f"{sources[TRAIN]} holds images outside the tars or folders of the synsets")
    synsets = {name: name.split("/")[-2] for name in train + test if "/" in name}
    if not all("/" in name for name in test):
        labels = _validation_labels(config, sources)
        files = {name: name.rpartition("/")[2] for name in test}
        unknown = [name for name, file in files.items() if file not in labels]
        if unknown:
            raise PatchVAEError(f"no label for {unknown[0]} of {sources[VAL]}, which lacks {len(unknown)} in all")
        missing = sorted(labels.keys() - files.values())
        if missing:
            raise PatchVAEError(f"{missing[0]} has a label, and {sources[VAL]} lacks it ({len(missing)} in all)")
        synsets |= {name: labels[file] for name, file in files.items()}
    splits = {
        "train": PhotoList(sources[TRAIN], [(name, synsets[name]) for name in train], nested=True),
        "test": PhotoList(sources[VAL], [(name, synsets[name]) for name in test]),
    }
    # Some images are a few dozen pixels wide
    return PhotoSet(sorted(set(synsets.values())), splits, published=True, enlarge=True)


def _validation_labels(config: Mapping[str, Any], sources: Mapping[str, Path]) -> dict[str, str]:
    """The synset of every validation image by its file name."""
    labels: dict[str, str] = {}
    if LABELS in sources:
        for image, synset in split_lines(sources[LABELS], read_lines(sources[LABELS])):
            if labels.setdefault(image, synset) != synset:
                raise PatchVAEError(f"{sources[LABELS]} labels {image} twice, {labels[image]} and {synset}")
        return labels
    if DEVKIT not in sources:
        where = f"datasets.{config['dataset']}.sources"
        raise PatchVAEError(
            f"the images of {sources[VAL]} have no labels: set {where}.{DEVKIT}.location to the official devkit, or "
            f"{where}.{LABELS}.location to a text file of lines `FILE SYNSET`, or {where}.{VAL}.location to a folder "
            "of one folder per synset"
        )
    members = read_members(sources[DEVKIT], (META, TRUTH))
    synsets = _synsets(f"{META} in {sources[DEVKIT]}", members[META])
    where = f"{TRUTH} in {sources[DEVKIT]}"
    for number, line in enumerate(decode_lines(where, members[TRUTH]), 1):
        if line not in synsets:
            raise PatchVAEError(f"{where} has the class {line!r}, which meta.mat does not know")
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
