"""MIT Indoor67 from its official files (https://web.mit.edu/torralba/www/indoor.html)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.data.lists import read_lines
from patchvae.data.names import photo_names
from patchvae.data.photos import PhotoList, PhotoSet, Rows
from patchvae.errors import PatchVAEError

ARCHIVE, TRAIN, TEST = "indoorCVPR_09.tar", "TrainImages.txt", "TestImages.txt"


def read_indoor67(config: Mapping[str, Any], sources: Mapping[str, Path]) -> PhotoSet:
    """Test: the official test list. Training: all other images, labelled where the official training list has them.

    The archive's images are Images/<class>/<file>, those of the lists <class>/<file>. Classes are the sorted folders.
    Raises PatchVAEError for a listed image that the archive lacks, one that is on both lists, and an image of the
    archive that no list could name. Deviation E42.
    """
    archive = sources[ARCHIVE]
    names: dict[str, str] = {}  # of an image in the archive, by its name on the lists
    for name in photo_names(archive):
        if "/" not in name:
            raise PatchVAEError(f"{archive}: {name} is not in the folder of a class")
        other = names.setdefault("/".join(name.split("/")[-2:]), name)
        if other != name:
            raise PatchVAEError(f"{archive}: {other} and {name} have one name on the lists: keep one of them")
    listed = {key: set(read_lines(sources[key])) for key in (TRAIN, TEST)}
    for key, images in listed.items():
        for image in sorted(images - names.keys()):
            raise PatchVAEError(f"{sources[key]} lists {image}, which {archive} does not hold")
    for image in sorted(listed[TRAIN] & listed[TEST]):
        raise PatchVAEError(f"{image} is on both lists, {sources[TRAIN]} and {sources[TEST]}")
    train, test = Rows(), Rows()
    for image in sorted(names):
        folder = image.partition("/")[0]
        if image in listed[TEST]:
            test.append((names[image], folder))
        else:
            train.append((names[image], folder if image in listed[TRAIN] else None))
    classes = sorted({image.partition("/")[0] for image in names})
    return PhotoSet(classes, {"train": PhotoList(archive, train), "test": PhotoList(archive, test)}, published=True)
