"""Settings of every pretraining; those of one kind of model are beside its objective."""

from typing import Generic, Self, TypeVar

from pydantic import model_validator

from patchvae.models.network_config import Network, refuse_stride
from patchvae.run_config import Measured
from patchvae.types import AdamBetas, BatchSize, EpochImages, Epochs, LearningRate, Strict, Unique

N = TypeVar("N", bound=Network)


class Pretrain(Measured, Generic[N]):
    """Of a control; the settings that all pretrainings share."""

    model: N
    flip: bool

    @model_validator(mode="after")
    def strides_fit(self) -> Self:
        refuse_stride(self.image_size, self.model.backbone)
        return self


class PretrainRecipe(Strict):
    batch_size: BatchSize  # images per step
    lr: LearningRate  # learning rate
    adam_betas: AdamBetas  # decay rates of Adam's moments
    epoch_images: EpochImages  # dataset or a number of images per epoch (at least 1)
    snapshots: Unique[Epochs]  # epochs whose phi is kept


class Trained(Pretrain[N], PretrainRecipe):
    epochs: Epochs

    @model_validator(mode="after")
    def snapshots_come_before_the_end(self) -> Self:
        for epoch in self.snapshots:
            if epoch >= self.epochs:
                raise ValueError(f"snapshots: {epoch} is not before the last of {self.epochs} epochs")
        return self
