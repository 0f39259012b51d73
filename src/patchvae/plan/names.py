"""What a run pretrains, from checked parameters, and names that its other jobs have."""

import itertools
from collections.abc import Iterator

from patchvae.params.reading import Params, sweeps
from patchvae.params.variants import SUFFIXES, pretrained, swept

# Figures of one PatchVAE, and the modules that draw them
PARTS_FIGURES = {
    "figure1": "patchvae.report.figures.teaser",
    "figure3": "patchvae.report.figures.occurrence_maps",
    "figure4": "patchvae.report.figures.gallery",
    "figure5": "patchvae.report.figures.appearance_swap",
}

# Rows of the tables of few labels that have no network
FLOORS = ("pixels", "pixels-whitened")

# Tables that have fine-tunings made for them, besides those of swept keys
FINETUNED = ("table1", "table2", "lengths", "sensitivity", "scale_free")


def models(params: Params) -> Iterator[tuple[str, str]]:
    """Every pretrained model of the run, as data set and variant."""
    for table in ("table1", "table2"):
        for objective, names in params[table]["objectives"].items():
            for dataset, name in itertools.product(params[table]["datasets"], names):
                yield dataset, name + SUFFIXES[objective]
    labelled = params["table1"]["labelled"]
    yield from ((labelled["dataset"], variant) for variant in labelled["variants"])
    yield from itertools.product(params["parts"]["pretrained"], params["parts"]["variants"])
    for key, values in sweeps(params).items():
        for dataset, value in itertools.product(params["ablation_base"]["datasets"], values):
            variant = swept(params, key, value)
            if pretrained(params, dataset, variant)["variant"] == variant:
                yield dataset, variant
