"""The jobs of a run, from checked parameters."""

import itertools
from collections.abc import Iterator

from patchvae.config import Params, sweeps
from patchvae.variants import pretrained, raw, sources, sweep_tables, swept, weighted

PARAMETER_TABLES = ("table8", "table9", "table10", "table11", "table12")
# Figures of one PatchVAE, and what draws them
PARTS_FIGURES = {
    "figure1": "patchvae.report.teaser",
    "figure3": "patchvae.report.occurrence",
    "figure4": "patchvae.report.gallery",
    "figure5": "patchvae.report.swap",
}

Cell = tuple[str, str, str]  # data set, variant, regime


def table1_cells(params: Params) -> list[Cell]:
    """Fine-tuned cells of Table 1."""
    table = params["table1"]
    return list(itertools.product(table["datasets"], table["variants"], table["regimes"]))


def table2_cells(params: Params) -> list[Cell]:
    """Fine-tuned cells of Table 2, the supervised row last."""
    table = params["table2"]
    rows = [(table["dataset"], variant, table["regime"]) for variant in table["variants"]]
    return [*rows, (table["dataset"], table["supervised"], "none")]


def sweep_cells(params: Params, key: str) -> list[Cell]:
    """Fine-tuned cells of a sweep's table."""
    base, values = params["ablation_base"], params["ablations"][key]
    return [(d, swept(params, key, value), base["regime"]) for d, value in itertools.product(base["datasets"], values)]


def cells(params: Params) -> Iterator[Cell]:
    """Fine-tuned cells of all tables, some more than once."""
    yield from table1_cells(params)
    if params["table2"]:
        yield from table2_cells(params)
    for key in sweeps(params):
        yield from sweep_cells(params, key)


def models(params: Params) -> Iterator[tuple[str, str]]:
    """Every pretrained model that the run needs, as data set and variant, some more than once."""
    for dataset, variant, _ in cells(params):
        source = pretrained(params, dataset, variant)
        yield source["dataset"], source["variant"]
    if params["table7"]:
        yield from itertools.product([params["table7"]["dataset"]], params["table7"]["variants"])
    for block in filter(None, (params["parts"], params["figures"])):
        yield from itertools.product(block["datasets"], [block["variant"]])


def jobs(params: Params) -> Iterator[tuple[str, Params]]:
    """Every job of a run as (rule, wildcards), each once, none before what it needs."""
    run, seeds = params["run"], params["seeds"]
    needed = list(dict.fromkeys(models(params)))
    fine_tuned = list(dict.fromkeys(cells(params)))
    datasets = dict.fromkeys([*(d for d, _ in needed), *(d for d, _, _ in fine_tuned)])
    for dataset in dict.fromkeys(raw(params, dataset) for dataset in datasets):
        for name in sources(params, dataset):
            yield "download", {"dataset": dataset, "name": name}
    for dataset in datasets:
        made = params["datasets"][dataset]["format"] == "digit-scenes"
        yield "digit_scenes" if made else "prepare", {"dataset": dataset}
        if any(weighted(params, variant) for d, variant in needed if d == dataset):
            yield "masks", {"dataset": dataset}
    for (dataset, variant), seed in itertools.product(needed, seeds):
        yield "pretrain", {"run": run, "dataset": dataset, "variant": variant, "seed": seed}
    for (dataset, variant, regime), seed in itertools.product(fine_tuned, seeds):
        yield "finetune", {"run": run, "dataset": dataset, "variant": variant, "regime": regime, "seed": seed}
    yield from _measurements(params)
    yield from _reports(params)


def _measurements(params: Params) -> Iterator[tuple[str, Params]]:
    """Jobs that measure pretrained models in other ways than by fine-tuning."""
    run, seeds = params["run"], params["seeds"]
    if params["table7"]:
        yield "inception", {}
        for variant, seed in itertools.product(params["table7"]["variants"], seeds):
            wildcards = {"run": run, "dataset": params["table7"]["dataset"], "variant": variant, "seed": seed}
            yield "reconstruct", wildcards
            yield "fid", wildcards
    if params["parts"]:
        block = params["parts"]
        for dataset, seed in itertools.product(block["datasets"], seeds):
            yield "parts", {"run": run, "dataset": dataset, "variant": block["variant"], "seed": seed}


def _reports(params: Params) -> Iterator[tuple[str, Params]]:
    """Jobs that write tables and figures."""
    run = {"run": params["run"]}
    yield "table1", run
    if params["table2"]:
        yield "table2", run
    for table in sweep_tables(params):
        yield "sweep", run | {"table": table}
        yield "figure_sweep", run | {"table": table}
    if params["table7"]:
        yield "table7", run
    yield "parameter_tables", run
    if params["parts"]:
        yield "parts_table", run
    for dataset in params["figures"]["datasets"]:
        yield "figure_masks", run | {"dataset": dataset}
        for figure in PARTS_FIGURES:
            yield "figure_parts", run | {"dataset": dataset, "figure": figure}
