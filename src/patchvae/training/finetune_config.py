"""Settings of a fine-tuning."""

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from patchvae.models.network_config import refuse_stride
from patchvae.result import Bits, Count, Measurement, Percent, Positive, RightOrder, Size, Text, Whole
from patchvae.run_config import OnPhi
from patchvae.training.head_config import Chosen, FrozenNorm, Head, WeightDecay
from patchvae.types import (
    ABSENT,
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


class Accuracy(Strict):
    last: Percent  # after the last epoch
    best: Percent  # at the best epoch, chosen on the test images
    best_epoch: Count  # the first epoch with the best accuracy


class FinetuneEpoch(Strict):
    epoch: Count  # number of the epoch, from 1
    loss: Size  # cross-entropy, mean over the epoch's steps
    loss_max: Size = ABSENT  # the largest cross-entropy of a step
    train_top1: Percent  # top-1 accuracy on the training batches as they were seen, percent
    train_top1_max: Percent = ABSENT  # the highest accuracy on a training batch, percent
    test_top1: Percent  # top-1 accuracy on the test images after the epoch, percent
    test_top5: Percent = ABSENT  # top-5 accuracy on the test images after the epoch, percent


class FinetuneResult(Measurement):
    model_config = ConfigDict(json_schema_extra={"dependentRequired": {"right": ["right_order"]}})

    rule: Literal["finetune"]  # the workflow's rule that wrote the file
    regime: Regime  # which first layers stay frozen (Sec. 4.1)
    head: Text = ABSENT  # the classifier's settings, key of `heads` in params.yaml; early files are of table12
    top1: Accuracy  # top-1 accuracy, percent
    top5: Accuracy = ABSENT  # top-5 accuracy, percent
    train_top1: Percent = ABSENT  # the last epoch's accuracy on the training batches as they were seen, percent
    train_images: Count = ABSENT  # number of labelled images that were trained on
    right: Bits = ABSENT  # whether each test image was right after the last epoch, in the order of right_order
    right_order: RightOrder = ABSENT  # ascending by the SHA-256 of each image's pixels and label
    history: Annotated[list[FinetuneEpoch], Field(min_length=1)]  # one record per epoch
    epochs: Whole  # epochs trained
    batch_size: Whole = ABSENT  # images per step, fewer than asked for where there are not so many
    lr: Positive = ABSENT  # the rate that `rates` has chosen, where the configuration says `chosen`

    @model_validator(mode="after")
    def bits_have_an_order(self) -> Self:
        if self.right is not None and self.right_order is None:
            raise ValueError("right: without right_order")
        return self


class TriedRate(Strict):
    lr: Positive  # initial learning rate
    held_out_top1: Percent | None  # top-1 accuracy on the images left out after the last epoch; null: it diverged
    train_top1: Percent | None  # the last epoch's accuracy on the training batches as seen; null: it diverged


class Scale(Strict):
    mean_abs: Size  # mean absolute value
    largest_eigenvalue: Size  # largest eigenvalue of the second moment of an image's features


class RatesResult(Measurement):
    rule: Literal["rates"]  # the workflow's rule that wrote the file
    regime: Regime  # which first layers stay frozen (Sec. 4.1)
    head: Text  # the classifier's settings, key of `heads` in params.yaml
    split: Literal["train"]  # type: ignore[assignment]  # the measured images: training images that were left out
    train_images: Count  # number of labelled images that were trained on
    lr: Positive  # the smallest of the rates with the best accuracy
    at_edge: bool  # whether that is still an end of the rates that were tried
    rates: Annotated[list[TriedRate], Field(min_length=2)]  # every rate that was tried, ascending
    epochs: Count  # epochs of each training
    batch_size: Whole  # images per step, fewer than asked for where there are not so many
    features: Scale | None  # of those that the classifier sees of the training images; null where they are not kept
