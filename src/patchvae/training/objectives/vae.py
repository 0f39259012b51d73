"""The step of a VAE, with a discriminator or without."""

from typing import Any

import torch
from torch import Tensor, nn

from patchvae.hardware import autocast
from patchvae.losses import fake_loss, real_loss, squared_error
from patchvae.models.discriminator import Discriminator
from patchvae.training.objectives.objective import Objective


class VAEObjective(Objective):
    """Squared error (plain or L_w) + weighted KLs (eq. 3, 11), with an optional discriminator on reconstructions.

    The -GAN recipe (deviation E22, E23): per batch the discriminator takes one step on x against x_hat, then the VAE
    one step on its own loss plus `weight` x the non-saturating adversarial loss of the same x_hat (`joint`), or, as
    the authors do, one step on its own loss and a second on both gradients after a fresh pass (`double`).
    """

    def __init__(self, model: nn.Module, config: dict[str, Any], device: torch.device, precision: str) -> None:
        super().__init__(device, precision)
        self.model: Any = model
        self.add("model", model, config["lr"], config["adam_betas"])
        self.gan = config["gan"]
        if self.gan:
            self.add("discriminator", Discriminator(), self.gan["lr"], self.gan["adam_betas"])

    def step(self, images: Tensor, target: Tensor | None, step: int) -> dict[str, Tensor]:
        temperature = self.model.temperature_at(step)
        with autocast(self.device, self.precision):
            reconstruction, kl = self.networks["model"](images, temperature)
        terms = {"reconstruction": squared_error(images, reconstruction, target), **kl}
        loss = torch.stack(list(terms.values())).sum()
        if self.gan:
            terms["discriminator"] = self.update_discriminator(images, reconstruction)
            if self.gan["generator_step"] == "double":
                self.update("model", loss)
                with autocast(self.device, self.precision):
                    reconstruction, _ = self.networks["model"](images, temperature)
                terms["adversarial"] = self.adversarial(reconstruction)
                terms["adversarial"].backward()  # on top of the gradient of `loss`, as the authors do
                self.optimizers["model"].step()
                return {"loss": loss, **terms}
            terms["adversarial"] = self.adversarial(reconstruction)
            loss = loss + terms["adversarial"]
        self.update("model", loss)
        return {"loss": loss, **terms}

    def update_discriminator(self, images: Tensor, reconstruction: Tensor) -> Tensor:
        """One step of D on real x against fake x_hat, each normalised by the statistics of its own batch."""
        discriminator = self.networks["discriminator"].requires_grad_(True)
        with autocast(self.device, self.precision):
            real, fake = discriminator(images), discriminator(reconstruction.detach())
        loss = real_loss(real) + fake_loss(fake)
        self.update("discriminator", loss)
        return loss

    def adversarial(self, reconstruction: Tensor) -> Tensor:
        """The generator's adversarial loss; no gradient is computed for D's weights."""
        discriminator = self.networks["discriminator"].requires_grad_(False)
        with autocast(self.device, self.precision):
            logits = discriminator(reconstruction)
        return float(self.gan["weight"]) * real_loss(logits)


OBJECTIVE = VAEObjective
