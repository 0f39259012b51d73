"""Variants, sweeps and data sets: what a name in the parameters stands for."""

import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from patchvae.params.reading import Params, put, sweeps, swept_path

# What pretraining adds to a variant's name, by the list of `objectives` in which the variant stands
SUFFIXES = {"plain": "", "lw": "+lw", "gan": "-gan", "gan+lw": "-gan+lw", "bigan": "", "labels": "", "none": ""}
# Swept key: the column of the paper's values, which lie in paper/sweep_KEY.csv
SWEEPS = {"num_parts": "n_parts", "part_dim": "d_p", "occurrence_prior": "prior", "beta_occ": "beta_occ"}

EPOCHS = ".epochs="


class Variant(NamedTuple):
    """A row's name taken apart."""

    base: str  # key of `variants`
    gan: bool
    weighted: bool  # trained with L_w
    key: str | None = None  # the swept key with its value
    value: Any = None
    snapshot: int | None = None  # the epoch of its pretraining after which phi is taken; None: the last


def text_of(value: Any) -> str:
    """A swept value as it stands in names, the same for DVC and Snakemake."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def swept(params: Params, key: str, value: Any) -> str:
    """The variant with one value of a sweep."""
    return f"{params['ablation_base']['variant']}.{key}={text_of(value)}"


def objective_lists(params: Params) -> dict[str, list[tuple[str, str]]]:
    """The lists of pretrained variants by dotted key, as pairs of a variant and the row that it becomes."""
    return {
        f"{table}.objectives.{name}": [(variant, variant + SUFFIXES[name]) for variant in names]
        for table in ("table1", "table2")
        for name, names in params[table]["objectives"].items()
    }


def variants(params: Params) -> dict[str, Variant]:
    """All variants by name: rows of tables, and the values of sweeps."""
    known = {name: Variant(name, False, False) for name in params["variants"]}
    for key, names in objective_lists(params).items():
        objective = key.rpartition(".")[2]
        for base, name in names:
            known[name] = Variant(base, "gan" in objective.split("+"), "lw" in objective.split("+"))
    start = known[params["ablation_base"]["variant"]]
    for key, values in sweeps(params).items():
        for value in values:
            known[swept(params, key, value)] = start._replace(key=key, value=value)
    for name in params["lengths"]["variants"]:
        for epoch in params["pretrain"]["snapshots"]:
            known[shortened(name, epoch)] = known[name]._replace(snapshot=epoch)
    return known


def shortened(variant: str, epoch: int) -> str:
    """The name of a variant as it was after an epoch of its pretraining."""
    return f"{variant}{EPOCHS}{epoch}"


def model_settings(params: Params, dataset: str) -> Params:
    """A data set's `model` and `pretrain`: those of Table 2 for its data sets."""
    prefix = "table2_" if dataset in params["table2"]["datasets"] else ""
    return {key: params[prefix + key] for key in ("model", "pretrain")}


def for_variant(params: Params, dataset: str, variant: str) -> tuple[Params, Params]:
    """The parameters with a variant's swept value and a data set's `model` and `pretrain`, and the variant's block."""
    chosen, adjusted = variants(params)[variant], params
    if chosen.key is not None:
        adjusted = put(adjusted, swept_path(params, chosen.key), chosen.value)
    adjusted = adjusted | model_settings(adjusted, dataset)
    return adjusted, adjusted["variants"][chosen.base]


def pretrained(params: Params, dataset: str, variant: str) -> dict[str, str]:
    """Which pretraining a fine-tuning starts from: its data set and variant."""
    labelled = params["table1"]["labelled"]
    if variant in labelled["variants"]:
        return {"dataset": labelled["dataset"], "variant": variant}
    chosen = variants(params)[variant]
    if chosen.snapshot is not None:  # shares the whole training
        return {"dataset": dataset, "variant": variant.removesuffix(f"{EPOCHS}{chosen.snapshot}")}
    # A sweep over the fine-tuning shares one pretraining.
    shared = chosen.key is not None and swept_path(params, chosen.key)[0] == "finetune"
    return {"dataset": dataset, "variant": params["ablation_base"]["variant"] if shared else variant}


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


def packed(params: Params) -> list[str]:
    """Every data set that is packed for the run."""
    data = params["data"]
    return [*data["archives"], *data["shared"]["datasets"], *data["scenes"]]


def sources(params: Params, dataset: str) -> Params:
    """The sources of a data set by file name, without those that an overlay set to null."""
    return {name: source for name, source in params["datasets"][dataset]["sources"].items() if source}
