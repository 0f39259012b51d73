import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from patchvae.data.photos import TooSmall, Undecodable, decode

Photo = Callable[..., bytes]


def reference(content: bytes, size: int) -> np.ndarray:
    image = Image.open(io.BytesIO(content)).convert("RGB")
    return np.asarray(transforms.CenterCrop(size)(transforms.Resize(size)(image)))


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(48, 40, 32), (40, 48, 32), (33, 32, 32), (32, 32, 32), (63, 41, 32), (47, 200, 33), (91, 57, 28)],
)
def test_equals_torchvision(photo: Photo, width: int, height: int, size: int) -> None:
    content = photo(0, width, height)
    np.testing.assert_array_equal(decode(content, size), reference(content, size))


@pytest.mark.parametrize(
    ("mode", "format"),
    [
        ("L", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "PNG"),
        ("P", "GIF"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("1", "PNG"),
        ("RGBA", "PNG"),
        ("RGB", "BMP"),
        ("RGB", "WEBP"),
    ],
)
def test_every_kind_of_image_becomes_rgb(photo: Photo, mode: str, format: str) -> None:
    content = photo(1, 48, 40, mode, format)
    pixels = decode(content, 32)
    assert pixels.shape == (32, 32, 3) and pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, reference(content, 32))


def test_sixteen_bits_are_scaled() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.full((40, 40), 100 * 256 + 77, dtype=np.uint16)).save(stream, "PNG")
    assert (decode(stream.getvalue(), 32) == 100).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_pixels_without_a_known_white_are_no_photograph(dtype: type) -> None:
    stream = io.BytesIO()
    Image.fromarray(np.ones((40, 40), dtype)).save(stream, "TIFF")
    with pytest.raises(Undecodable, match="its pixels are of mode [FI],"):
        decode(stream.getvalue(), 32)


@pytest.mark.filterwarnings("error")
def test_transparent_palette(photo: Photo) -> None:
    stream = io.BytesIO()
    Image.open(io.BytesIO(photo(1, 48, 40, "P", "PNG"))).save(stream, "PNG", transparency=bytes([0, 128, 255]))
    np.testing.assert_array_equal(decode(stream.getvalue(), 32), decode(photo(1, 48, 40, "P", "PNG"), 32))


def test_large_jpeg_is_shrunk_by_its_decoder_and_stays_close(photo: Photo) -> None:
    content = photo(2, 400, 300)
    difference = decode(content, 32).astype(int) - reference(content, 32)
    assert 0 < np.abs(difference).max() <= 6
    np.testing.assert_array_equal(decode(photo(2, 130, 127), 32), reference(photo(2, 130, 127), 32))


def test_narrow_image_keeps_its_middle() -> None:
    pixels = np.zeros((10, 32, 3), dtype=np.uint8)
    pixels[:, 11:21] = 200
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    assert (decode(stream.getvalue(), 10) == 200).all()


@pytest.mark.parametrize("keep", [0, 10, 100, 0.5, 0.9, -60])
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_truncated_image(photo: Photo, keep: float, format: str) -> None:
    content = photo(3, 300, 200, "RGB", format)
    kept = content[: int(len(content) * keep) if isinstance(keep, float) else keep]
    with pytest.raises(Undecodable):
        decode(kept, 32)


@pytest.mark.parametrize("content", [b"", b"<html>", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n"])
def test_no_image(content: bytes) -> None:
    with pytest.raises(Undecodable, match="it is none of JPEG" if content else "it is empty"):
        decode(content, 32)


@pytest.mark.parametrize(("width", "height"), [(31, 40), (40, 31)])
def test_too_small(photo: Photo, width: int, height: int) -> None:
    with pytest.raises(TooSmall, match=f"{width} x {height}"):
        decode(photo(0, width, height), 32)
    np.testing.assert_array_equal(
        decode(photo(0, width, height), 32, enlarge=True), reference(photo(0, width, height), 32)
    )
