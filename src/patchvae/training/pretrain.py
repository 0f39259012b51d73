"""Pretraining of one variant on one data set, without labels (Sec. 4.1) or with them for supervised rows."""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from patchvae.hardware import Place
from patchvae.models.factory import build_model
from patchvae.models.resnet import initialise
from patchvae.models.scaling import Scaling
from patchvae.params.measuring import Measured
from patchvae.params.model_kinds import KINDS, Network, Pretrain, Trained
from patchvae.seeding import permuted, seed_for
from patchvae.training.batches import Feed, Order, mirror
from patchvae.training.labelled import labelled_rows
from patchvae.training.loop import Outcome, Store, Watch, train
from patchvae.training.objectives.objective import Objective

STATISTICS_BATCH = 250
FRESH_STEPS = 200  # of a new discriminator against the finished networks


class PretrainTask:
    """Batches of one data set through one objective; see `loop.Task`.

    pixels: images (n, S, S, 3); masks_or_labels: weight masks (n, h, w, C), labels (n,), or None.
    """

    def __init__(self, config: Trained[Any], pixels: Tensor, masks_or_labels: Tensor | None, on: Place) -> None:
        self.epochs, self.seed = config.epochs, config.seed
        self.labels = getattr(config, "labels", None)  # "given" or "shuffled", for a kind that is trained with them
        images = torch.arange(len(pixels))
        if self.labels:
            assert masks_or_labels is not None
            images = labelled_rows(masks_or_labels)
            if self.labels == "shuffled":
                masks_or_labels = shuffled(masks_or_labels, images, config.seed)
        self.order = Order(images, config.batch_size, config.epoch_images, config.flip, config.seed)
        self.feed = Feed(self.order, [pixels] if masks_or_labels is None else [pixels, masks_or_labels], on.device)
        self.steps_per_epoch = self.order.steps_per_epoch
        self.images = self.epochs * self.steps_per_epoch * self.order.batch_size
        self.scaling = Scaling(config.input_scaling, on.device)
        self.layout = on.layout
        model = seeded_model(config.model, config.image_size, config.seed)
        kind: Any = importlib.import_module(str(KINDS[config.model.name].objective))
        self.objective: Objective = kind.OBJECTIVE(model, config, self.epochs * self.steps_per_epoch, on)
        self.snapshots: dict[int, dict[str, Tensor]] = {}
        self.snapshot_epochs = config.snapshots
        # After all weights are drawn: the noise is the same with a discriminator and without.
        torch.manual_seed(seed_for(config.seed, "pretrain"))

    def prepare(self, step: int) -> int:
        return self.feed.prepare(step)

    def step(self, step: Tensor) -> dict[str, Tensor]:
        (pixels, *rest), flips = self.feed.rows(step)
        masks_or_labels = rest[0] if rest else None
        if masks_or_labels is not None and not self.labels:
            masks_or_labels = mirror(masks_or_labels, flips).permute(0, 3, 1, 2).float()
        images = self.scaling(mirror(pixels, flips)).contiguous(memory_format=self.layout)
        return self.objective.step(images, masks_or_labels, step)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Keep phi at the epochs of `snapshots`; as the rate is constant, it is that of a shorter training."""
        if epoch in self.snapshot_epochs:
            phi = self.objective.networks["model"].encoder.backbone  # type: ignore[union-attr]
            self.snapshots[epoch] = copied(phi.state_dict())  # type: ignore[union-attr]
        return {}

    def fresh_accuracy(self) -> float | None:
        """The accuracy of a new discriminator after at most FRESH_STEPS, in percent; None without a discriminator."""
        if "discriminator" not in self.objective.networks:
            return None
        steps = self.epochs * self.steps_per_epoch

        def batches() -> Iterator[Tensor]:
            for step in range(min(FRESH_STEPS, steps)):
                (pixels, *_), flips = self.feed(step)
                yield self.scaling(mirror(pixels, flips))

        last = torch.tensor(steps - 1, device=self.objective.on.device)
        return self.objective.fresh_accuracy(batches(), last, self.seed)

    def tensors(self) -> list[Tensor]:
        return [p for module in self.objective.networks.values() for p in module.parameters()]

    def state(self) -> dict[str, Any]:
        return {
            "networks": {name: module.state_dict() for name, module in self.objective.networks.items()},
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.objective.optimizers.items()},
            "snapshots": self.snapshots,
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name, weights in state["networks"].items():
            self.objective.networks[name].load_state_dict(weights)
        for name, optimizer in state["optimizers"].items():
            self.objective.optimizers[name].load_state_dict(optimizer)
        self.snapshots = state["snapshots"]


def copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights on the CPU that later steps do not change."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in weights.items()}


def shuffled(labels: Tensor, images: Tensor, seed: int) -> Tensor:
    """Labels (n,), permuted among the images (k,) that have one: a control whose labels mean nothing."""
    dealt = labels.clone()
    dealt[images.to(labels.device)] = labels[permuted(images, seed, "shuffled labels").to(labels.device)]
    return dealt


def seeded_model(network: Network, image_size: int, seed: int) -> torch.nn.Module:
    """A model at its initial weights; phi starts the same in every variant of one seed."""
    torch.manual_seed(seed_for(seed, "model"))
    model = build_model(network, image_size)
    torch.manual_seed(seed_for(seed, "phi"))
    initialise(model.encoder.backbone, network.init)  # type: ignore[union-attr, arg-type]
    return model


@torch.no_grad()
def estimate_statistics(model: torch.nn.Module, pixels: Tensor, config: Measured, on: Place) -> None:
    """Give phi the BatchNorm statistics of one pass over images (n, S, S, 3); weights do not change."""
    backbone = model.encoder.backbone.to(on.device).train()  # type: ignore[union-attr]
    norms = [module for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # PyTorch then averages over all batches
    scaling = Scaling(config.input_scaling, on.device)
    order = Order(torch.arange(len(pixels)), STATISTICS_BATCH, "dataset", False, config.seed)
    feed = Feed(order, [pixels], on.device)
    for step in range(order.steps_per_epoch):
        (batch,), _ = feed(step)
        with on.autocast():
            backbone(scaling(batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def fit(
    config: Pretrain[Any],
    pixels: Tensor,
    masks_or_labels: Tensor | None,
    on: Place,
    label: str,
    store: Store | None,
    watch: Watch,
) -> tuple[Outcome, dict[str, Any]]:
    """Train one variant, or go on with what `store` keeps; a control gets its weights alone.

    pixels, masks_or_labels: as for `PretrainTask`; label, store, watch: as for `train`. The outcome comes with what a
    checkpoint holds of it: the weights (`model`), phi's at the epochs of `snapshots`, and the number of `steps`; `game`
    of its record says how the game with a discriminator ended. Raises PatchVAEError for NaN.
    """
    record: dict[str, Any] = {"loss": {}, "history": [], "epochs": 0, "batch_size": 0, "game": None}
    if not isinstance(config, Trained):
        model = seeded_model(config.model, config.image_size, config.seed)
        if config.model.statistics == "data":
            estimate_statistics(model, pixels, config, on)
        content = {"model": copied(model.state_dict()), "snapshots": {}, "steps": 0}
        return Outcome(record, 0, 0.0), content
    task = PretrainTask(config, pixels, masks_or_labels, on)
    task.order.note_if_smaller(config.batch_size, label, watch)
    history, seconds = train(task, on.device, label, store, watch)
    # deviation E46: the last epoch is used, nothing is picked on the test set
    weights = copied(task.objective.networks["model"].state_dict())
    loss = {name: value for name, value in history[-1].items() if name != "epoch"}
    record |= {"loss": loss, "history": history, "epochs": len(history), "batch_size": task.order.batch_size}
    fresh = task.fresh_accuracy()
    if fresh is not None:
        record["game"] = {"accuracy": loss["discriminator_accuracy"], "fresh": fresh}
    content = {"model": weights, "snapshots": task.snapshots, "steps": task.epochs * task.steps_per_epoch}
    return Outcome(record, task.images, seconds), content
