"""What has to be the same, and what may differ, for the time of one job to tell another's."""

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from patchvae.config import Params
from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.models.sizes import REGIMES

KEPT_BYTES = 4 * 2**30  # finetune.CACHE_BYTES, which cannot be imported without PyTorch
PACKING = ("prepare", "digit_scenes", "masks")  # rules that make files of data/

Config = Mapping[str, Any]


class Images(NamedTuple):
    """How many images a data set has."""

    train: int
    labelled: int  # of those for training
    test: int


Counts = Callable[[str], Images | None]


class Work(NamedTuple):
    """How much a job does, to compare jobs of one kind: images of all its epochs, and their side in pixels.

    Both are 1 for a job whose time depends on neither.
    """

    images: float = 1.0
    side: int = 1

    @property
    def pixels(self) -> float:
        """What a job's time is taken to be proportional to."""
        return self.images * self.side**2


def kind(rule: str, wildcards: Config, config: Config, images: Images | None) -> str:
    """What has to be the same for one job's time to tell another's."""
    match rule:
        case "pretrain":
            model = config["model"]
            words = [f"pretrain {model['name']}, {model['backbone']}"]
            words += [f"statistics {model['statistics']}"] if "statistics" in model else []
            words += ["L_w"] if config.get("weighted_loss") else []
            words += [f"GAN, {config['gan']['generator_step']} step"] if config.get("gan") else []
            return ", ".join(words)
        case "finetune" | "rates":
            frozen = "features kept" if kept(config, images) else "frozen stages in each step"
            frozen = frozen if REGIMES[config["regime"]] else "nothing frozen"
            return f"finetune {config['regime']}, {config['backbone']}, {frozen}"
        case "probe":
            return f"probe, {config['backbone']}"
        case "few_labels" | "few_labels_pixels":
            return f"few labels, {config.get('backbone', config['variant'])}"
        case "reconstruct" | "fid":
            return f"{rule} {config['variant']}"
        case "prepare":
            return f"prepare {config['format']}"
        case "download":
            return f"download {wildcards['dataset']}"
        case "figure_parts":
            return f"draw {wildcards['figure']}"
    return rule


def kept(config: Config, images: Images | None) -> bool:
    """Whether a fine-tuning computes the frozen stages' features once, as they fit into memory."""
    cut = REGIMES[config["regime"]]
    if not cut or config["flip"] or config["frozen_batch_norm"] != "eval" or images is None:
        return False
    stride, channels = (4, 64) if cut < 3 else (8, 128)  # after the first stages of either backbone
    size = channels * (config["image_size"] // stride) ** 2 * (2 if config["precision"] == "bf16" else 4)
    return size * (images.train + images.test) <= KEPT_BYTES


def work(rule: str, config: Config, images: Images | None) -> Work | None:
    """How much a job does; None where nobody knows how many images there are."""
    side = config.get("image_size", 1)
    if rule in ("pretrain", "finetune", "rates"):
        if "epochs" in config:
            seen = images_per_epoch(rule, config, images)
            trainings = len(config["grid"]) if rule == "rates" else 1  # more where an end of the grid is best
            return None if seen is None else Work(trainings * config["epochs"] * seen, side)
        if config["model"]["statistics"] == "initial":  # the control whose weights are only drawn
            return Work()
    measured = ("probe", "few_labels", "few_labels_pixels", "reconstruct", "fid", "parts", "real_parts")
    counted = ("pretrain", *measured, *PACKING)
    if rule not in counted:
        return Work()
    if images is None:
        return None
    counts = {"pretrain": images.train, "masks": images.train, "probe": images.labelled + images.test}
    counts |= {"reconstruct": images.test, "fid": images.test}
    # FID's own network sees all images at one size, and packing reads them at the archive's.
    return Work(counts.get(rule, images.train + images.test), 1 if rule in ("fid", "prepare") else side)


def images_per_epoch(rule: str, config: Config, images: Images | None) -> int | None:
    """The images of one epoch of a training, as training.batches.Order has them."""
    if images is None:
        return None
    count = images.labelled if rule in ("finetune", "rates") or config.get("labels") else images.train
    if config.get("labels_per_class", "all") != "all":
        count = min(count, config["labels_per_class"] * config["num_classes"])
    count -= config.get("held_out", 0)
    batch = min(config["batch_size"], count)
    given = count if config["epoch_images"] == "dataset" else int(config["epoch_images"])
    if config.get("last_batch") == "keep":
        return given
    return max(given // batch, 1) * batch


def image_counts(root: Path, published: Path, params: Params) -> Counts:
    """How many images a data set has: scenes as the parameters say, others as packed, else as published.

    root: the project's folder; published: CSV of dataset, train, labelled, test.
    """
    with open(published, newline="", encoding="utf-8") as stream:
        known = {row["dataset"]: Images(*(int(row[key]) for key in Images._fields)) for row in csv.DictReader(stream)}
    scenes = {name: params["datasets"][name] for name in params["data"]["scenes"]}

    def counts(dataset: str) -> Images | None:
        if dataset in scenes:
            train, test = (scenes[dataset][f"{split}_images"] for split in ("train", "test"))
            return Images(train, train, test)
        path = root / "data/packed" / dataset / "manifest.json"
        if not path.is_file():
            return known.get(dataset)
        try:
            train, test = (read_json(path)["splits"][split] for split in ("train", "test"))
            return Images(train["count"], train.get("labelled", train["count"]), test["count"])
        except (KeyError, TypeError) as error:
            raise PatchVAEError(f"{path}: not the manifest of a packed data set") from error

    return counts
