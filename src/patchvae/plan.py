"""The jobs of a run, from checked parameters."""

import itertools
from collections.abc import Iterator

from patchvae.config import Params, sweeps
from patchvae.variants import SUFFIXES, pretrained, shortened, swept

# Figures of one PatchVAE, and the modules that draw them
PARTS_FIGURES = {
    "figure1": "patchvae.report.figures.teaser",
    "figure3": "patchvae.report.figures.occurrence_maps",
    "figure4": "patchvae.report.figures.gallery",
    "figure5": "patchvae.report.figures.appearance_swap",
}

# Tables that have fine-tunings made for them, besides those of swept keys
FINETUNED = ("table1", "table2", "lengths", "sensitivity")

Cell = tuple[str, str, str, str]  # data set, variant, regime, head


def table1_cells(params: Params) -> list[Cell]:
    """Fine-tuned cells of Table 1."""
    table = params["table1"]
    rows = [*table["variants"], *table["labelled"]["variants"]]
    return list(itertools.product(table["datasets"], rows, table["regimes"], table["heads"]))


def table2_cells(params: Params) -> list[Cell]:
    """Fine-tuned cells of Table 2, the supervised row last; none without a data set."""
    table = params["table2"]
    rows = [*((variant, table["regime"]) for variant in table["variants"]), *((v, "none") for v in table["supervised"])]
    return [(dataset, variant, regime, table["head"]) for dataset in table["datasets"] for variant, regime in rows]


def sweep_cells(params: Params, key: str) -> list[Cell]:
    """Fine-tuned cells of a sweep; the row with the model's default value is in Table 1."""
    base, values = params["ablation_base"], params["ablations"][key]
    cells = itertools.product(base["datasets"], values)
    return [(dataset, swept(params, key, value), base["regime"], base["head"]) for dataset, value in cells]


def base_cells(params: Params) -> list[Cell]:
    """Cells of Table 1 that the sweeps' tables show too: the swept variant in their regime, on every data set."""
    base = params["ablation_base"]
    return [(dataset, base["variant"], base["regime"], base["head"]) for dataset in params["table1"]["datasets"]]


def shortened_rows(params: Params) -> list[str]:
    """Rows whose phi is a snapshot of an earlier epoch."""
    epochs = params["pretrain"]["snapshots"]
    return [shortened(variant, epoch) for variant in params["lengths"]["variants"] for epoch in epochs]


def length_cells(params: Params) -> list[Cell]:
    """Fine-tuned cells of shorter pretrainings; those of whole ones and of controls are in Table 1."""
    table = params["lengths"]
    return list(itertools.product(table["datasets"], shortened_rows(params), [table["regime"]], table["heads"]))


def sensitivity_cells(params: Params) -> list[Cell]:
    """Fine-tuned cells with other settings of the classifier; those with Table 1's heads are in Table 1."""
    table = params["sensitivity"]
    return list(itertools.product(table["datasets"], table["variants"], [table["regime"]], table["heads"]))


def cells(params: Params) -> Iterator[tuple[str, Cell, int]]:
    """Fine-tuned cells: the table that each is made for (one of FINETUNED or a swept key), the cell and the seed."""
    seeds = params["seeds"]
    tables = {"table1": table1_cells(params), "table2": table2_cells(params), "lengths": length_cells(params)}
    tables |= {key: sweep_cells(params, key) for key in sweeps(params)}
    for table, found in tables.items():
        yield from ((table, cell, seed) for cell, seed in itertools.product(found, seeds))
    yield from (("sensitivity", cell, seeds[0]) for cell in sensitivity_cells(params))


def probed(params: Params) -> Iterator[tuple[str, str]]:
    """Data set and row of every linear probe: the listed rows and the shorter pretrainings."""
    yield from itertools.product(params["probe"]["datasets"], params["probe"]["variants"])
    yield from itertools.product(params["lengths"]["datasets"], shortened_rows(params))


def models(params: Params) -> Iterator[tuple[str, str]]:
    """Every pretrained model of the run, as data set and variant."""
    for table in ("table1", "table2"):
        for objective, names in params[table]["objectives"].items():
            for dataset, name in itertools.product(params[table]["datasets"], names):
                yield dataset, name + SUFFIXES[objective]
    labelled = params["table1"]["labelled"]
    yield from ((labelled["dataset"], variant) for variant in labelled["variants"])
    yield from itertools.product(params["parts"]["pretrained"], params["parts"]["variants"])
    for key in sweeps(params):
        for dataset, variant, *_ in sweep_cells(params, key):
            if pretrained(params, dataset, variant)["variant"] == variant:
                yield dataset, variant


def jobs(params: Params) -> Iterator[tuple[str, Params]]:
    """Every job of a run except reports, as (rule, wildcards), each once and after the jobs that it needs."""
    run, seeds, data = params["run"], params["seeds"], params["data"]
    for dataset in data["archives"]:
        yield "download", {"dataset": dataset}
    for dataset in [*data["archives"], *data["shared"]["datasets"]]:
        yield "prepare", {"dataset": dataset}
    for dataset in data["scenes"]:
        yield "digit_scenes", {"dataset": dataset}
    for dataset in data["weighted"]:
        yield "masks", {"dataset": dataset}
    for (dataset, variant), seed in itertools.product(models(params), seeds):
        yield "pretrain", {"run": run, "dataset": dataset, "variant": variant, "seed": seed}
    for table, (dataset, variant, regime, head), seed in cells(params):
        wildcards = {"table": table, "regime": regime, "head": head, "variant": variant, "dataset": dataset}
        yield "finetune", {"run": run, **wildcards, "seed": seed}
    for (dataset, variant), seed in itertools.product(probed(params), seeds):
        yield "probe", {"run": run, "dataset": dataset, "variant": variant, "seed": seed}
    yield from _measurements(params)
    yield from _figures(params)


def _measurements(params: Params) -> Iterator[tuple[str, Params]]:
    """Jobs that measure pretrained models without fine-tuning them."""
    run, seeds, parts = params["run"], params["seeds"], params["parts"]
    for _ in params["table2"]["datasets"]:
        yield "inception", {}
    for dataset, variant, seed in itertools.product(params["table2"]["datasets"], params["table7"]["variants"], seeds):
        wildcards = {"run": run, "dataset": dataset, "variant": variant, "seed": seed}
        yield "reconstruct", wildcards
        yield "fid", wildcards
    for dataset, variant, seed in itertools.product(parts["datasets"], parts["variants"], seeds):
        yield "parts", {"run": run, "dataset": dataset, "variant": variant, "seed": seed}


def _figures(params: Params) -> Iterator[tuple[str, Params]]:
    """Jobs that draw figures from data and pretrained models."""
    run = {"run": params["run"]}
    for dataset in params["figures"]["datasets"]:
        yield "figure_masks", run | {"dataset": dataset}
        for figure in PARTS_FIGURES:
            yield "figure_parts", run | {"dataset": dataset, "figure": figure}
