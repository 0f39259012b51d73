"""The step of BiGAN."""

from typing import Any

import torch
from torch import Tensor

from patchvae.hardware import autocast
from patchvae.losses import fake_loss, real_loss
from patchvae.models.bigan import BiGAN, JointDiscriminator
from patchvae.training.objectives.objective import Objective


class BiGANObjective(Objective):
    """Encoder and generator against a joint discriminator on (x, E(x)) and (G(z), z), z ~ N(0, I) (deviation E34).

    Per batch one step of D, then one of E and G together on the swapped labels (non-saturating cross-entropy).
    """

    def __init__(self, model: BiGAN, config: dict[str, Any], device: torch.device, precision: str) -> None:
        super().__init__(device, precision)
        self.model = model
        self.add("model", model, config["lr"], config["adam_betas"])
        self.add("discriminator", JointDiscriminator(model.latent_dim), config["lr"], config["adam_betas"])

    def step(self, images: Tensor, target: Tensor | None, step: int) -> dict[str, Tensor]:
        model, discriminator = self.model, self.networks["discriminator"]
        latent = torch.randn(len(images), model.latent_dim, device=self.device)
        with autocast(self.device, self.precision):
            encoded, generated = model.encoder(images)[0], model.decoder(latent)
            discriminator.requires_grad_(True)
            real = discriminator(images, encoded.detach())
            fake = discriminator(generated.detach(), latent)
        discriminator_loss = real_loss(real) + fake_loss(fake)
        self.update("discriminator", discriminator_loss)
        with autocast(self.device, self.precision):
            discriminator.requires_grad_(False)
            loss = fake_loss(discriminator(images, encoded)) + real_loss(discriminator(generated, latent))
        self.update("model", loss)
        return {"loss": loss, "discriminator": discriminator_loss}


OBJECTIVE = BiGANObjective
