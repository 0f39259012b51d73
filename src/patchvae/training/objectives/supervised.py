"""The step of a training with labels."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from patchvae.hardware import Place
from patchvae.params.model_kinds import SupervisedPretrain
from patchvae.training.objectives.objective import Objective


class SupervisedObjective(Objective):
    """Cross-entropy on labels (deviation E35), with the optimiser of the other variants: only the labels differ."""

    def __init__(self, model: nn.Module, config: SupervisedPretrain[Any], steps: int, on: Place) -> None:
        super().__init__(on)
        self.add("model", model, config.lr, config.adam_betas)

    def step(self, images: Tensor, labels: Tensor | None, step: Tensor) -> dict[str, Tensor]:
        assert labels is not None
        with self.on.autocast():
            logits = self.networks["model"](images)
        loss = F.cross_entropy(logits.float(), labels)
        self.update("model", loss)
        correct = (logits.detach().argmax(1) == labels).float().mean()
        return {"loss": loss, "train_top1": 100 * correct}


OBJECTIVE = SupervisedObjective
