"""One optimiser step of each kind of pretraining: VAE, VAE with a discriminator, BiGAN, with labels."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from patchvae.hardware import autocast
from patchvae.losses import fake_loss, real_loss, squared_error
from patchvae.models.generators import Discriminator, JointDiscriminator
from patchvae.models.patchvae import temperature_at
from patchvae.models.vae import BiGAN


def adam(module: nn.Module, lr: float, betas: list[float]) -> torch.optim.Optimizer:
    """Adam with a constant rate (deviation E45), all weights updated by one kernel."""
    return torch.optim.Adam(module.parameters(), lr=lr, betas=(betas[0], betas[1]), fused=True)


class Objective:
    """Networks, optimisers and how one batch updates them. `networks` names what a checkpoint has to hold."""

    networks: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]

    def __init__(self, device: torch.device, precision: str) -> None:
        self.device, self.precision = device, precision
        self.networks, self.optimizers = {}, {}

    def add(self, name: str, module: nn.Module, lr: float, betas: list[float]) -> None:
        """Take a network onto the device, in channels-last memory, with its optimiser."""
        module.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        module.train()
        self.networks[name] = module
        self.optimizers[name] = adam(module, lr, betas)

    def update(self, name: str, loss: Tensor) -> None:
        """Zero one network's gradients, backpropagate, step."""
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()

    def step(self, images: Tensor, target: Tensor | None, step: int) -> dict[str, Tensor]:
        """Update on images (B, 3, S, S); returns scalars, `loss` among them.

        target: weights of L_w (B, C, h, w), labels (B,) for training with labels, or None.
        """
        raise NotImplementedError


class VAEObjective(Objective):
    """Squared error (plain or L_w) + weighted KLs (eq. 3, 11), with an optional discriminator on reconstructions.

    The -GAN recipe (deviation E22, E23): per batch the discriminator takes one step on x against x_hat, then the VAE
    one step on its own loss plus `weight` x the non-saturating adversarial loss of the same x_hat (`joint`), or, as
    the authors do, one step on its own loss and a second on both gradients after a fresh pass (`double`).
    """

    def __init__(self, model: nn.Module, config: dict[str, Any], device: torch.device, precision: str) -> None:
        super().__init__(device, precision)
        self.add("model", model, config["lr"], config["adam_betas"])
        self.temperature = config["model"].get("temperature")
        self.gan = config["gan"]
        if self.gan:
            self.add("discriminator", Discriminator(), self.gan["lr"], self.gan["adam_betas"])

    def step(self, images: Tensor, target: Tensor | None, step: int) -> dict[str, Tensor]:
        temperature = temperature_at(step, **self.temperature) if self.temperature else 1.0
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


class SupervisedObjective(Objective):
    """Cross-entropy on labels (deviation E35), with the optimiser of the other variants: only the labels differ."""

    def __init__(self, model: nn.Module, config: dict[str, Any], device: torch.device, precision: str) -> None:
        super().__init__(device, precision)
        self.add("model", model, config["lr"], config["adam_betas"])

    def step(self, images: Tensor, target: Tensor | None, step: int) -> dict[str, Tensor]:
        assert target is not None
        with autocast(self.device, self.precision):
            logits = self.networks["model"](images)
        loss = F.cross_entropy(logits.float(), target)
        self.update("model", loss)
        correct = (logits.detach().argmax(1) == target).float().mean()
        return {"loss": loss, "train_top1": 100 * correct}


OBJECTIVES: dict[str, type[Objective]] = {
    "beta-vae": VAEObjective,
    "patchvae": VAEObjective,
    "bigan": BiGANObjective,
    "supervised": SupervisedObjective,
}
