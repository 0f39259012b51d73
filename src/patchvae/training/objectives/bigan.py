"""The step of BiGAN."""

from typing import Any

import torch
from torch import Tensor

from patchvae.hardware import Place
from patchvae.losses import fake_loss, real_loss
from patchvae.models.bigan import BiGAN, JointDiscriminator
from patchvae.params.model_kinds import BiGANPretrain
from patchvae.seeding import seed_for
from patchvae.training.objectives.objective import Inputs, Objective

PENALISED = 8  # the penalty is estimated on one of so many pairs


class BiGANObjective(Objective):
    """Encoder and generator against a joint discriminator on (x, E(x)) and (G(z), z), z ~ N(0, I) (deviation E34).

    Per batch one step of D, then one of E and G together on the swapped labels (non-saturating cross-entropy).
    """

    def __init__(self, model: BiGAN, config: BiGANPretrain[Any], steps: int, on: Place) -> None:
        super().__init__(on)
        self.model, self.adam = model, (config.lr, config.adam_betas)
        self.gradient_penalty = config.gradient_penalty
        self.add("model", model, *self.adam)
        self.add_discriminator("discriminator", seed_for(config.seed, "discriminator"))

    def add_discriminator(self, name: str, seed: int) -> None:
        torch.manual_seed(seed)
        self.add(name, JointDiscriminator(self.model.latent_dim), *self.adam)

    def play(self, images: Tensor) -> tuple[Inputs, Inputs]:
        """(x, E(x)) and (G(z), z) for images (B, 3, S, S)."""
        latent = torch.randn(len(images), self.model.latent_dim, device=self.on.device)
        with self.on.autocast():
            return (images, self.model.encode(images)), (self.model.decoder(latent), latent)

    @torch.no_grad()
    def pairs(self, images: Tensor, step: Tensor) -> tuple[Inputs, Inputs]:
        return self.play(images)

    def update_discriminator(self, real: Inputs, fake: Inputs, name: str = "discriminator") -> dict[str, Tensor]:
        """As the base's, with a penalty on the squared gradient of the logit for the images of real pairs (R1)."""
        discriminator = self.networks[name].requires_grad_(True)
        images, latents = (part[: -(-len(part) // PENALISED)] for part in real)
        images = images.detach().requires_grad_(True)
        with self.on.autocast():
            true, false, penalised = discriminator(*real), discriminator(*fake), discriminator(images, latents)
        (slope,) = torch.autograd.grad(penalised.sum(), images, create_graph=True)
        loss = real_loss(true) + fake_loss(false)
        self.update(name, loss + self.gradient_penalty / 2 * slope.square().sum() / len(slope))
        right = (true.detach() > 0).float().mean() + (false.detach() < 0).float().mean()
        return {"discriminator": loss, "discriminator_accuracy": 50 * right}

    def step(self, images: Tensor, masks_or_labels: Tensor | None, step: Tensor) -> dict[str, Tensor]:
        real, fake = self.play(images)
        terms = self.update_discriminator((real[0], real[1].detach()), (fake[0].detach(), fake[1]))
        with self.on.autocast():
            discriminator = self.networks["discriminator"].requires_grad_(False)
            loss = fake_loss(discriminator(*real)) + real_loss(discriminator(*fake))
        self.update("model", loss)
        return {"loss": loss, **terms}


OBJECTIVE = BiGANObjective
