"""Settings of jobs on networks: their images, the model, and the phi that they start from."""

from patchvae.types import Backbone, Classes, Epochs, ImageSize, InputScaling, Name, Precision, RowName, Seed, Strict


class Images(Strict):
    dataset: Name
    image_size: ImageSize
    stand_in: bool
    input_scaling: InputScaling
    precision: Precision
    deterministic: bool = True  # on a GPU; left out where it is


class Measured(Images):
    variant: RowName
    seed: Seed


class Pretrained(Strict):
    """The pretraining that phi comes from."""

    dataset: Name
    variant: RowName
    snapshot: Epochs | None  # the epoch after which phi is taken; None: the last


class OnPhi(Measured):
    pretrained: Pretrained
    num_classes: Classes
    backbone: Backbone
