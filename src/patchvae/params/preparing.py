"""Settings of jobs that fetch, pack and draw images, and of weight masks."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from patchvae.params.types import Classes, ImageSize, Location, Name, Seed, Strict, said

FileName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}$"),
    said("a plain file name of at most 128 letters"),
]
Checksum = Annotated[
    str,
    Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|unverified)$"),
    said("md5:HEX or sha256:HEX, as `patchvae checksum` prints it, or unverified"),
]


class Source(Strict):
    location: Location  # URL, local file, or an already extracted folder
    checksum: Checksum  # md5:HEX or sha256:HEX, as `patchvae checksum` prints it, or unverified


class Download(Strict):
    dataset: Name
    sources: Annotated[dict[FileName, Source], Field(min_length=1)]


SceneCount = Annotated[int, Field(ge=10, le=10_000_000)]


PhotoFormat = Literal["indoor67", "places205", "imagenet", "folders", "lists"]  # those of images of any size


class Photos(Strict):
    format: Literal["cifar100", PhotoFormat]  # how the data set is stored
    image_size: ImageSize  # side of the images in pixels
    num_classes: Classes  # number of classes
    max_undecodable: Annotated[
        int, Field(ge=0, le=100_000_000)
    ]  # number of images that may be left out because they cannot be decoded


class Scenes(Strict):
    format: Literal["digit-scenes"]  # how the data set is stored
    image_size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]  # side of the images in pixels
    num_classes: Annotated[int, Field(ge=10, le=10), said("10")]  # number of digits
    train_images: SceneCount  # number of training images
    test_images: SceneCount  # number of test images
    seed: Seed  # of the scenes


class Prepare(Photos):
    dataset: Name


class DigitScenes(Scenes):
    dataset: Name


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
