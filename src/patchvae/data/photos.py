"""Photographs of any size and kind: the lists of a split, and decoding to a square of pixels."""

import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "PPM", "TIFF")  # whatever the file's name; none runs a program
CONVERT = ("heic", "heix", "hevc", "hevx", "heim", "heis", "mif1", "msf1", "avif", "avis")  # kinds of HEIC and AVIF
ADDRESS = re.compile(" at 0x[0-9A-Fa-f]+")
LARGEST = 1 << 27  # pixels of an enlarged image: 400 MB
DRAFT = 2  # a JPEG may be decoded smaller than it is while its sides stay this many times the target's


class Undecodable(Exception):
    """The bytes are no image, or end too early."""


class TooSmall(Exception):
    """The image is smaller than the crop; its text is the image's size."""


Rows = list[tuple[str, str | None]]  # photographs in their final order: name, and class (None where it has no label)


@dataclass(frozen=True)
class PhotoList:
    """The photographs of one split: files of a tar, zip or folder.

    `nested`: the tars inside are opened, too, see `archives.read_files`.
    """

    archive: Path
    rows: Rows
    nested: bool = False


@dataclass(frozen=True)
class PhotoSet:
    """What a format says of its data set: class names, and per split ("train", "test") the photographs.

    `published` splits may share a photograph under two names. `enlarge` allows photographs smaller than the crop, as
    torchvision's Resize does.
    """

    classes: list[str]
    splits: dict[str, PhotoList]
    published: bool
    enlarge: bool = False


def decode(content: bytes, size: int, enlarge: bool = False) -> npt.NDArray[np.uint8]:
    """RGB pixels (size, size, 3) of an image: its shorter side resized to `size`, then the centre cut out (Sec. 4.1).

    As torchvision's Resize (bilinear, antialiased) and CenterCrop, except that the decoder first shrinks large JPEGs to
    at least twice the size. EXIF's orientation is ignored, as there. An animation gives its first picture.
    Raises Undecodable, and TooSmall unless smaller images may be enlarged.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            width, height = image.size
            if min(width, height) < size and not enlarge:
                raise TooSmall(f"{width} x {height}")
            image.draft(None, (DRAFT * size, DRAFT * size))
            rgb = _to_rgb(image)
    except (TooSmall, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise Undecodable(_no_image(content)) from error
    except Exception as error:  # a damaged file can raise anything
        # The manifest quotes it, so without addresses in memory
        raise Undecodable(ADDRESS.sub("", str(error)) or type(error).__name__) from error
    short = min(width, height)
    if size * max(width, height) // short * size > LARGEST:
        raise Undecodable(f"its {width} x {height} pixels are too narrow to be enlarged")
    width, height = size * width // short, size * height // short
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = rgb.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized.crop((left, top, left + size, top + size)))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F"):
        raise ValueError(f"its pixels are of mode {image.mode}, whose white is unknown")
    if image.mode.startswith("I;16"):  # Pillow would clip 16-bit grey at 255
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # Pillow warns unless it may keep the transparency
    return image.convert("RGB")


def _no_image(content: bytes) -> str:
    """Why bytes are no image that Pillow reads."""
    if not content:
        return "it is empty"
    if content[4:8] == b"ftyp" and content[8:12].decode("latin1").lower() in CONVERT:
        return "it is a HEIC or AVIF image, to be converted to JPEG or PNG"
    return f"it is none of {', '.join(FORMATS)}"
