"""Pretraining of one variant on one data set, without labels (Sec. 4.1) or with them for supervised rows."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from patchvae.data.tensors import open_array
from patchvae.errors import PatchVAEError
from patchvae.files import file_digest
from patchvae.hardware import autocast, memory_format
from patchvae.jobs.run import Run, start
from patchvae.models.factory import build_model
from patchvae.models.resnet import initialise
from patchvae.models.scaling import Scaling
from patchvae.params.kinds import KINDS
from patchvae.params.networks import Network
from patchvae.params.pretraining import Pretrain, Trained
from patchvae.records import checkpoint
from patchvae.records.digests import check_masks
from patchvae.records.results import PretrainResult
from patchvae.seeding import seed_for
from patchvae.training.batches import Feed, Order, mirror
from patchvae.training.loop import Training, Watch, train
from patchvae.training.objectives.objective import AdversarialObjective, Objective

STATISTICS_BATCH = 250
FRESH_STEPS = 200  # of a new discriminator against the finished networks


class PretrainTask:
    """Batches of one data set through one objective; see `loop.Task`.

    pixels: images (n, S, S, 3); masks_or_labels: weight masks (n, h, w, C), labels (n,), or None.
    """

    def __init__(
        self, config: Trained[Any], pixels: Tensor, masks_or_labels: Tensor | None, device: torch.device, precision: str
    ) -> None:
        self.epochs, self.seed = config.epochs, config.seed
        self.labels = getattr(config, "labels", None)  # "given" or "shuffled", for a kind that is trained with them
        images = torch.arange(len(pixels))
        if self.labels:
            assert masks_or_labels is not None
            images = (masks_or_labels >= 0).nonzero().flatten().cpu()
            if self.labels == "shuffled":
                masks_or_labels = shuffled(masks_or_labels, images, config.seed)
        self.order = Order(images, config.batch_size, config.epoch_images, config.flip, config.seed)
        self.feed = Feed(self.order, [pixels] if masks_or_labels is None else [pixels, masks_or_labels], device)
        self.steps_per_epoch = self.order.steps_per_epoch
        self.images = self.epochs * self.steps_per_epoch * self.order.batch_size
        self.scaling = Scaling(config.input_scaling, device)
        self.layout = memory_format(device, precision)
        model = seeded_model(config.model, config.image_size, config.seed)
        self.objective = objective_of(model, config, self.epochs * self.steps_per_epoch, device, precision)
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
        if not isinstance(self.objective, AdversarialObjective) or "discriminator" not in self.objective.networks:
            return None
        steps = self.epochs * self.steps_per_epoch
        batches = (self.scaling(mirror(*self.images_of(step))) for step in range(min(FRESH_STEPS, steps)))
        last = torch.tensor(steps - 1, device=self.objective.device)
        return self.objective.fresh_accuracy(batches, last, self.seed)

    def images_of(self, step: int) -> tuple[Tensor, Tensor | None]:
        """The images of a step, and which of them are mirrored."""
        (pixels, *_), flips = self.feed(step)
        return pixels, flips

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
    generator = torch.Generator().manual_seed(seed_for(seed, "shuffled labels"))
    dealt = labels.clone()
    dealt[images.to(labels.device)] = labels[images[torch.randperm(len(images), generator=generator)].to(labels.device)]
    return dealt


def objective_of(
    model: torch.nn.Module, config: Trained[Any], steps: int, device: torch.device, precision: str
) -> Objective:
    """The step of a model's kind, for a training of so many steps."""
    module = KINDS[config.model.name].objective
    assert module is not None
    objective: Objective = importlib.import_module(module).OBJECTIVE(model, config, steps, device, precision)
    return objective


def seeded_model(network: Network, image_size: int, seed: int) -> torch.nn.Module:
    """A model at its initial weights; phi starts the same in every variant of one seed."""
    torch.manual_seed(seed_for(seed, "model"))
    model = build_model(network, image_size)
    torch.manual_seed(seed_for(seed, "phi"))
    initialise(model.encoder.backbone, network.init)  # type: ignore[union-attr, arg-type]
    return model


@torch.no_grad()
def estimate_statistics(model: torch.nn.Module, pixels: Tensor, run: Run) -> None:
    """Give phi the BatchNorm statistics of one pass over images (n, S, S, 3); weights do not change."""
    backbone = model.encoder.backbone.to(run.device).train()  # type: ignore[union-attr]
    norms = [module for module in backbone.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # PyTorch's word for an average over all batches
    scaling = Scaling(run.config.input_scaling, run.device)
    order = Order(torch.arange(len(pixels)), STATISTICS_BATCH, "dataset", False, run.config.seed)
    feed = Feed(order, [pixels], run.device)
    for step in range(order.steps_per_epoch):
        (batch,), _ = feed(step)
        with autocast(run.device, run.precision):
            backbone(scaling(batch))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


def weighted(config: Pretrain[Any]) -> bool:
    """Whether a variant trains with L_w; some kinds have no such setting."""
    return bool(getattr(config, "weighted_loss", False))


def open_masks_or_labels(
    data: Path, masks: Path | None, config: Trained[Any], images: Tensor, device: torch.device
) -> Tensor | None:
    """Weight masks (n, h, w, C) for a variant with L_w, labels (n,) for one trained with labels, else None."""
    if config.model.name == "supervised":
        return open_array(data / "train_labels.npy", device)
    if not weighted(config):
        return None
    if masks is None:
        raise PatchVAEError(f"--masks: variant {config.variant} has weighted_loss and needs weight masks")
    weights = open_array(masks, device)
    if weights.ndim != 4 or len(weights) != len(images) or images.shape[2] % weights.shape[2]:
        raise PatchVAEError(f"{masks}: masks of shape {tuple(weights.shape)} do not fit images {tuple(images.shape)}")
    return weights


def pretrain(
    config: Pretrain[Any],
    data: Path,
    masks: Path | None,
    output: Path,
    metrics: Path,
    scratch: Path,
    device: str = "auto",
    threads: int | None = None,
    watch: Watch | None = None,
) -> None:
    """Train one variant, write its checkpoint and metrics; a second call resumes an interrupted one.

    data: a packed data set; masks: its weight masks or None; watch: follows the training. The
    checkpoint holds the weights (`model`), phi's at the epochs of `snapshots`, the number of `steps`, how the `game`
    with a discriminator ended, `config`, `code_sha256` and the digests of its data.
    Raises PatchVAEError for broken inputs and for NaN.
    """
    watch = watch or Watch()
    run = start("pretrain", __name__, config, data, device, threads, config.model.name)
    masks_sha256 = ""
    if weighted(config) and masks is not None:
        masks_sha256 = check_masks(masks, run.digests["data_sha256"]["train"])
    training, batch, seen, steps = Training([], 0.0, []), 0, 0, 0
    snapshots: dict[int, dict[str, Tensor]] = {}
    fresh: float | None = None
    task: PretrainTask | None = None
    images = open_array(data / "train_images.npy", run.device)
    if isinstance(config, Trained):
        state_path = run.state_path(scratch, metrics, masks=masks_sha256)
        masks_or_labels = open_masks_or_labels(data, masks, config, images, run.device)
        task = PretrainTask(config, images, masks_or_labels, run.device, run.precision)
        task.order.tell_if_clipped(config.batch_size, run.label, watch)
        training = train(task, state_path, run.device, run.label, run.machine, watch)
        model, steps, seen = task.objective.networks["model"], task.epochs * task.steps_per_epoch, task.images
        batch, snapshots = task.order.batch_size, task.snapshots
    else:
        model = seeded_model(config.model, config.image_size, config.seed)
        if config.model.statistics == "data":
            estimate_statistics(model, images, run)
    history = training.history
    loss = {name: value for name, value in history[-1].items() if name != "epoch"} if history else {}
    # deviation E46: the last epoch is used, nothing is picked on the test set
    content = {"model": copied(model.state_dict()), "snapshots": snapshots, "steps": steps, "config": config.given}
    if task is not None:
        fresh = task.fresh_accuracy()
    game = None if fresh is None else {"accuracy": loss["discriminator_accuracy"], "fresh": fresh}
    content |= {"game": game, "code_sha256": run.code, **run.digests}
    checkpoint.save(output, content)
    record = {"loss": loss, "history": history, "epochs": len(history), "batch_size": batch}
    record |= {"game": game, "masks_sha256": masks_sha256, "checkpoint_sha256": file_digest(output)}
    run.finish(PretrainResult, metrics, record, training.seconds, seen, training.machines)
