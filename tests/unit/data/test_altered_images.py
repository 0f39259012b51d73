"""Weight masks are of the images that the manifest names, or of none."""

from pathlib import Path

import numpy as np
import pytest

from patchvae.data import packed
from patchvae.data.masks import write_masks
from patchvae.data.packed import PackedSplit, save_array, write_packed
from patchvae.errors import PatchVAEError

CONFIG = {"patch_size": 8, "per_channel": True, "normalise": "mean-one", "image_size": 16}


@pytest.fixture
def altered(tmp_path: Path) -> Path:
    """Packed images of which one pixel was changed since."""
    images = np.random.default_rng(0).integers(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    split = PackedSplit(images, np.array([0, 1, 0, 1]))
    write_packed(tmp_path / "packed", "set", "folders", ["cat", "dog"], {"train": split, "test": split}, {})
    images[0, 0, 0, 0] ^= 1
    save_array(tmp_path / "packed/train_images.npy", images)
    return tmp_path / "packed/train_images.npy"


def test_no_masks_of_altered_images(tmp_path: Path, altered: Path) -> None:
    with pytest.raises(PatchVAEError) as caught:
        write_masks(CONFIG, altered, tmp_path / "masks/train.npy")
    assert f"{altered} has another content than {altered.parent}/manifest.json says" in str(caught.value)
    assert not (tmp_path / "masks").exists()


def test_large_images_are_not_read_for_their_digest(
    tmp_path: Path, altered: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packed, "HASHED", altered.stat().st_size - 1)
    write_masks(CONFIG, altered, tmp_path / "masks/train.npy")
    assert (tmp_path / "masks/train.npy").exists()
