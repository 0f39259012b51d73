"""The step of a VAE, with a discriminator or without."""

from typing import Any

import torch
from torch import Tensor

from patchvae.hardware import Place
from patchvae.losses import real_loss, squared_error
from patchvae.models.discriminator import Discriminator
from patchvae.params.model_kinds import VAEPretrain
from patchvae.seeding import seed_for
from patchvae.training.objectives.objective import Inputs, Objective


class VAEObjective(Objective):
    """Squared error (plain or L_w) + weighted KLs (eq. 3, 11), with an optional discriminator on reconstructions.

    The -GAN recipe (deviation E22, E23): per batch the discriminator takes one step on x against x_hat, then the VAE
    one step on its own loss plus `weight` x the non-saturating adversarial loss of the same x_hat (`joint`), or, as
    the authors do, one step on its own loss and a second on both gradients after a fresh pass (`double`).
    """

    def __init__(self, model: Any, config: VAEPretrain[Any], steps: int, on: Place) -> None:
        super().__init__(on)
        self.model = model
        self.add("model", model, config.lr, config.adam_betas)
        self.temperatures = torch.tensor([model.temperature_at(step) for step in range(steps)], device=on.device)
        self.gan = config.gan
        if self.gan:
            self.add_discriminator("discriminator", seed_for(config.seed, "discriminator"))

    def add_discriminator(self, name: str, seed: int) -> None:
        assert self.gan is not None
        torch.manual_seed(seed)
        self.add(name, Discriminator(), self.gan.lr, self.gan.adam_betas)

    @torch.no_grad()
    def pairs(self, images: Tensor, step: Tensor) -> tuple[Inputs, Inputs]:
        with self.on.autocast():
            reconstruction = self.model(images, self.temperature(step)).reconstruction
        return (images,), (reconstruction,)

    def temperature(self, step: Tensor) -> Tensor:
        """The temperature at a step: scalars on the device."""
        return self.temperatures.index_select(0, step.view(1)).squeeze(0)

    def step(self, images: Tensor, masks: Tensor | None, step: Tensor) -> dict[str, Tensor]:
        temperature = self.temperature(step)
        with self.on.autocast():
            reconstruction, kl = self.networks["model"](images, temperature)
        terms = {"reconstruction": squared_error(images, reconstruction, masks), **kl}
        loss = torch.stack(list(terms.values())).sum()
        if self.gan:
            terms |= self.update_discriminator((images,), (reconstruction.detach(),))
            if self.gan.generator_step == "double":
                self.update("model", loss)
                with self.on.autocast():
                    reconstruction, _ = self.networks["model"](images, temperature)
                terms["adversarial"] = self.adversarial(reconstruction, self.gan.weight)
                terms["adversarial"].backward()  # on top of the gradient of `loss`, as the authors do
                self.optimizers["model"].step()
                return {"loss": loss, **terms}
            terms["adversarial"] = self.adversarial(reconstruction, self.gan.weight)
            loss = loss + terms["adversarial"]
        self.update("model", loss)
        return {"loss": loss, **terms}

    def adversarial(self, reconstruction: Tensor, weight: float) -> Tensor:
        """The generator's adversarial loss; no gradient is computed for D's weights."""
        discriminator = self.networks["discriminator"].requires_grad_(False)
        with self.on.autocast():
            logits = discriminator(reconstruction)
        return weight * real_loss(logits)


OBJECTIVE = VAEObjective
