"""What all kinds of pretraining share: networks, their optimisers, and a step."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from patchvae.hardware import Place
from patchvae.losses import fake_loss, real_loss
from patchvae.seeding import seed_for
from patchvae.training.optimizers import adam

Inputs = tuple[Tensor, ...]  # of a discriminator: an image, or an image and a latent


class Objective:
    """Networks, their optimisers, and how one batch updates them; a saved state holds both."""

    def __init__(self, on: Place) -> None:
        self.on = on
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    def add(self, name: str, module: nn.Module, lr: float, betas: list[float]) -> None:
        """Move a network to the device and make its optimiser."""
        module.to(device=self.on.device, memory_format=self.on.layout)  # type: ignore[call-overload]
        module.train()
        self.networks[name] = module
        self.optimizers[name] = adam(module, lr, betas)

    def update(self, name: str, loss: Tensor) -> None:
        """Zero one network's gradients, backpropagate, step."""
        self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers[name].step()

    def step(self, images: Tensor, masks_or_labels: Tensor | None, step: Tensor) -> dict[str, Tensor]:
        """Update on images (B, 3, S, S); returns scalars, `loss` among them. To be recorded: see `loop.Task.step`.

        masks_or_labels: weights of L_w (B, C, h, w), labels (B,) for training with labels, or None.
        """
        raise NotImplementedError

    # ---- of those that may have a discriminator

    def add_discriminator(self, name: str, seed: int) -> None:
        """Make a discriminator from its own seed, so that everything else is drawn as without one."""
        raise NotImplementedError

    def pairs(self, images: Tensor, step: Tensor) -> tuple[Inputs, Inputs]:
        """Real and fake inputs of a discriminator for images (B, 3, S, S), without gradients."""
        raise NotImplementedError

    def update_discriminator(self, real: Inputs, fake: Inputs, name: str = "discriminator") -> dict[str, Tensor]:
        """One step of D on real against fake, each normalised by the statistics of its own batch.

        Returns its loss, and its accuracy on this batch before the step, in percent (chance is 50).
        """
        discriminator = self.networks[name].requires_grad_(True)
        with self.on.autocast():
            true, false = discriminator(*real), discriminator(*fake)
        loss = real_loss(true) + fake_loss(false)
        self.update(name, loss)
        right = (true.detach() > 0).float().mean() + (false.detach() < 0).float().mean()
        return {"discriminator": loss, "discriminator_accuracy": 50 * right}

    def fresh_accuracy(self, batches: Iterator[Tensor], step: Tensor, seed: int) -> float:
        """The accuracy that a new discriminator reaches against the trained networks, in percent.

        It is the mean over the last quarter of the batches (B, 3, S, S), after training on those before. If the old
        discriminator is at chance and this one is not, the game is dead. Changes BatchNorm's statistics.
        """
        self.add_discriminator("fresh", seed_for(seed, "fresh discriminator"))
        torch.manual_seed(seed_for(seed, "fresh pairs"))
        found = [self.update_discriminator(*self.pairs(images, step), "fresh") for images in batches]
        del self.networks["fresh"], self.optimizers["fresh"]
        last = found[-max(len(found) // 4, 1) :]
        return float(torch.stack([terms["discriminator_accuracy"] for terms in last]).mean())
