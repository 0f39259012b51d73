"""CIFAR-100 from its official archive (https://www.cs.toronto.edu/~kriz/cifar.html, "CIFAR-100 python version")."""

import codecs
import io
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from patchvae.data.archives import read_members
from patchvae.data.packed import SPLITS, PackedSet, PackedSplit
from patchvae.errors import PatchVAEError

FOLDER = "cifar-100-python"
SIZE = 32

# Globals that a pickled array needs, under their names in NumPy 1 and 2; any other could run code
_RECONSTRUCT = np.empty(0).__reduce__()[0]
ALLOWED_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): codecs.encode,
}


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ALLOWED_GLOBALS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ALLOWED_GLOBALS[module, name]


def read_cifar100(config: Mapping[str, Any], sources: Mapping[str, Path]) -> PackedSet:
    """The names of the 100 fine classes, and images (n, 32, 32, 3) with fine labels per split.

    Raises PatchVAEError naming the archive for anything that is not the official layout.
    """
    (archive,) = sources.values()
    members = read_members(archive, [f"{FOLDER}/{part}" for part in (*SPLITS, "meta")])
    where = f"{FOLDER}/meta in {archive}"
    names = _unpickle(where, members[f"{FOLDER}/meta"]).get("fine_label_names")
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise PatchVAEError(f"{where} has no list of fine_label_names")
    classes = [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names]
    splits = {split: _read_split(archive, split, members.pop(f"{FOLDER}/{split}")) for split in SPLITS}
    return PackedSet(classes, splits)


def _read_split(archive: Path, split: str, content: bytes) -> PackedSplit:
    where = f"{FOLDER}/{split} in {archive}"
    batch = _unpickle(where, content)
    rows, labels = batch.get("data"), batch.get("fine_labels")
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (3 * SIZE * SIZE,):
        raise PatchVAEError(f"{where} has no uint8 data with {3 * SIZE * SIZE} values per image")
    if not isinstance(labels, list) or len(labels) != len(rows) or not all(isinstance(n, int) for n in labels):
        raise PatchVAEError(f"{where} has no list of {len(rows)} fine_labels, one per image")
    images = np.ascontiguousarray(rows.reshape(-1, 3, SIZE, SIZE).transpose(0, 2, 3, 1))
    return PackedSplit(images=images, labels=np.array(labels, dtype=np.int64))


def _unpickle(where: str, content: bytes) -> dict[str, Any]:
    """A dictionary pickled by Python 2 or 3, with str keys."""
    try:
        value = _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise anything
        raise PatchVAEError(f"cannot unpickle {where}: {str(error) or type(error).__name__}") from error
    if not isinstance(value, dict):
        raise PatchVAEError(f"{where} is not a pickled dictionary")
    return {key.decode("latin1") if isinstance(key, bytes) else str(key): item for key, item in value.items()}
