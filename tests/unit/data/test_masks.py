import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from patchvae.data import masks as module
from patchvae.data import packed
from patchvae.data.masks import laplacian, weight_masks, write_masks
from patchvae.data.packed import PackedSplit, load_manifest, save_array, write_packed
from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json

CONFIG = {"patch_size": 8, "per_channel": True, "normalise": "mean-one", "image_size": 32}
HALF = 2.0**-10  # largest relative rounding error of float16


@pytest.fixture
def images() -> np.ndarray:
    """Noise whose strength differs by image, channel and place."""
    rng = np.random.default_rng(0)
    strength = rng.uniform(0, 1, (5, 4, 4, 3)).repeat(8, axis=1).repeat(8, axis=2)
    return (rng.integers(0, 256, (5, 32, 32, 3)) * strength).astype(np.uint8)


def masks(images: np.ndarray, **changes: Any) -> np.ndarray:
    return weight_masks(images, {"patch_size": 8, "per_channel": True, "normalise": "mean-one"} | changes)


def test_laplacian_by_hand() -> None:
    image = np.array([[1, 2, 4], [7, 11, 16], [22, 29, 37]], dtype=np.uint8).reshape(1, 3, 3, 1)
    # An edge pixel is its own neighbour: corner 1 has 1, 1, 2, 7 -> 11 - 4 = 7; the middle 2 + 29 + 7 + 16 - 44 = 10.
    expected = [[7, 10, 10], [13, 10, 4], [8, 17, 29]]
    assert laplacian(image).dtype == np.float32
    np.testing.assert_array_equal(laplacian(image)[0, ..., 0], expected)


def test_laplacian_equals_a_convolution(images: np.ndarray) -> None:
    x = torch.nn.functional.pad(torch.tensor(images).permute(0, 3, 1, 2).float(), (1, 1, 1, 1), mode="replicate")
    kernel = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).expand(3, 1, 3, 3)
    expected = torch.nn.functional.conv2d(x, kernel, groups=3).abs().permute(0, 2, 3, 1)
    np.testing.assert_array_equal(laplacian(images), expected.numpy())


@pytest.mark.parametrize("patch_size", [4, 8, 32])
def test_masks_equal_pooled_laplacian_over_its_mean(images: np.ndarray, patch_size: int) -> None:
    edges = torch.tensor(laplacian(images)).double().permute(0, 3, 1, 2)
    pooled = torch.nn.functional.avg_pool2d(edges, patch_size)
    expected = (pooled / pooled.mean((2, 3), keepdim=True)).permute(0, 2, 3, 1)
    result = masks(images, patch_size=patch_size)
    assert result.dtype == np.float16
    np.testing.assert_allclose(result, expected.numpy(), rtol=HALF)


def test_one_busy_patch_takes_all_the_weight() -> None:
    image = np.full((1, 32, 32, 3), 50, dtype=np.uint8)
    image[0, 10:14, 18:22] = 200  # its edges lie within patch (1, 2)
    expected = np.zeros((1, 4, 4, 3))
    expected[0, 1, 2] = 16
    np.testing.assert_array_equal(masks(image), expected)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("normalise", "total"), [("mean-one", 32 * 32), ("sum-one", 1)])
def test_sum_over_the_pixels(images: np.ndarray, per_channel: bool, normalise: str, total: int) -> None:
    result = masks(images, per_channel=per_channel, normalise=normalise)
    assert result.shape == (5, 4, 4, 3 if per_channel else 1)
    pixels = result.astype(np.float64).repeat(8, axis=1).repeat(8, axis=2)
    np.testing.assert_allclose(pixels.sum((1, 2)), total, rtol=1e-3)


def test_without_channels_the_laplacians_are_averaged_first(images: np.ndarray) -> None:
    mean = laplacian(images).astype(np.float64).mean(-1).reshape(5, 4, 8, 4, 8).mean((2, 4))
    expected = mean / mean.mean((1, 2), keepdims=True)
    np.testing.assert_allclose(masks(images, per_channel=False)[..., 0], expected, rtol=HALF)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize(("normalise", "weight"), [("mean-one", 1), ("sum-one", 1 / 1024)])
@pytest.mark.parametrize("value", [0, 77, 255, 0.1])
def test_constant_image_weighs_all_alike(per_channel: bool, normalise: str, weight: float, value: float) -> None:
    flat = np.full((2, 32, 32, 3), value, dtype=np.float32)
    result = masks(flat, per_channel=per_channel, normalise=normalise)
    np.testing.assert_array_equal(result, np.full_like(result, weight))


def test_constant_channel_beside_busy_ones(images: np.ndarray) -> None:
    before = masks(images)
    images[:, :, :, 1] = 9
    after = masks(images)
    np.testing.assert_array_equal(after[..., 1], np.ones((5, 4, 4)))
    np.testing.assert_array_equal(after[..., [0, 2]], before[..., [0, 2]])


def test_scaling_of_the_input_cancels(images: np.ndarray) -> None:
    symmetric = images / 127.5 - 1
    imagenet = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    for scaled in (symmetric, imagenet):
        np.testing.assert_allclose(masks(scaled), masks(images), rtol=2 * HALF)
    np.testing.assert_allclose(masks(symmetric, per_channel=False), masks(images, per_channel=False), rtol=2 * HALF)
    grey = masks(imagenet, per_channel=False).astype(float) / masks(images, per_channel=False) - 1
    assert np.abs(grey).max() < 0.02


def test_flipped_image_has_the_flipped_mask(images: np.ndarray) -> None:
    np.testing.assert_array_equal(masks(images[:, :, ::-1]), masks(images)[:, :, ::-1])


def pack(folder: Path, images: np.ndarray) -> Path:
    """A packed data set with these training images; returns where they lie."""
    split = PackedSplit(images, np.arange(len(images)) % 2)
    write_packed(folder, "set", "lists", ["a", "b"], {"train": split, "test": split}, {})
    return folder / "train_images.npy"


@pytest.mark.parametrize("memory", [1, module.MEMORY])
def test_write_masks(tmp_path: Path, images: np.ndarray, memory: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MEMORY", memory)
    out = tmp_path / "masks" / "train.npy"
    write_masks(CONFIG, pack(tmp_path / "packed", images), out)
    result = np.load(out)
    assert result.dtype == np.float16
    np.testing.assert_array_equal(result, masks(images))
    assert read_json(out.with_name("manifest.json")) == {
        "images_sha256": load_manifest(tmp_path / "packed")["splits"]["train"]["sha256"],
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("config", r"train_images.npy holds uint8 \(5, 32, 32, 3\), not uint8 \(5, 64, 64, 3\): the files of two"),
        ("missing", "cannot read .*train_images.npy"),
        ("rows", r"train_images.npy holds uint8 \(4, 32, 32, 3\), not uint8 \(5, 32, 32, 3\): the files of two"),
        ("size", r"train_images.npy holds uint8 \(5, 16, 16, 3\), not uint8 \(5, 32, 32, 3\): the files of two"),
        ("type", r"train_images.npy holds float64 \(5, 32, 32, 3\), not uint8"),
        ("no manifest", "cannot read .*manifest.json"),
        ("old manifest", "manifest.json .* of an older version: pack the data set again with `snakemake --force"),
    ],
)
def test_images_that_are_not_those_of_the_manifest(
    tmp_path: Path, images: np.ndarray, change: str, message: str
) -> None:
    path, config, out = pack(tmp_path / "packed", images), dict(CONFIG), tmp_path / "masks" / "train.npy"
    write_masks(config, path, out)
    manifest = path.with_name("manifest.json")
    if change == "config":
        config["image_size"] = 64
    elif change == "missing":
        path.unlink()
    elif change in ("rows", "size", "type"):
        save_array(path, {"rows": images[:4], "size": images[:, ::2, ::2], "type": images / 2}[change])
    elif change == "no manifest":
        manifest.unlink()
    else:
        content = read_json(manifest)
        del content["splits"]["train"]["labels_sha256"]
        write_json(manifest, content)
    with pytest.raises(PatchVAEError, match=message):
        write_masks(config, path, out)


@pytest.mark.usefixtures("full_disk")
def test_full_disk_leaves_no_mask_and_no_manifest(tmp_path: Path) -> None:
    # 48 KB; with two bytes per pixel the masks are 96 KB
    path = pack(tmp_path / "packed", np.zeros((1000, 4, 4, 3), dtype=np.uint8))
    (tmp_path / "masks").mkdir()
    (tmp_path / "masks" / "manifest.json").write_text("{}")
    with pytest.raises(PatchVAEError, match="cannot write .*train.npy: File too large"):
        write_masks(CONFIG | {"patch_size": 1, "image_size": 4}, path, tmp_path / "masks" / "train.npy")
    assert list((tmp_path / "masks").iterdir()) == []


@pytest.fixture
def altered(tmp_path: Path, images: np.ndarray) -> Path:
    """Packed images of which one pixel was changed since."""
    path = pack(tmp_path / "packed", images)
    images[0, 0, 0, 0] ^= 1
    save_array(path, images)
    return path


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
