"""A yes or no per image as a short text for JSON."""

import base64
import binascii

import numpy as np
import numpy.typing as npt


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
