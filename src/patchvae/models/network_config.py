"""Settings of every network."""

from patchvae.models.sizes import STRIDES
from patchvae.types import Backbone, Init, Strict


class Network(Strict):
    name: str  # of its kind
    backbone: Backbone
    init: Init


def refuse_stride(image_size: int, backbone: str) -> None:
    """Raise ValueError for images whose grid of features would not be whole."""
    if image_size % STRIDES[backbone]:
        raise ValueError(f"image_size: {image_size} is not a multiple of {backbone}'s stride {STRIDES[backbone]}")
