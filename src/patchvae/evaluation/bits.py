"""A yes or no per image as a short text for JSON."""

import base64
import binascii

import numpy as np
import numpy.typing as npt

BY_DIGEST = "image digest"  # the order of bits by image in metrics files: ascending by `packed.image_digests`


def by_digest(bools: npt.ArrayLike, digests: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """`bools` (n,) of images in the order BY_DIGEST, which is the same in whatever order the images come.

    digests: (n, 32) of `packed.image_digests`. Equal images are interchangeable: their bits are sorted.
    """
    bits = np.asarray(bools, dtype=np.bool_)
    return bits[np.lexsort((bits, *digests.T[::-1]))]


def packed_bits(bools: npt.ArrayLike) -> str:
    """Base64 of the bits of `bools` (n,), eight to a byte, highest bit first; the last byte is padded with zeros."""
    return base64.b64encode(np.packbits(np.asarray(bools, dtype=np.bool_)).tobytes()).decode("ascii")


def unpacked_bits(text: str, count: int) -> npt.NDArray[np.bool_]:
    """The inverse of `packed_bits`: (count,); raises ValueError for a text that is not of `count` bits."""
    try:
        content = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except (binascii.Error, ValueError) as error:  # the latter for characters outside ASCII
        raise ValueError(f"not the base64 of {count} bits: {error}") from error
    bits = np.unpackbits(content)
    if len(content) != -(-count // 8) or bits[count:].any():
        raise ValueError(f"{len(content)} bytes in base64 are not those of {count} bits")
    return bits[:count].astype(np.bool_)
