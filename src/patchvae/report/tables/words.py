"""Words of tables: names of models, data sets and regimes, and the sentences of captions."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import pandas as pd

# Without pretraining; last in every table.
CONTROLS = {"random": "Random φ (control)", "random+bn": "Random φ, BatchNorm of the data (control)"}
CONTROL, PLAIN_CONTROL = "random+bn", "random"  # no pretraining: where every line begins, and a separate row
PROBE_HEAD = "probe"  # in place of a head where the linear probe is beside the classifiers
# The classifiers of params.yaml by key: the name as printed, and what it is, for where it first stands.
HEADS = {
    "table12": ("Table 12 + ReLU", "the paper's Table 12, and between its two layers a ReLU that is not in it"),
    "dropout": ("dropout", "Table 12 + ReLU with the authors' dropout and nothing else of theirs"),
    "linear": ("Table 12 as printed", "the two linear layers without a ReLU, so a linear classifier"),
    "authors-rate": (
        "authors' rate and batch",
        "Table 12 + ReLU at the learning rate and batch size of the authors' code",
    ),
    "authors-norm": (
        "authors' BatchNorm",
        "Table 12 + ReLU with φ's BatchNorm in training mode, as in the authors' code",
    ),
    "standardised": ("standardised", "Table 12 + ReLU on features of mean 0 and deviation 1 over the training images"),
    "standardised-dropout": ("standardised + dropout", "standardised features and dropout"),
    "tuned": ("tuned rate", "Table 12 + ReLU at a learning rate chosen for each row"),
    PROBE_HEAD: ("linear probe", "ridge regression on the features, in closed form"),
}
MODELS = {"beta-vae": "β-VAE", "patchvae": "PatchVAE", "bigan": "BiGAN"}
SHUFFLED = "shuffled"
# Their φ saw labels: printed beside the others, never the best among them.
LABELLED = {
    "imagenet-pretrained": "ImageNet-pretrained φ",
    "supervised": "Supervised",
    "labelled": "φ pretrained with its labels (control)",
    SHUFFLED: "φ pretrained with shuffled labels (control)",
}
DATASETS = {
    "cifar100": "CIFAR-100",
    "indoor67": "Indoor67",
    "places205": "Places205",
    "imagenet": "ImageNet",
    "imagenet64": "ImageNet at 64×64",
}
IMAGENET = ("imagenet", "imagenet64")  # ImageNet's images at whatever size
REGIMES = {"conv1": "Conv1", "conv1-3": "Conv[1-3]", "conv1-5": "Conv[1-5]"}
WHEN = {"last": "after the last epoch", "best": "at the epoch that is best on the test set (optimistic)"}


def display_name(model: str) -> str:
    """A model's name as in the paper's tables: `beta-vae-gan+lw` -> `β-VAE-GAN + L_w`."""
    if model in CONTROLS | LABELLED:
        return (CONTROLS | LABELLED)[model]
    stem, plus, _ = model.partition("+lw")
    stem, gan, _ = stem.partition("-gan")
    name = MODELS.get(stem)
    # A user's variant keeps the name of its key in params.yaml.
    if name is None or model != stem + gan + plus:
        return model
    return name + ("-GAN" if gan else "") + (" + L_w" if plus else "")


def short_name(model: str) -> str:
    """A short name of a model: `random+bn` -> `Random φ + BN`."""
    return "Random φ + BN" if model == CONTROL else display_name(model).removesuffix(" (control)")


def in_order(paper: Iterable[str], ours: Iterable[str]) -> list[str]:
    """The models in the paper's order, then all others, the controls last."""
    models = dict.fromkeys([*paper, *ours])
    return [m for m in models if m not in CONTROLS] + [m for m in CONTROLS if m in models]


def dataset_name(dataset: str, stand_ins: Collection[str]) -> str:
    """A data set's name as printed; stand-ins are marked."""
    return f"{dataset} (demo)" if dataset in stand_ins else DATASETS.get(dataset, dataset)


def of_imagenet(dataset: str, stand_ins: Collection[str]) -> bool:
    """Whether a table's data set is ImageNet, as in the paper's Tables 2 and 7, and no stand-in."""
    return dataset == "imagenet" and dataset not in stand_ins


def regime_name(regime: str) -> str:
    """What is frozen, as in the paper's tables."""
    return REGIMES.get(regime, regime)


def demo_line(datasets: Sequence[str], stand_ins: Collection[str]) -> str:
    """The warning for stand-ins, or nothing."""
    named = ", ".join(dataset for dataset in datasets if dataset in stand_ins)
    return f"DEMO on stand-in data - not comparable with the paper ({named})." if named else ""


def head_name(head: str) -> str:
    """A classifier's name as printed; a user's own keeps its key in params.yaml."""
    return HEADS[head][0] if head in HEADS else head


def defined(head: str) -> str:
    """A classifier's name with what it is in parentheses, for where it first stands."""
    return f"{HEADS[head][0]} ({HEADS[head][1]})" if head in HEADS else head


def head_notes(heads: Iterable[str]) -> list[str]:
    """A sentence per classifier of params.yaml that says what it is, for captions."""
    return [f"Classifier {HEADS[head][0]}: {HEADS[head][1]}." for head in heads if head in HEADS]


def as_number(value: Any) -> float:
    """A value as a number to sort by, also of a fraction such as `1/16`; a word comes after all numbers."""
    try:
        return float(Fraction(str(value)))
    except (ValueError, ZeroDivisionError):
        return math.inf


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`, or nothing of none."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def plural(count: int, thing: str) -> str:
    """`1 epoch`, `2 epochs`, `10,000 images`."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def seeds(config: Mapping[str, Any]) -> str:
    """How many seeds a cell has, and what it prints of them."""
    count = len(config["seeds"])
    return plural(count, "seed") + (", mean ± sample standard deviation" if count > 1 else "")


def bold(models: pd.Series, of: str = "column") -> str:
    """What bold means in a table with these models; of: the part that has one bold cell."""
    aside = " among φ trained without labels" if models.isin(list(LABELLED)).any() else ""
    return f"bold: our best per {of}{aside}"


def measured(results: pd.DataFrame, what: str) -> str:
    """The machines, the code and the time behind all numbers of a table."""
    files = results.drop_duplicates("file")
    commits = sorted(set(files.commit.dropna()))
    code = " at commit " + ", ".join(text.replace("+", " (edited)") for text in commits) if commits else ""
    machines = "; ".join(dict.fromkeys(files.device + ", " + files.precision))
    minutes = files.seconds.sum() / 60
    time = f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
    return f"Measured on {machines}{code}; {what} took {time} in all."
