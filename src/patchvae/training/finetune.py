"""Supervised fine-tuning of a classifier on a pretrained phi, in the regimes of Sec. 4.1."""

import logging
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from patchvae.data.tensors import open_array
from patchvae.errors import PatchVAEError
from patchvae.evaluation.bits import recorded_bits
from patchvae.files import read_json
from patchvae.hardware import autocast
from patchvae.jobs.run import Run, start
from patchvae.models.resnet import Classifier
from patchvae.models.scaling import Scaling
from patchvae.models.sizes import REGIMES
from patchvae.models.weights import backbone_weights, load_weights
from patchvae.params.classifying import Finetune
from patchvae.records import checkpoint
from patchvae.records.result import checked_result
from patchvae.records.results import FinetuneResult, RatesResult
from patchvae.seeding import seed_for
from patchvae.training.batches import Feed, Order, mirror
from patchvae.training.loop import Watch, train
from patchvae.training.optimizers import sgd

logger = logging.getLogger(__name__)

TEST_BATCH = 500  # images that are measured at a time
MAPS_BYTES = 2**28  # on a GPU, of the largest feature maps of the images that are measured at a time
CACHE_BYTES = 4 * 2**30  # the most that features of the frozen stages may take in main memory


class FinetuneTask:
    """The trained stages and the head on top of the frozen stages; see `loop.Task`.

    Without flips, the output of frozen stages in evaluation mode never changes: it is computed once and kept in memory.
    With flips, or where frozen BatchNorm statistics move (deviation E53), the stages run in every step. Whether the
    features are kept may change their last bits on a GPU, so it is the same bits again where as much memory is free.
    """

    def __init__(
        self,
        run: Run,
        config: Finetune,
        pretrained: dict[str, Any],
        lr: float | None = None,
        held_out: int = 0,
        cache: dict[str, Tensor] | None = None,
    ) -> None:
        """lr: by default config.lr; held_out: so many training images are left out and measured in place of the test
        images; cache: kept features of a task with the same phi.
        """
        self.run, self.config, self.device = run, config, run.device
        self.lr = float(config.lr if lr is None else lr)
        torch.manual_seed(seed_for(config.seed, "classifier"))
        network = Classifier(
            config.backbone,
            config.image_size,
            config.num_classes,
            config.hidden_dim,
            config.head_relu,
            config.head_dropout,
            config.head_pool,
            config.init,
        )
        weights = backbone_weights(pretrained, config.pretrained.snapshot)
        load_weights(network.backbone, weights, config.pretrained.variant)
        network.to(device=self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        stages, cut = list(network.backbone.stages()), REGIMES[config.regime]
        self.frozen = nn.Sequential(*stages[:cut]).requires_grad_(False)
        self.trained = nn.Sequential(*stages[cut:], network.head)
        if not config.train_batch_norm:
            for module in self.trained.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.requires_grad_(False)
        self.set_mode(training=True)
        parameters = [p for p in self.trained.parameters() if p.requires_grad]
        self.optimizer = sgd(parameters, self.lr, config.momentum, config.weight_decay)
        self.scaling = Scaling(config.input_scaling, self.device)
        self.pixels = {split: open_array(run.data / f"{split}_images.npy", self.device) for split in ("train", "test")}
        self.labels = {split: open_array(run.data / f"{split}_labels.npy", self.device) for split in ("train", "test")}
        labelled = chosen_images(self.labels["train"].cpu(), config.labels_per_class, config.seed)
        self.split, self.measured = "test", torch.arange(len(self.labels["test"]))
        if held_out:
            self.split = "train"
            labelled, self.measured = parted(labelled, held_out, config.seed)
        self.order = Order(
            labelled, config.batch_size, config.epoch_images, config.flip, config.seed, config.last_batch
        )
        self.epochs, self.steps_per_epoch = config.epochs, self.order.steps_per_epoch
        self.rates = self.rates_of_epochs()
        self.images = self.epochs * self.steps_per_epoch * self.order.batch_size
        self.right: Tensor | None = None
        self.batch = measured_at_a_time(config.image_size, self.device)
        self.cache: dict[str, Tensor] = cache or {}
        if not self.cache:
            if cut and not config.flip and config.frozen_batch_norm == "eval":
                self.fill_cache()
            if config.standardise:
                self.standardise()
        self.measured = self.measured.to(self.measured_rows().device)
        arrays = [self.cache.get("train", self.pixels["train"]), self.labels["train"]]
        self.feed = Feed(self.order, arrays, self.device)
        torch.manual_seed(seed_for(config.seed, "finetune"))

    def set_mode(self, training: bool) -> None:
        """Training or evaluation mode; frozen stages stay in evaluation mode unless their statistics move."""
        self.trained.train(training)
        self.frozen.train(training and self.config.frozen_batch_norm == "train")

    def fill_cache(self) -> None:
        """Compute the frozen stages' features (n, h, w, C) of both splits, if there is room for them."""
        sample = self.freeze(self.pixels["train"][:2])
        size = sample[0].numel() * sample.element_size() * sum(len(pixels) for pixels in self.pixels.values())
        if size > room_for_features(self.device):
            logger.info("%s: features of %.1f GB are not kept in memory", self.run.label, size / 1e9)
            return
        for split, pixels in self.pixels.items():
            kept = torch.empty((len(pixels), *sample.shape[1:]), dtype=sample.dtype, device=self.device)
            for first in range(0, len(pixels), self.batch):
                chosen = slice(first, first + self.batch)
                kept[chosen] = self.freeze(pixels[chosen])
            self.cache[split] = kept

    def standardise(self) -> None:
        """Give each kept feature mean 0 and deviation 1 over the training images; constant ones become 0.

        Raises PatchVAEError where features are not kept.
        """
        if not self.cache:
            raise PatchVAEError(f"{self.run.label}: standardise: the frozen features of this training are not kept")
        mean = self.cache["train"].double().mean(0)
        deviation = self.cache["train"].double().std(0, correction=0)
        scale = torch.where(deviation > 0, 1 / deviation, 0)
        for split, kept in self.cache.items():
            self.cache[split] = ((kept.double() - mean) * scale).to(kept.dtype)

    def freeze(self, pixels: Tensor) -> Tensor:
        """Output of the frozen stages for images (B, S, S, 3), its channels last: (B, h, w, C)."""
        with torch.no_grad(), autocast(self.device, self.run.precision):
            frozen: Tensor = self.frozen(self.scaling(pixels.to(self.device)))
        return frozen.permute(0, 2, 3, 1)

    def classify(self, rows: Tensor) -> Tensor:
        """Logits (B, classes) in float32 for rows of the cache, or of images without one."""
        features = rows if self.cache else self.freeze(rows)
        with autocast(self.device, self.run.precision):
            # The permuted view of an NHWC array is a channels-last tensor.
            logits: Tensor = self.trained(features.permute(0, 3, 1, 2))
        return logits.float()

    def rates_of_epochs(self) -> Tensor:
        """The learning rate of each epoch, on the device, in the precision that fused SGD takes there."""
        dtype = torch.float32 if self.device.type == "cuda" else torch.float64
        rates = [self.lr * 0.1 ** (epoch // self.config.decay_every) for epoch in range(self.epochs)]
        return torch.tensor(rates, dtype=dtype, device=self.device)

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

    def measured_rows(self) -> Tensor:
        """Features or images of the split whose images are measured."""
        return self.cache.get(self.split, self.pixels[self.split])

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Top-1 and top-5 accuracy on all measured images, percent; remembers which of them were right."""
        self.set_mode(training=False)
        rows, labels = self.measured_rows(), self.labels[self.split]
        found = []
        for index in self.measured.split(self.batch):
            with torch.no_grad():
                best = self.classify(rows[index]).topk(min(5, self.config.num_classes)).indices
            hits = best == labels[index.to(labels.device), None].to(self.device)
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


def measured_at_a_time(image_size: int, device: torch.device) -> int:
    """How many images of this side are measured in one batch: on a GPU few large batches, as launching costs most.

    On a CPU the number is fixed, as the last bits of a matrix product depend on it.
    """
    if device.type != "cuda":
        return TEST_BATCH
    return max(TEST_BATCH, MAPS_BYTES // (64 * 4 * (image_size // 2) ** 2))  # 64 maps of half the side in float32


def room_for_features(device: torch.device) -> int:
    """The bytes that kept features may take: half of what a card has free, or CACHE_BYTES of main memory."""
    return torch.cuda.mem_get_info(device)[0] // 2 if device.type == "cuda" else CACHE_BYTES


def chosen_images(labels: Tensor, per_class: int | str, seed: int) -> Tensor:
    """Indices (k,) of the labelled images among labels (n,): all, or `per_class` of each class, drawn from the seed.

    Raises PatchVAEError for a class that has fewer.
    """
    images = (labels >= 0).nonzero().flatten()
    if per_class == "all":
        return images
    number = int(per_class)
    generator = torch.Generator().manual_seed(seed_for(seed, "labels per class"))
    images = images[torch.randperm(len(images), generator=generator)]
    found = []
    for label in labels[images].unique():
        members = images[labels[images] == label]
        if len(members) < number:
            raise PatchVAEError(f"labels_per_class: {number}, but class {int(label)} has {len(members)} images")
        found.append(members[:number])
    return torch.cat(found).sort().values


def parted(images: Tensor, held_out: int, seed: int) -> tuple[Tensor, Tensor]:
    """Indices of labelled images (n,) to train on, and of `held_out` drawn ones to measure, both ascending.

    Raises PatchVAEError unless fewer are held out than there are.
    """
    if held_out >= len(images):
        raise PatchVAEError(f"held_out: {held_out}, but there are {len(images)} labelled training images")
    generator = torch.Generator().manual_seed(seed_for(seed, "held out"))
    shuffled = images[torch.randperm(len(images), generator=generator)]
    return shuffled[held_out:].sort().values, shuffled[:held_out].sort().values


def chosen_rate(path: Path | None, config: Finetune) -> float:
    """The rate in the metrics file of a job `rates`; raises PatchVAEError unless it is of the classifier of `config`.

    Its seed may be another one, as a rate is chosen once for all seeds.
    """
    if path is None:
        raise PatchVAEError("--rates: lr is chosen, which needs the file of the rates that were tried")
    content = read_json(path)
    if not isinstance(content, dict) or content.get("rule") != "rates":
        raise PatchVAEError(f"{path}: not the metrics of a job `rates`")
    found = checked_result(RatesResult, path, content)
    settings = found.config.given
    for key, value in config.given.items():
        if key not in ("seed", "epochs") and settings.get(key) != value:
            its = settings.get(key)
            raise PatchVAEError(f"{path}: rates of another classifier: its {key} is {its!r}, not {value!r}")
    return found.lr


def finetune(
    config: Finetune,
    data: Path,
    pretrained: Path,
    metrics: Path,
    scratch: Path,
    device: str = "auto",
    threads: int | None = None,
    watch: Watch | None = None,
    rates: Path | None = None,
) -> None:
    """Fine-tune one regime from one pretrained phi and write the metrics; a second call resumes an interrupted one.

    data: a packed data set; pretrained: a pretraining checkpoint of the same variant; watch: follows the training;
    rates: metrics of a job `rates`, where config.lr is `chosen`.
    Raises PatchVAEError for broken inputs, a checkpoint of another model, and NaN.
    """
    watch = watch or Watch()
    run = start("finetune", __name__, config, data, device, threads)
    content = checkpoint.load_phi(pretrained, config, run.digests)
    lr, chosen = config.lr, {}
    if lr == "chosen":
        lr = chosen_rate(rates, config)
        chosen = {"lr": lr}
    state_path = run.state_path(scratch, metrics, pretrained=content["sha256"], **chosen)
    task = FinetuneTask(run, config, content, lr)
    task.order.tell_if_clipped(config.batch_size, run.label, watch)
    training = train(task, state_path, run.device, run.label, run.machine, watch)
    history = training.history
    assert task.right is not None
    record = {
        "pretraining": checkpoint.pretraining_record(content, config.pretrained.snapshot),
        "split": "test",
        "count": run.counts["test"],
        "top1": last_and_best([record["test_top1"] for record in history]),
        "top5": last_and_best([record["test_top5"] for record in history]),
        "train_top1": history[-1]["train_top1"],
        "train_images": len(task.order.images),
        **recorded_bits(task.right[:, 0].cpu().numpy(), run.data),
        "history": history,
        "epochs": task.epochs,
        "batch_size": task.order.batch_size,
        **chosen,
    }
    run.finish(FinetuneResult, metrics, record, training.seconds, task.images, training.machines)


def last_and_best(accuracies: list[float]) -> dict[str, float | int]:
    """The last epoch's accuracy, and the best one with its epoch (deviation E54)."""
    best = max(range(len(accuracies)), key=accuracies.__getitem__)
    return {"last": accuracies[-1], "best": accuracies[best], "best_epoch": best + 1}
