"""Settings of every pretraining; those of one kind of model are beside its objective."""

from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import Field, model_validator

from patchvae.models.network_config import Network, refuse_stride
from patchvae.result import Count, Game, Number, Percent, Result, Sha256, Whole
from patchvae.run_config import Measured
from patchvae.types import ABSENT, AdamBetas, BatchSize, EpochImages, Epochs, LearningRate, Strict, Unique, said

N = TypeVar("N", bound=Network)
MasksSha256 = Annotated[str, Field(pattern="^([0-9a-f]{64})?$"), said("a SHA-256 in 64 hex digits, or empty")]


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


class Terms(Strict):
    """Means over an epoch's steps, per image, and NAME_max, the largest of a step."""

    loss: Number = ABSENT  # what the encoder and decoder minimise: the sum of the terms that the variant has
    reconstruction: Number = ABSENT  # squared error, plain or L_w, summed over pixels and channels
    kl: Number = ABSENT  # beta-VAE: beta x KL of the latent code
    kl_occ: Number = ABSENT  # PatchVAE: beta_occ x KL of the occurrences
    kl_app: Number = ABSENT  # PatchVAE: beta_app x KL of the appearances
    adversarial: Number = ABSENT  # -GAN: weight x loss of the reconstructions taken for fake
    discriminator: Number = ABSENT  # -GAN, BiGAN: the discriminator's own loss
    discriminator_accuracy: Percent = ABSENT  # the discriminator's on each batch before its step, percent; chance: 50
    train_top1: Percent = ABSENT  # training with labels: top-1 accuracy on the training batches, percent
    loss_max: Number = ABSENT  # the largest loss of a step
    reconstruction_max: Number = ABSENT  # the largest reconstruction of a step
    kl_max: Number = ABSENT  # the largest kl of a step
    kl_occ_max: Number = ABSENT  # the largest kl_occ of a step
    kl_app_max: Number = ABSENT  # the largest kl_app of a step
    adversarial_max: Number = ABSENT  # the largest adversarial of a step
    discriminator_max: Number = ABSENT  # the largest discriminator of a step
    discriminator_accuracy_max: Percent = ABSENT  # the largest discriminator_accuracy of a step
    train_top1_max: Percent = ABSENT  # the largest train_top1 of a step


class PretrainEpoch(Terms):
    epoch: Count  # number of the epoch, from 1
    loss: Number  # what the encoder and decoder minimise


class PretrainResult(Result):
    rule: Literal["pretrain"]  # the workflow's rule that wrote the file
    loss: Terms  # the last epoch's loss terms; empty for a control
    history: list[PretrainEpoch]  # one record per epoch: its number and its loss terms; empty for a control
    epochs: Whole  # epochs trained; 0 for a control
    batch_size: Whole = ABSENT  # images per step, fewer than asked for where there are not so many; 0 for a control
    masks_sha256: MasksSha256 = ABSENT  # SHA-256 of the weight masks; empty without L_w
    game: Game | None = ABSENT  # how the game with a discriminator ended; null where there was none
    checkpoint_sha256: Sha256 = ABSENT  # SHA-256 of the checkpoint file that was written
