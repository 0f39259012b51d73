"""Settings of the classifier's training and of the search for its rate."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from patchvae.params import types
from patchvae.params.measuring import OnPhi
from patchvae.params.model_kinds import refuse_stride

WeightDecay = Annotated[float, Field(ge=0, le=10), types.AS_WRITTEN]
FrozenNorm = Literal["eval", "train"]
Chosen = Literal["chosen"]


class Head(types.Strict):
    head_relu: bool  # a ReLU between the head's two layers
    head_dropout: types.Share  # dropout before the head


class HeadSettings(Head):
    lr: types.LearningRate | Chosen = types.ABSENT  # initial learning rate, or chosen: on training images, see `rates`
    batch_size: types.BatchSize = types.ABSENT  # images per step
    decay_every: types.Epochs = types.ABSENT  # epochs between divisions of lr by 10
    momentum: types.Share = types.ABSENT  # of SGD
    weight_decay: WeightDecay = types.ABSENT  # of SGD
    standardise: bool = types.ABSENT  # frozen features to mean 0 and deviation 1
    train_batch_norm: bool = types.ABSENT  # train BatchNorm's scale and shift in fine-tuned stages
    frozen_batch_norm: FrozenNorm = types.ABSENT  # mode of BatchNorm in frozen stages


Grid = Annotated[types.Some[types.LearningRate], Field(min_length=2)]
HeldOut = Annotated[int, Field(ge=1, le=100_000_000)]


class FinetuneRecipe(types.Strict):
    batch_size: types.BatchSize  # images per step
    lr: types.LearningRate  # initial learning rate
    decay_every: types.Epochs  # epochs between divisions of lr by 10
    momentum: types.Share  # of SGD
    weight_decay: WeightDecay  # of SGD
    epoch_images: types.EpochImages  # dataset or a number of images per epoch (at least 1)
    last_batch: Literal["drop", "keep"]  # of a pass, where it has fewer images than batch_size
    hidden_dim: types.Width  # width of the head's hidden layer
    standardise: bool  # frozen features to mean 0 and deviation 1
    labels_per_class: (
        Literal["all"] | Annotated[int, Field(ge=1, le=100_000_000)]
    )  # all or a whole number of training images per class (at least 1)
    train_batch_norm: bool  # train BatchNorm's scale and shift in fine-tuned stages
    frozen_batch_norm: FrozenNorm  # mode of BatchNorm in frozen stages


class Finetune(OnPhi, FinetuneRecipe, Head):
    lr: types.LearningRate | Chosen  # type: ignore[assignment]  # chosen: the one that a job `rates` has found
    regime: types.Regime
    head: types.Name
    flip: bool
    head_pool: types.HeadPool
    init: types.Init
    epochs: types.Epochs

    @model_validator(mode="after")
    def strides_fit(self) -> Self:
        refuse_stride(self.image_size, self.backbone)
        return self


class RateSearch(types.Strict):
    grid: Grid  # rates to try; goes on where an end is best
    epochs: types.Epochs  # of each training
    held_out: HeldOut  # training images that the rate is chosen on


class Rates(Finetune):
    grid: Grid
    held_out: HeldOut
