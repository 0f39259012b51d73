"""Parameter counts beside the paper's (Tables 8-12)."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import torch
from torch import nn

from patchvae.models.generators import Decoder, GlobalDecoder
from patchvae.models.global_encoder import GlobalEncoder
from patchvae.models.patchvae import PatchEncoder
from patchvae.models.resnet import Backbone, count_parameters, head

# name: image side, classes (Sec. 4.1)
DATASETS = {"cifar100": (32, 100), "indoor67": (64, 67), "places205": (64, 205)}
NUM_PARTS, PART_DIM = 16, 6  # Tables 8-9; the global latents are as long as the patch code
LATENT_DIM = NUM_PARTS * PART_DIM


def networks(image_size: int, num_classes: int) -> dict[str, nn.Module]:
    """The networks of Tables 8-12 for one data set, with the paper's sizes; no memory is allocated for weights."""
    with torch.device("meta"):
        phi, backbone = "resnet9", Backbone("resnet9")
        stride, grid = backbone.stride, image_size // backbone.stride
        return {
            "beta-vae-encoder": GlobalEncoder(phi, image_size, LATENT_DIM, heads=2),
            "bigan-encoder": GlobalEncoder(phi, image_size, LATENT_DIM, heads=1),
            "patchvae-encoder": PatchEncoder(phi, NUM_PARTS, PART_DIM, detach_occurrence=True),
            "beta-vae-decoder": GlobalDecoder(LATENT_DIM, grid, stride),
            "bigan-decoder": GlobalDecoder(LATENT_DIM, grid, stride),
            "patchvae-decoder": Decoder(LATENT_DIM, stride),
            "classifier": nn.Sequential(backbone, head(backbone, image_size, num_classes, 512, True, 0.0, "flatten")),
        }


def counts() -> Iterator[tuple[str, str, int]]:
    """Network, data set and number of parameters."""
    for dataset, sizes in DATASETS.items():
        yield from ((network, dataset, count_parameters(module)) for network, module in networks(*sizes).items())


def write_csv(stream: TextIO, paper_csv: Path | None) -> None:
    """Write `network,dataset,params,paper`, the last from the paper's CSV (`network,dataset,params`) or empty."""
    paper = {}
    if paper_csv is not None:
        with open(paper_csv, newline="", encoding="utf-8") as table:
            paper = {(row["network"], row["dataset"]): row["params"] for row in csv.DictReader(table)}
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["network", "dataset", "params", "paper"])
    for network, dataset, count in counts():
        writer.writerow([network, dataset, count, paper.get((network, dataset), "")])
