"""Settings of pretrainings, by kind of model."""

from typing import Generic, Literal, Self, TypeVar

from pydantic import model_validator

from patchvae.params.measuring import Measured
from patchvae.params.networks import Network, refuse_stride
from patchvae.params.types import AdamBetas, BatchSize, EpochImages, Epochs, LearningRate, Strict, Unique, Weight

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


class Gan(Strict):
    weight: Weight  # weight of the adversarial term per image
    generator_step: Literal["joint", "double"]  # one Adam step for all terms or a second for the adversarial one
    lr: LearningRate  # learning rate of the discriminator
    adam_betas: AdamBetas  # decay rates of Adam's moments


class VAEPretrain(Trained[N]):
    weighted_loss: bool
    gan: Gan | None


class BiGANPretrain(Trained[N]):
    gradient_penalty: Weight
    weighted_loss: bool
    gan: None

    @model_validator(mode="after")
    def it_has_no_reconstruction(self) -> Self:
        if self.weighted_loss:
            raise ValueError("weighted_loss: true, and a BiGAN has no L_w")
        return self


Labels = Literal["given", "shuffled"]


class SupervisedPretrain(Trained[N]):
    labels: Labels
