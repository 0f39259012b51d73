"""What every kind of pretraining has: networks, their optimisers, one step."""

import torch
from torch import Tensor, nn

from patchvae.training.optimizers import adam


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
