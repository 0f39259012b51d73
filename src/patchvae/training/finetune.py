"""Supervised fine-tuning of a classifier on a pretrained phi, in the regimes of Sec. 4.1."""

import logging
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from patchvae.errors import PatchVAEError
from patchvae.hardware import Place
from patchvae.models.resnet import Backbone, head, initialise
from patchvae.models.scaling import Scaling
from patchvae.models.sizes import REGIMES
from patchvae.models.weights import Weights, load_weights
from patchvae.params.classifying import Finetune, Rates
from patchvae.seeding import seed_for
from patchvae.training.batches import Feed, Order, mirror
from patchvae.training.labelled import Labelled, labelled_rows, of_each_class, parted
from patchvae.training.loop import Outcome, Store, Watch, train
from patchvae.training.optimizers import sgd

logger = logging.getLogger(__name__)

TEST_BATCH = 500  # images that are measured at a time; fixed on a CPU, as the last bits of matrix products depend on it
MAPS_BYTES = 2**28  # on a GPU, of the largest feature maps of the images that are measured at a time
CACHE_BYTES = 4 * 2**30  # the most that features of the frozen stages take in main memory; of a card, half its free one


class FinetuneTask:
    """The trained stages and the head on top of the frozen stages; see `loop.Task`.

    Without flips, the output of frozen stages in evaluation mode never changes: it is computed once and kept in memory.
    With flips, or where frozen BatchNorm statistics move (deviation E53), the stages run in every step. Whether the
    features are kept may change their last bits on a GPU, so it is the same bits again where as much memory is free.
    """

    def __init__(
        self, config: Finetune, phi: Weights, data: Labelled, on: Place, kept: dict[str, Tensor] | None = None
    ) -> None:
        """phi: its weights; kept: the `cache` of a task with the same phi.

        config: its rate is a number. Where it has `held_out`, as in a search for a rate, so many training images are
        left out and measured in place of the test images.
        """
        self.config, self.on, lr = config, on, float(config.lr)
        self.pixels, self.labels = data
        torch.manual_seed(seed_for(config.seed, "classifier"))
        backbone, sizes = Backbone(config.backbone), (config.image_size, config.num_classes, config.hidden_dim)
        top = head(backbone, *sizes, config.head_relu, config.head_dropout, config.head_pool)
        network = nn.Sequential(backbone, top)
        initialise(network, config.init)
        load_weights(backbone, phi, config.pretrained.variant)
        network.to(device=self.on.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        stages, cut = list(backbone), REGIMES[config.regime]
        self.frozen = nn.Sequential(*stages[:cut]).requires_grad_(False)
        self.trained = nn.Sequential(*stages[cut:], top)
        if not config.train_batch_norm:
            for module in self.trained.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.requires_grad_(False)
        self.set_mode(training=True)
        parameters = [p for p in self.trained.parameters() if p.requires_grad]
        self.optimizer = sgd(parameters, lr, config.momentum, config.weight_decay)
        self.scaling = Scaling(config.input_scaling, self.on.device)
        rows = labelled_rows(self.labels["train"])
        if config.labels_per_class != "all":
            number, key = int(config.labels_per_class), "labels_per_class"
            rows = of_each_class(self.labels["train"], number, config.num_classes, key, config.seed, "labels per class")
        self.split, self.measured = "test", torch.arange(len(self.labels["test"]))
        if isinstance(config, Rates):
            self.split = "train"
            rows, self.measured = parted(rows, config.held_out, config.seed, "held out")
        self.order = Order(rows, config.batch_size, config.epoch_images, config.flip, config.seed, config.last_batch)
        self.epochs, self.steps_per_epoch = config.epochs, self.order.steps_per_epoch
        # In the precision that fused SGD takes on the device
        dtype = torch.float32 if self.on.device.type == "cuda" else torch.float64
        rates = [lr * 0.1 ** (epoch // config.decay_every) for epoch in range(self.epochs)]
        self.rates = torch.tensor(rates, dtype=dtype, device=self.on.device)
        self.images = self.epochs * self.steps_per_epoch * self.order.batch_size
        self.right: Tensor | None = None
        self.batch = TEST_BATCH
        if self.on.device.type == "cuda":  # few large batches, as launching costs most; 64 maps of half the side
            self.batch = max(TEST_BATCH, MAPS_BYTES // (64 * 4 * (config.image_size // 2) ** 2))
        self.cache: dict[str, Tensor] = kept or {}
        if not self.cache:
            if cut and not config.flip and config.frozen_batch_norm == "eval":
                self.fill_cache()
            if config.standardise:
                self.standardise()
        self.rows = self.cache.get(self.split, self.pixels[self.split])  # of which some are measured
        self.measured = self.measured.to(self.rows.device)
        arrays = [self.cache.get("train", self.pixels["train"]), self.labels["train"]]
        self.feed = Feed(self.order, arrays, self.on.device)
        torch.manual_seed(seed_for(config.seed, "finetune"))

    def set_mode(self, training: bool) -> None:
        """Training or evaluation mode; frozen stages stay in evaluation mode unless their statistics move."""
        self.trained.train(training)
        self.frozen.train(training and self.config.frozen_batch_norm == "train")

    def fill_cache(self) -> None:
        """Compute the frozen stages' features (n, h, w, C) of both splits, if there is room for them."""
        sample = self.freeze(self.pixels["train"][:2])
        size = sample[0].numel() * sample.element_size() * sum(len(pixels) for pixels in self.pixels.values())
        device = self.on.device
        if size > (torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else CACHE_BYTES):
            logger.info("features of %.1f GB are not kept in memory", size / 1e9)
            return
        for split, pixels in self.pixels.items():
            kept = torch.empty((len(pixels), *sample.shape[1:]), dtype=sample.dtype, device=device)
            for first in range(0, len(pixels), self.batch):
                chosen = slice(first, first + self.batch)
                kept[chosen] = self.freeze(pixels[chosen])
            self.cache[split] = kept

    def standardise(self) -> None:
        """Give each kept feature mean 0 and deviation 1 over the training images; constant ones become 0.

        Raises PatchVAEError where features are not kept.
        """
        if not self.cache:
            raise PatchVAEError("standardise: the frozen features of this training are not kept")
        mean = self.cache["train"].double().mean(0)
        deviation = self.cache["train"].double().std(0, correction=0)
        scale = torch.where(deviation > 0, 1 / deviation, 0)
        for split, kept in self.cache.items():
            self.cache[split] = ((kept.double() - mean) * scale).to(kept.dtype)

    def freeze(self, pixels: Tensor) -> Tensor:
        """Output of the frozen stages for images (B, S, S, 3), its channels last: (B, h, w, C)."""
        with torch.no_grad(), self.on.autocast():
            return self.frozen(self.scaling(pixels.to(self.on.device))).permute(0, 2, 3, 1)

    def classify(self, rows: Tensor) -> Tensor:
        """Logits (B, classes) in float32 for rows of the cache, or of images without one."""
        features = rows if self.cache else self.freeze(rows)
        with self.on.autocast():
            # The permuted view of an NHWC array is a channels-last tensor.
            return self.trained(features.permute(0, 3, 1, 2)).float()

    def prepare(self, step: int) -> int:
        return self.feed.prepare(step)

    def step(self, step: Tensor) -> dict[str, Tensor]:
        (rows, labels), flips = self.feed.rows(step)
        rate = self.rates.index_select(0, (step // self.steps_per_epoch).view(1)).squeeze(0)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        logits = self.classify(mirror(rows, flips))
        loss = F.cross_entropy(logits, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        correct = (logits.detach().argmax(1) == labels).float().mean()
        return {"loss": loss, "train_top1": 100 * correct}

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Top-1 and top-5 accuracy on all measured images, percent; remembers which of them were right."""
        self.set_mode(training=False)
        labels, found = self.labels[self.split], []
        for index in self.measured.split(self.batch):
            with torch.no_grad():
                best = self.classify(self.rows[index]).topk(min(5, self.config.num_classes)).indices
            hits = best == labels[index.to(labels.device), None].to(self.on.device)
            found.append(torch.stack([hits[:, 0], hits.any(1)], dim=1))
        self.right = torch.cat(found).cpu()  # (n, 2): among the best one, among the best five
        self.set_mode(training=True)
        top1, top5 = (100 * count / len(self.right) for count in self.right.sum(0).tolist())
        return {"test_top1": top1, "test_top5": top5}

    def tensors(self) -> list[Tensor]:
        return list(self.trained.parameters())

    def state(self) -> dict[str, Any]:
        return {
            "frozen": self.frozen.state_dict(),
            "trained": self.trained.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "right": self.right,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.frozen.load_state_dict(state["frozen"])
        self.trained.load_state_dict(state["trained"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.right = state["right"]


def fit(
    config: Finetune, phi: Weights, data: Labelled, on: Place, label: str, store: Store, watch: Watch
) -> tuple[Outcome, Tensor]:
    """Fine-tune one regime from one pretrained phi, or go on with what `store` keeps.

    config: as for `FinetuneTask`; label, store, watch: as for `train`. The outcome comes with which test images were
    right after the last epoch, (n,) bool.
    Raises PatchVAEError for weights of another phi, too few labels, and NaN.
    """
    task = FinetuneTask(config, phi, data, on)
    task.order.note_if_smaller(config.batch_size, label, watch)
    history, seconds = train(task, on.device, label, store, watch)
    assert task.right is not None
    record = {
        "top1": last_and_best([epoch["test_top1"] for epoch in history]),
        "top5": last_and_best([epoch["test_top5"] for epoch in history]),
        "train_top1": history[-1]["train_top1"],
        "train_images": len(task.order.images),
        "history": history,
        "epochs": task.epochs,
        "batch_size": task.order.batch_size,
    }
    return Outcome(record, task.images, seconds), task.right[:, 0]


def last_and_best(accuracies: list[float]) -> dict[str, float | int]:
    """The last epoch's accuracy, and the best one with its epoch (deviation E54)."""
    best = max(range(len(accuracies)), key=accuracies.__getitem__)
    return {"last": accuracies[-1], "best": accuracies[best], "best_epoch": best + 1}
