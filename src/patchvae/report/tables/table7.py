"""Table 7: how well test images are reconstructed."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from patchvae.params.measuring import Sampling
from patchvae.params.types import Name, RowName, Some
from patchvae.report.tables.config import Report
from patchvae.report.tables.metrics import (
    Row,
    best,
    collect,
    pretrain_epochs,
    read_paper_by_metric,
    stand_ins_of,
    summarise,
)
from patchvae.report.tables.sheet import Sheet, side_by_side, texts_of, write_texts
from patchvae.report.tables.words import (
    dataset_name,
    demo_line,
    display_name,
    in_order,
    measured,
    of_imagenet,
    plural,
    seeds,
)

# Our metric -> the comparable column of the paper, whose PSNR is of normalised tensors (E60)
PAPER = {"psnr_normalised": "psnr", "fid": "fid", "ssim": "ssim"}
HEADINGS = {
    "psnr_normalised": "PSNR of normalised tensors (dB) ↑",
    "fid": "FID ↓",
    "ssim": "SSIM ↑",
    "psnr": "PSNR of [0, 1] images (dB) ↑",
}
CELL = ["rule", "model", "dataset", "seed"]


def reconstruction(content: Row) -> Iterator[Row]:
    """The similarities of images and their reconstructions."""
    for metric in ("psnr_normalised", "ssim", "psnr"):
        yield {"metric": metric, "value": content[metric], "test_images": content["count"]}


def distance(content: Row) -> Iterator[Row]:
    """The FID, or the reason why there is none."""
    if content["fid"] is None:
        why = " ".join(str(content["why"]).split())
        yield {"metric": "fid", "value": float("nan"), "why": why, "test_images": None}
    else:
        yield {"metric": "fid", "value": content["fid"], "why": None, "test_images": content["count"]}


def reasons(results: pd.DataFrame) -> list[str]:
    """A sentence for every FID that is missing."""
    distances = results[results.metric == "fid"]
    sentences: dict[str, list[str]] = {}
    for row in distances[distances.value.isna()].itertuples():
        some = bool(distances.value[distances.model == row.model].notna().any())
        name = display_name(row.model) + (f" (seed {row.seed})" if some else "")
        models = sentences.setdefault(row.why, [])
        models += [name] if name not in models else []
    return [f"No FID of {' and '.join(models)}: {why.rstrip('.')}." for why, models in sentences.items()]


class Table7(Report, Sampling):
    dataset: Name
    variants: Some[RowName]


def caption(config: Mapping[str, Any], results: pd.DataFrame) -> str:
    """The protocol behind the numbers, in plain sentences."""
    dataset, stand_ins = config["dataset"], stand_ins_of(results)
    epochs = pretrain_epochs(results, dataset)
    trained = "" if epochs is None else f" after {plural(epochs, 'epoch')} of pretraining"
    counts = results.groupby("metric").test_images.first()
    images = plural(int(counts["psnr"]), "test image")
    if counts.notna()["fid"] and counts["fid"] != counts["psnr"]:
        images += f" ({int(counts['fid']):,} for the FID)"
    text = [
        f"Run {config['run']}: reconstructions of {images} of {dataset_name(dataset, stand_ins)}{trained},"
        f" {seeds(config)}; arrows point to the better side, bold: our best per column.",
        f"PSNR and SSIM are means over images of each image's own, not of the pooled error. {sampling(config)}",
    ]
    if of_imagenet(dataset, stand_ins):
        text.append(
            "The paper's PSNR is too low for images in [0, 1], where constant grey has about 11 dB, and fits tensors"
            " normalised by mean and standard deviation with peak 1 (E60), so it stands beside ours of that kind; our"
            " PSNR of images in [0, 1], last, is not comparable with it."
            " Its numbers are at its own schedule, and it prints no settings of FID and SSIM (E61, E62)."
        )
    else:
        text.append("The paper's Table 7 is of ImageNet, so none of its numbers stands here.")
    return " ".join([*text, measured(results, "evaluation")])


def sampling(config: Mapping[str, Any]) -> str:
    """How the latents were drawn (E14)."""
    if not config["sample"]:
        return "Latents are their means."
    if config["temperature"] == "last":
        return "Latents are sampled, occurrences at the temperature of the last training step."
    return f"Latents are sampled, occurrences at temperature {config['temperature']}."


def write(
    config: Mapping[str, Any],
    paper_csv: Path | str,
    metrics_files: Sequence[Path | str],
    csv: Path | str,
    md: Path | str,
    tex: Path | str,
    html: Path | str,
) -> None:
    """Write Table 7 as tidy CSV, Markdown, LaTeX and HTML.

    config: run, seeds, dataset, variants, sample, temperature; paper_csv: columns model, psnr (dB), fid, ssim;
    metrics_files: one file of rule "reconstruct" and one of rule "fid" per variant and seed, in any order. An FID of
    null becomes an empty cell, and its `why` a sentence under the table. deviation E60: which PSNR is the paper's.
    Raises PatchVAEError naming the file that is wrong or the cell that is missing; then nothing is written.
    """
    dataset = config["dataset"]
    wanted = itertools.product(("reconstruct", "fid"), config["variants"], [dataset], config["seeds"])
    results = collect(metrics_files, {"reconstruct": reconstruction, "fid": distance}, CELL, list(wanted))
    paper = read_paper_by_metric(paper_csv, PAPER)
    stand_ins = stand_ins_of(results)
    if not of_imagenet(dataset, stand_ins):
        paper = paper.iloc[:0]
    models = in_order(list(paper.index.get_level_values("model")), config["variants"])
    table = summarise(results, paper, {"model": models, "metric": list(HEADINGS)})
    table.insert(1, "dataset", dataset)
    table["best"] = best(table, ["metric"], 3, lowest=["fid"])
    groups, texts = side_by_side(table, "model", "metric", HEADINGS, 3)
    sheet = Sheet(
        label="table7",
        warning=demo_line([dataset], stand_ins),
        caption=caption(config, results),
        corner="Model",
        groups=groups,
        rows=[[display_name(model), *cells] for model, cells in texts.items()],
        notes=reasons(results),
        wide=True,
    )
    write_texts(texts_of(table.drop(columns="best"), 3, sheet, csv, md, tex, html))
