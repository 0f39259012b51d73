"""Settings of a fine-tuning."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from patchvae.models.network_config import refuse_stride
from patchvae.run_config import OnPhi
from patchvae.training.head_config import Chosen, FrozenNorm, Head, WeightDecay
from patchvae.types import (
    BatchSize,
    EpochImages,
    Epochs,
    HeadPool,
    Init,
    LearningRate,
    Name,
    Regime,
    Share,
    Some,
    Strict,
    Width,
)

Grid = Annotated[Some[LearningRate], Field(min_length=2)]
HeldOut = Annotated[int, Field(ge=1, le=100_000_000)]


class FinetuneRecipe(Strict):
    batch_size: BatchSize  # images per step
    lr: LearningRate  # initial learning rate
    decay_every: Epochs  # epochs between divisions of lr by 10
    momentum: Share  # of SGD
    weight_decay: WeightDecay  # of SGD
    epoch_images: EpochImages  # dataset or a number of images per epoch (at least 1)
    last_batch: Literal["drop", "keep"]  # of a pass, where it has fewer images than batch_size
    hidden_dim: Width  # width of the head's hidden layer
    standardise: bool  # frozen features to mean 0 and deviation 1
    labels_per_class: (
        Literal["all"] | Annotated[int, Field(ge=1, le=100_000_000)]
    )  # all or a whole number of training images per class (at least 1)
    train_batch_norm: bool  # train BatchNorm's scale and shift in fine-tuned stages
    frozen_batch_norm: FrozenNorm  # mode of BatchNorm in frozen stages


class Finetune(OnPhi, FinetuneRecipe, Head):
    lr: LearningRate | Chosen  # type: ignore[assignment]  # chosen: the one that a job `rates` has found
    regime: Regime
    head: Name
    flip: bool
    head_pool: HeadPool
    init: Init
    epochs: Epochs

    @model_validator(mode="after")
    def strides_fit(self) -> Self:
        refuse_stride(self.image_size, self.backbone)
        return self


class RateSearch(Strict):
    grid: Grid  # rates to try; goes on where an end is best
    epochs: Epochs  # of each training
    held_out: HeldOut  # training images that the rate is chosen on


class Rates(Finetune):
    grid: Grid
    held_out: HeldOut
