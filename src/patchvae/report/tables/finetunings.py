"""Accuracies after fine-tuning, from which Tables 1 to 6 are made."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from patchvae.evaluation.bits import unpacked_bits
from patchvae.params.reading import get
from patchvae.report.tables import words
from patchvae.report.tables.config import Files, Settings
from patchvae.report.tables.metrics import Row, cells_of, collect, pretrain_epochs, stand_ins_of

CELL = ["model", "dataset", "regime", "head", "seed"]
LEARNING: dict[str, tuple[str, str]] = {
    "last_mean": ("last", "mean"),
    "best_mean": ("best", "mean"),
    "train_mean": ("train_top1", "mean"),
    "epochs": ("epochs", "first"),
}
METRICS = {"top1": (1, "top-1"), "top5": (5, "top-5")}
BY_HEART = 99.9  # percent
BY_HEART_NOTE = f"†: training accuracy of {BY_HEART} % or more: it has learned its images by heart."
CHANCE, FRESH = (45, 55), 60  # percent: a discriminator at chance, and what a new one must exceed
DEAD_NOTE = (
    "‡: the game with the discriminator was dead when pretraining ended: it told real from made images no better than"
    f" chance, though a new one is right in more than {FRESH} %."
)
UNTOLD = "base"  # in place of a swept key's value that metrics files do not hold


def value_of(content: Row, key: str) -> str:
    """A swept key's value as text, from the pretrained model or the fine-tuning; UNTOLD where neither has it.

    key: as in `ablations` of params.yaml, a key of a variant or of `model`, or a dotted path such as `finetune.lr`.
    """
    block, *path = key.split(".")
    model = content["pretraining"]["model"]
    settings = content["config"] if block == "finetune" else model
    try:
        value = get(settings, path if block in ("model", "finetune") else [block, *path])
    except (KeyError, TypeError):
        return UNTOLD
    return f"1/{model['num_parts']}" if value == "1/N" else str(value)  # as a number, to be sorted


def accuracies(
    select: str, metrics: Sequence[str] = ("top1",), key: str | None = None
) -> Callable[[Row], Iterator[Row]]:
    """A reader for `collect`: one row per metric (`top1`, `top5`), its value at the epoch that `select` names.

    `right` is that of `right_images` if this is the last epoch, else None; with a swept key, its value is `swept`.
    """

    def rows(content: Row) -> Iterator[Row]:
        common = {key: content[key] for key in ("regime", "head", "epochs")}
        common["train_top1"] = content["history"][-1]["train_top1"]
        common["dead"] = dead(content["pretraining"]["game"])
        common |= {"num_classes": content["config"]["num_classes"], "test_images": content["count"]}
        right = right_images(content, content["top1"]["last"])
        common["right"] = right if select == "last" else None
        if key is not None:
            common["swept"] = value_of(content, key)
        for metric in metrics:
            percent = {key: content[metric][key] for key in ("last", "best")}
            yield {**common, **percent, "metric": metric, "value": percent[select]}

    return rows


def right_images(content: Row, top1: float) -> np.ndarray | None:
    """Which test images a classifier got right, as booleans (count,) in the order `bits.BY_DIGEST`.

    None where that was not recorded. Raises ValueError unless they are the packed bits of all images, of which `top1`
    percent are true.
    """
    if "right" not in content:
        return None
    right = unpacked_bits(content["right"], content["count"])
    said = round(top1 * content["count"] / 100)
    if right.sum() != said:
        raise ValueError(f"right holds {right.sum()} images, but its top-1 accuracy says {said}")
    return right


def dead(game: Mapping[str, float] | None) -> bool:
    """Whether a discriminator had given up, by the record of its game with the generator (None: no game)."""
    return game is not None and CHANCE[0] <= game["accuracy"] <= CHANCE[1] and game["fresh"] > FRESH


def marks(results: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """The marks beside a cell's number, by (model, dataset, regime, head): `†`, `‡`, both or none."""
    cells = results.groupby(CELL[:-1])
    by_heart, gone = cells.train_top1.mean() >= BY_HEART, cells.dead.any()
    return (by_heart.map({True: "†", False: ""}) + gone.map({True: "‡", False: ""})).to_dict()


def notes(found: Iterable[str]) -> list[str]:
    """The sentences that explain the marks of a table."""
    said = "".join(found)
    return [note for mark, note in (("†", BY_HEART_NOTE), ("‡", DEAD_NOTE)) if mark in said]


def collect_accuracies(config: Settings, files: Files) -> pd.DataFrame:
    """The top-1 accuracies of Table 1 that were run; see `collect`."""
    lists = {"model": "variants", "dataset": "datasets", "regime": "regimes", "head": "heads", "seed": "seeds"}
    cells = cells_of(**{column: config[key] for column, key in lists.items()})
    return collect(files, {"finetune": accuracies(config["select"])}, cells)


def selection(config: Settings) -> str:
    """Which epoch and how many seeds the numbers of a table are from."""
    return f"{words.WHEN[config['select']]}, {words.seeds(config)}"


def schedules(results: pd.DataFrame, datasets: Sequence[str]) -> list[str]:
    """A sentence per data set with results: epochs of training, number of test images, and chance.

    Then one per φ that was pretrained with labels: on which other data set, or for how many epochs. Results of probes
    have NaN for the epochs of fine-tuning; scores that are no accuracies have no column `num_classes`.
    """
    sentences, stand_ins = [], stand_ins_of(results)
    for dataset in datasets:
        cells = results[results.dataset == dataset]
        if cells.empty:
            continue
        before, after = pretrain_epochs(results, dataset), cells.get("epochs", pd.Series(dtype=float)).dropna()
        trained = [] if before is None else [f"{words.plural(before, 'epoch')} of pretraining"]
        if len(after):
            count = int(after.iloc[0])
            trained.append(f"{count if trained else words.plural(count, 'epoch')} of fine-tuning")
        said = [" and ".join(trained), words.plural(int(cells.test_images.iloc[0]), "test image")]
        if "num_classes" in cells:
            classes = int(cells.num_classes.iloc[0])
            chances = [f"{100 * METRICS[metric][0] / classes:.2f} %" for metric in dict.fromkeys(cells.metric)]
            said.append(f"chance {' and '.join(chances)}")
        sentences.append(f"{words.dataset_name(dataset, stand_ins)}: {', '.join(filter(None, said))}.")
    elsewhere = results[results.pretrained_on.notna() & (results.pretrained_on != results.dataset)]
    for row in elsewhere.drop_duplicates(["model", "pretrained_on"]).itertuples():
        aside = "" if row.pretrained_on in words.IMAGENET and not row.pretrained_stand_in else ", not of ImageNet"
        name = words.dataset_name(row.pretrained_on, stand_ins)
        sentences.append(f"{words.display_name(row.model)}: pretrained with the labels of {name}{aside}.")
    here = results[(results.pretrained_on == results.dataset) & (results.pretrain_epochs > 0)]
    here = here[here.model.isin(list(words.LABELLED))].drop_duplicates(["model", "pretrain_epochs"])
    for row in here.itertuples():
        epochs = words.plural(row.pretrain_epochs, "epoch")
        sentences.append(f"{words.display_name(row.model)}: {epochs} of pretraining.")
    return sentences
