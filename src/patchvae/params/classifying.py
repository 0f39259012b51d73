"""Settings of the classifier's training and of the search for its rate."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from patchvae.params.measuring import OnPhi
from patchvae.params.networks import refuse_stride
from patchvae.params.types import (
    ABSENT,
    AS_WRITTEN,
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

WeightDecay = Annotated[float, Field(ge=0, le=10), AS_WRITTEN]
FrozenNorm = Literal["eval", "train"]
Chosen = Literal["chosen"]


class Head(Strict):
    head_relu: bool  # a ReLU between the head's two layers
    head_dropout: Share  # dropout before the head


class HeadSettings(Head):
    lr: LearningRate | Chosen = ABSENT  # initial learning rate, or chosen: on training images, see `rates`
    batch_size: BatchSize = ABSENT  # images per step
    decay_every: Epochs = ABSENT  # epochs between divisions of lr by 10
    momentum: Share = ABSENT  # of SGD
    weight_decay: WeightDecay = ABSENT  # of SGD
    standardise: bool = ABSENT  # frozen features to mean 0 and deviation 1
    train_batch_norm: bool = ABSENT  # train BatchNorm's scale and shift in fine-tuned stages
    frozen_batch_norm: FrozenNorm = ABSENT  # mode of BatchNorm in frozen stages


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
