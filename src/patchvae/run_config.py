"""What every job on a network is told of its images, and which model it is."""

from patchvae.types import Epochs, ImageSize, InputScaling, Name, Precision, RowName, Seed, Strict


class Images(Strict):
    dataset: Name
    image_size: ImageSize
    stand_in: bool
    input_scaling: InputScaling
    precision: Precision


class Measured(Images):
    variant: RowName
    seed: Seed


class Pretrained(Strict):
    """Whose phi it is."""

    dataset: Name
    variant: RowName
    snapshot: Epochs | None  # the epoch of its pretraining behind which phi is taken, None being the last
