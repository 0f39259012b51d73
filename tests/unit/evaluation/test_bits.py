"""Bits as text: there and back, and texts that are something else."""

import base64

import numpy as np
import pytest

from patchvae.evaluation.bits import by_digest, packed_bits, unpacked_bits


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 10_000])
def test_there_and_back(count):
    bits = np.random.default_rng(count).random(count) < 0.3
    text = packed_bits(bits)
    assert text.isascii() and len(text) == 4 * -(-count // 24)
    assert np.array_equal(unpacked_bits(text, count), bits)


def test_an_order_that_the_images_define():
    digests = np.array([[2, 0], [1, 9], [1, 8], [2, 0], [0, 255]], dtype=np.uint8)
    bits = np.array([True, False, True, False, True])
    # Ascending: 4, 2, 1, then the equal images 0 and 3, whose bits are sorted
    assert by_digest(bits, digests).tolist() == [True, True, False, False, True]
    generator = np.random.default_rng(0)
    for _ in range(5):
        rows = generator.permutation(5)
        assert np.array_equal(by_digest(bits[rows], digests[rows]), by_digest(bits, digests))


def test_by_hand():
    text = packed_bits([True, False, False, False, False, False, False, True, True])
    assert base64.b64decode(text) == bytes([0b10000001, 0b10000000])
    assert unpacked_bits(text, 9).tolist() == [True, *[False] * 6, True, True]


@pytest.mark.parametrize(
    ("text", "count", "message"),
    [
        ("gYA=", 8, "2 bytes in base64 are not those of 8 bits"),
        ("gYA=", 17, "2 bytes in base64 are not those of 17 bits"),
        ("gf8=", 9, "2 bytes in base64 are not those of 9 bits"),  # a bit set behind the last
        ("gYA", 9, "not the base64 of 9 bits"),
        ("g?A=", 9, "not the base64 of 9 bits"),
        ("gé==", 9, "not the base64 of 9 bits"),
    ],
)
def test_other_texts(text, count, message):
    with pytest.raises(ValueError, match=message):
        unpacked_bits(text, count)
