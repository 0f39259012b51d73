"""Table 7: how well test images are reconstructed."""

import math
from collections.abc import Iterator

import pandas as pd

from patchvae.params.measuring import Sampling
from patchvae.params.types import Name, RowName, Some
from patchvae.report.tables import words
from patchvae.report.tables.config import File, Files, Report, Settings
from patchvae.report.tables.metrics import (
    Row,
    cells_of,
    collect,
    pretrain_epochs,
    read_paper_by_metric,
    stand_ins_of,
    summarise,
)
from patchvae.report.tables.sheet import sheet_of, side_by_side, texts_of

# Our metric -> the comparable column of the paper, whose PSNR is of normalised tensors (E60)
PAPER = {"psnr_normalised": "psnr", "fid": "fid", "ssim": "ssim"}
HEADINGS = {
    "psnr_normalised": "PSNR of normalised tensors (dB) ↑",
    "fid": "FID ↓",
    "ssim": "SSIM ↑",
    "psnr": "PSNR of [0, 1] images (dB) ↑",
}


class Config(Report, Sampling):
    dataset: Name
    variants: Some[RowName]


def reconstruction(content: Row) -> Iterator[Row]:
    """The similarities of images and their reconstructions."""
    for metric in ("psnr_normalised", "ssim", "psnr"):
        yield {"metric": metric, "value": content[metric], "test_images": content["count"]}


def distance(content: Row) -> Iterator[Row]:
    """The FID, or the reason why there is none."""
    row = {"metric": "fid", "value": content["fid"], "why": None, "test_images": content["count"]}
    if content["fid"] is None:
        row |= {"value": math.nan, "why": " ".join(str(content["why"]).split()), "test_images": None}
    yield row


def reasons(results: pd.DataFrame) -> list[str]:
    """A sentence for every FID that is missing."""
    distances = results[results.metric == "fid"]
    sentences: dict[str, list[str]] = {}
    for row in distances[distances.value.isna()].itertuples():
        some = bool(distances.value[distances.model == row.model].notna().any())
        name = words.display_name(row.model) + (f" (seed {row.seed})" if some else "")
        models = sentences.setdefault(row.why, [])
        models += [name] if name not in models else []
    return [f"No FID of {' and '.join(models)}: {why.rstrip('.')}." for why, models in sentences.items()]


def caption(config: Settings, results: pd.DataFrame, of_imagenet: bool) -> list[str]:
    dataset, name = config["dataset"], words.dataset_name(config["dataset"], stand_ins_of(results))
    epochs = pretrain_epochs(results, dataset)
    trained = "" if epochs is None else f" after {words.plural(epochs, 'epoch')} of pretraining"
    counts = results.groupby("metric").test_images.first()
    images = words.plural(int(counts["psnr"]), "test image")
    if counts.notna()["fid"] and counts["fid"] != counts["psnr"]:
        images += f" ({int(counts['fid']):,} for the FID)"
    text = [
        f"Run {config['run']}: reconstructions of {images} of {name}{trained},"
        f" {words.seeds(config)}; arrows point to the better side, bold: our best per column.",
        f"PSNR and SSIM are means over images of each image's own, not of the pooled error. {sampling(config)}",
    ]
    if not of_imagenet:
        return [*text, "The paper's Table 7 is of ImageNet, so none of its numbers stands here."]
    return [
        *text,
        "The paper's PSNR is too low for images in [0, 1], where constant grey has about 11 dB, and fits tensors"
        " normalised by mean and standard deviation with peak 1 (E60), so it stands beside ours of that kind; our"
        " PSNR of images in [0, 1], last, is not comparable with it."
        " Its numbers are at its own schedule, and it prints no settings of FID and SSIM (E61, E62).",
    ]


def sampling(config: Settings) -> str:
    """How the latents were drawn (E14)."""
    if not config["sample"]:
        return "Latents are their means."
    if config["temperature"] == "last":
        return "Latents are sampled, occurrences at the temperature of the last training step."
    return f"Latents are sampled, occurrences at temperature {config['temperature']}."


def report(config: Settings, paper_csv: File, metrics_files: Files) -> dict[str, str]:
    """Table 7, from a file of rule "reconstruct" and one of rule "fid" per variant and seed.

    paper_csv: columns model, psnr (dB), fid, ssim. An FID of null becomes an empty cell, and its `why` a sentence under
    the table. deviation E60: which PSNR is the paper's.
    """
    dataset = config["dataset"]
    readers = {"reconstruct": reconstruction, "fid": distance}
    cells = cells_of(rule=list(readers), model=config["variants"], dataset=[dataset], seed=config["seeds"])
    results = collect(metrics_files, readers, cells, whole=True)
    of_imagenet = words.of_imagenet(dataset, stand_ins_of(results))
    paper = read_paper_by_metric(paper_csv, PAPER, of_imagenet)
    models = words.in_order(paper.index.get_level_values("model"), config["variants"])
    table = summarise(results, {"model": models, "metric": list(HEADINGS)}, paper)
    table.insert(1, "dataset", dataset)
    parts = side_by_side(table, "model", "metric", HEADINGS, 3, words.display_name, lowest=["fid"])
    parts |= {"label": "table7", "corner": "Model", "notes": reasons(results), "wide": True}
    sheet = sheet_of(results, [dataset], caption(config, results, of_imagenet), "evaluation", scheduled=False, **parts)
    return texts_of(table, 3, sheet)
