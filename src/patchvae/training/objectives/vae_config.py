"""Settings of the pretraining of a VAE."""

from typing import Literal

from patchvae.training.pretrain_config import N, Trained
from patchvae.types import AdamBetas, LearningRate, Strict, Weight


class Gan(Strict):
    weight: Weight  # weight of the adversarial term per image
    generator_step: Literal["joint", "double"]  # one Adam step for all terms or a second for the adversarial one
    lr: LearningRate  # learning rate of the discriminator
    adam_betas: AdamBetas  # decay rates of Adam's moments


class VAEPretrain(Trained[N]):
    weighted_loss: bool
    gan: Gan | None
