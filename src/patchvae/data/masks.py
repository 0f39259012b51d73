"""Weight masks of the weighted reconstruction loss L_w (Sec. 3.4, Fig. 6; deviations E17 to E21)."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from patchvae.data.packed import array_rows, check_arrays, load_array, load_manifest
from patchvae.files import file_digest, write_json
from patchvae.records.digests import MASKS_MANIFEST

WORKING_COPIES = 8  # float32 arrays of a batch's size alive at once, at most
MEMORY = 32 << 20  # bytes to work in; more is slower, as it leaves the caches

log = logging.getLogger(__name__)


def laplacian(images: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Absolute Laplacian of every channel: images (n, H, W, c) -> (n, H, W, c) float32.

    3 x 3 kernel with centre -4 and the four neighbours +1, edges replicated.
    """
    x = np.pad(images.astype(np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    # Opposite neighbours first: 2c + 2c - 4c is exactly 0 in floating point, so a flat image stays flat.
    vertical = x[:, :-2, 1:-1] + x[:, 2:, 1:-1]
    horizontal = x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return np.abs(vertical + horizontal - 4 * x[:, 1:-1, 1:-1])


def weight_masks(images: npt.NDArray[Any], config: Mapping[str, Any]) -> npt.NDArray[np.float16]:
    """Weights of images (n, H, W, 3), one per patch: (n, H / patch_size, W / patch_size, 3) float16.

    config: the masks block of params.yaml, with a `patch_size` that divides H and W.
    The absolute Laplacian is averaged over each patch and divided by its mean over the patches of the image and
    channel, so that the weights have the mean one ("mean-one"); "sum-one" divides by H * W too, so that the weights
    of all *pixels* sum to one (E17). Without `per_channel` the channels are averaged first and the last axis is 1
    (E18). A flat channel weighs all patches alike (E20).

    Raw uint8 values give the same masks as the network's scaled input (E21). Of a scaling x -> a x + b per channel, the
    Laplacian removes b and the division |a|. Without `per_channel`, ImageNet's standard deviations (0.224 to 0.229)
    would shift the channels' shares by about 2 %.
    """
    patch_size, (n, height, width, _) = config["patch_size"], images.shape
    edges = laplacian(images)
    if not config["per_channel"]:
        edges = edges.mean(axis=-1, keepdims=True)
    rows, columns = height // patch_size, width // patch_size
    patches = edges.reshape(n, rows, patch_size, columns, patch_size, edges.shape[-1]).mean(axis=(2, 4))
    means = patches.mean(axis=(1, 2), keepdims=True)
    weights = np.divide(patches, means, out=np.ones_like(patches), where=means > 0)
    return (weights / (height * width) if config["normalise"] == "sum-one" else weights).astype(np.float16)


def write_masks(config: Mapping[str, Any], images_path: Path, out_path: Path) -> None:
    """Write the masks of a packed data set's {split}_images.npy as .npy, and beside them manifest.json.

    `config` is the masks block of params.yaml and image_size. The manifest holds images_sha256 (from the data set's
    manifest) and sha256 of the masks. An old one is removed first, and the new one is written last. Works batch by
    batch within MEMORY. Raises PatchVAEError naming the file or key that is wrong, also for images that are not those
    of their manifest.
    """
    manifest, split = load_manifest(images_path.parent), images_path.name.removesuffix("_images.npy")
    images = check_arrays(images_path.parent, split, manifest | {"image_size": config["image_size"]})["images"]
    shape = (len(images), *weight_masks(images[:1], config).shape[1:])
    batch = max(1, MEMORY // (WORKING_COPIES * 4 * images[0].size))
    (out_path.parent / MASKS_MANIFEST).unlink(missing_ok=True)
    with array_rows(out_path, shape, np.float16) as writer:
        for start in range(0, len(images), batch):
            # Mapped anew each time, to release the pages of the last batch
            writer.write(start, weight_masks(load_array(images_path)[start : start + batch], config))
        writer.finish(len(images))
    digests = {"images_sha256": manifest["splits"][split]["sha256"], "sha256": file_digest(out_path)}
    write_json(out_path.parent / MASKS_MANIFEST, digests)
    log.info("wrote %s: %s", out_path, shape)
