"""Settings of weight masks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from patchvae.types import ImageSize, Strict

PatchSize = Annotated[int, Field(ge=1, le=1024)]


class MaskOptions(Strict):
    per_channel: bool  # one mask per colour channel, or one per image
    normalise: Literal["mean-one", "sum-one"]  # what a mask's weights average or sum to


class Masks(MaskOptions):
    image_size: ImageSize
    patch_size: PatchSize

    @model_validator(mode="after")
    def patches_fill_the_image(self) -> Self:
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size: {self.image_size} is not a multiple of patch_size = {self.patch_size}")
        return self
