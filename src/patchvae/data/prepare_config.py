"""How a data set is packed."""

from typing import Annotated, Literal

from pydantic import Field

from patchvae.types import Classes, ImageSize, Name, Seed, Strict, said

Count = Annotated[int, Field(ge=10, le=10_000_000)]


class Photos(Strict):
    format: Literal["cifar100", "indoor67", "places205", "imagenet", "folders", "lists"]  # how the data set is stored
    image_size: ImageSize  # side of the images in pixels
    num_classes: Classes  # number of classes
    max_undecodable: Annotated[
        int, Field(ge=0, le=100_000_000)
    ]  # number of images that may be left out because they cannot be decoded


class Scenes(Strict):
    format: Literal["digit-scenes"]  # how the data set is stored
    image_size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]  # side of the images in pixels
    num_classes: Annotated[int, Field(ge=10, le=10), said("10")]  # number of digits
    train_images: Count  # number of training images
    test_images: Count  # number of test images
    seed: Seed  # of the scenes


class Prepare(Photos):
    dataset: Name


class DigitScenes(Scenes):
    dataset: Name
