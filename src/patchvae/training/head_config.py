"""Settings of the classifier: a named head overrides some settings of fine-tuning."""

from typing import Annotated, Literal

from pydantic import Field

from patchvae.types import ABSENT, AS_WRITTEN, BatchSize, Epochs, LearningRate, Share, Strict

WeightDecay = Annotated[float, Field(ge=0, le=10), AS_WRITTEN]
FrozenNorm = Literal["eval", "train"]
Chosen = Literal["chosen"]


class Head(Strict):
    head_relu: bool  # a ReLU between the head's two layers
    head_dropout: Share  # dropout before the head


class HeadSettings(Head):
    batch_size: BatchSize = ABSENT  # images per step
    lr: LearningRate | Chosen = ABSENT  # initial learning rate, or chosen: on training images, see `rates`
    decay_every: Epochs = ABSENT  # epochs between divisions of lr by 10
    momentum: Share = ABSENT  # of SGD
    weight_decay: WeightDecay = ABSENT  # of SGD
    standardise: bool = ABSENT  # frozen features to mean 0 and deviation 1
    train_batch_norm: bool = ABSENT  # train BatchNorm's scale and shift in fine-tuned stages
    frozen_batch_norm: FrozenNorm = ABSENT  # mode of BatchNorm in frozen stages
