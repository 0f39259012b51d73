"""The digests by which packed data, and what was made from them, are compared."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import HASHED, file_digest, read_json

MASKS_MANIFEST = "manifest.json"
AGAIN = "`snakemake` (with the --configfile of the run, if it has one) or `dvc repro` makes it again"
# Key of metrics files and checkpoints -> key of a split in the manifest of packed data
DIGESTS = {
    "data_sha256": "sha256",
    "labels_sha256": "labels_sha256",
    "set_sha256": "set_sha256",
    "order_sha256": "order_sha256",
}
OTHER, REORDERED = "other images or labels", "the same images in another order"
WITHIN = "numbers then agree within the tolerance that docs/data-sets.md states"

log = logging.getLogger(__name__)


def check_masks(masks: Path, images_sha256: str) -> str:
    """Check that weight masks are of these training images; return their digest.

    Raises PatchVAEError otherwise, and for masks without a manifest.
    """
    record = read_json(masks.parent / MASKS_MANIFEST)
    try:
        made_of, sha256 = record["images_sha256"], str(record["sha256"])
    except (KeyError, TypeError) as error:
        raise PatchVAEError(f"{masks.parent / MASKS_MANIFEST}: not the manifest of weight masks") from error
    # A mask belongs to the image of its row, so the same images in another order are others here.
    if made_of != images_sha256:
        raise PatchVAEError(f"{masks} are masks of other images than the data set's, or in another order: {AGAIN}")
    if masks.stat().st_size <= HASHED and file_digest(masks) != sha256:
        raise PatchVAEError(f"{masks} is not what {MASKS_MANIFEST} beside it says: {AGAIN}")
    return sha256


def data_digests(splits: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The DIGESTS of packed data by key and split; splits: of their manifest."""
    return {key: {split: entry.get(name, "") for split, entry in splits.items()} for key, name in DIGESTS.items()}


def difference(made_of: Mapping[str, Any], here: Mapping[str, Mapping[str, str]]) -> str | None:
    """How data that a result was made of differ from those here: OTHER, REORDERED, or None.

    made_of: the result's DIGESTS by key and split, maybe of fewer splits; here: `data_digests`.
    """

    def differs(key: str) -> bool:
        return any(value != here[key].get(split) for split, value in made_of[key].items())

    return OTHER if differs("set_sha256") else REORDERED if differs("order_sha256") else None
