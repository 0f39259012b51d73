"""Settings of the pretraining of a BiGAN."""

from typing import Self

from pydantic import model_validator

from patchvae.training.pretrain_config import N, Trained
from patchvae.types import Weight


class BiGANPretrain(Trained[N]):
    gradient_penalty: Weight
    weighted_loss: bool
    gan: None

    @model_validator(mode="after")
    def it_has_no_reconstruction(self) -> Self:
        if self.weighted_loss:
            raise ValueError("weighted_loss: true, and a BiGAN has no L_w")
        return self
