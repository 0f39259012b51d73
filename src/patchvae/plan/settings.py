"""Where each setting of a job comes from: one table, from which the complete configuration of any job is made."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.params.reading import Params
from patchvae.params.variants import SWEEPS, for_variant, pretrained, sources, swept, text_of, variants


class Context(NamedTuple):
    """What a configuration is made from.

    run: the parameters; params: the same with the variant's swept value, and on Table 2's data set with its sizes and
    pretraining; names: the wildcards, and of a job on a variant its `base`, the key of `variants`, and its `kind` of
    model.
    """

    run: Params
    params: Params
    names: Mapping[str, Any]


# ---- settings that are no value of params.yaml


def _deterministic(context: Context) -> Params:
    """`deterministic`, left out where it is true: a GPU's choice of algorithm makes no other result."""
    return {} if context.params["deterministic"] else {"deterministic": False}


def _sources(context: Context) -> Params:
    return {"sources": sources(context.run, context.names["dataset"])}


def _model(context: Context) -> Params:
    return {"model": _made([*NETWORK, *NETWORKS[context.names["kind"]]], context)}


def _training(context: Context) -> Params:
    return _made(TRAININGS[context.names["kind"]], context)


def _objective(context: Context) -> Params:
    """Whether the row is trained with L_w, and its adversarial term."""
    chosen = variants(context.run)[context.names["variant"]]
    return {"weighted_loss": chosen.weighted, "gan": context.params["gan"] if chosen.gan else None}


def _labels(context: Context) -> Params:
    """The labels of a pretraining, which may have a length of its own."""
    block = context.params["variants"][context.names["base"]]
    length = {} if block["epochs"] == "dataset" else {"epochs": block["epochs"], "snapshots": []}
    return {"labels": block["labels"], **length}


def _phi(context: Context) -> Params:
    """The pretraining that phi comes from, and its epoch."""
    variant = context.names["variant"]
    origin = pretrained(context.run, context.names["dataset"], variant)
    return {"pretrained": {**origin, "snapshot": variants(context.run)[variant].snapshot}}


def _compared_heads(context: Context) -> Params:
    """The heads beside the first of Table 1, and what each of them sets."""
    heads = [*context.params["table1"]["heads"], *context.params["sensitivity"]["heads"]]
    return {"heads": heads[1:], "settings": {head: context.params["heads"][head] for head in heads}}


def _swept(context: Context) -> Params:
    """The variants of a sweep by value, and the column of the paper's values."""
    key = context.names["key"]
    named = {text_of(value): swept(context.run, key, value) for value in context.run["ablations"][key]}
    return {"variants": named, "paper_column": SWEEPS.get(key)}


# ---- the table

# `block.key` is a value of params.yaml and a setting of the same name; `block.*` all keys of a block but `model`, the
# kind of a variant; `name: block.key` a setting of another name; `block.key.0` the first of a list, `a + b` two lists,
# `[{name}]` a list of one. `{name}` is the job's own (see Context). A function gives what is computed. Later ones win.
Setting = str | Callable[[Context], Params]


def keys(block: str, *names: str) -> list[Setting]:
    """Settings of a block."""
    return [f"{block}.{name}" for name in names]


OWN = "datasets.{dataset}"
PACKED = ["{dataset}", *keys(OWN, "format", "image_size", "num_classes")]
PATCHES = f"patch_size: {OWN}.mask_patch_size"
IMAGES = ["{dataset}", *keys(OWN, "image_size", "stand_in"), "input_scaling", "precision", _deterministic]
MEASURED = [*IMAGES, "{variant}", "{seed}"]  # all else about the model is in its checkpoint
ON_PHI = [*MEASURED, _phi, f"{OWN}.num_classes", "model.backbone"]
CLASSIFIER = [f"{OWN}.flip", "model.head_pool", "init", f"epochs: {OWN}.finetune_epochs", "finetune.*"]
FINETUNE = [*ON_PHI, "{regime}", "{head}", *CLASSIFIER, "heads.{head}.*"]
DRAWS = keys("few_labels", "per_class", "draws", "lambdas")
RUN: list[Setting] = ["run", "seeds"]
SELECTED = [*RUN, "select"]
ROWS = "variants: table1.variants + table1.labelled.variants"
TABLE1 = [*SELECTED, ROWS, *keys("table1", "datasets", "regimes", "heads")]
TABLE2 = "dataset: table2.datasets.0"
DATASET = "datasets: [{dataset}]"
FIRST_SEED = "seed: seeds.0"
ALL_HEADS = "heads: scale_free.heads + scale_free.tuned"

SETTINGS: dict[str, list[Setting]] = {
    "download": ["{dataset}", _sources],
    "prepare": [*PACKED, f"{OWN}.max_undecodable"],
    "digit_scenes": [*PACKED, *keys(OWN, "train_images", "test_images", "seed")],
    "masks": [f"{OWN}.image_size", PATCHES, "masks.*"],
    "pretrain": [*MEASURED, f"{OWN}.flip", _model, _training],
    "finetune": FINETUNE,
    "rates": [*FINETUNE, "rates.*"],
    "probe": [*ON_PHI, "ridge.*"],
    "few_labels": [*ON_PHI, "ridge.pool", *DRAWS],
    "few_labels_pixels": [
        *IMAGES,
        "variant: {floor}",
        "{seed}",
        f"{OWN}.num_classes",
        *DRAWS,
        "few_labels.whitened_variance",
    ],
    "reconstruct": [*MEASURED, "reconstruction.*"],
    "inception": ["inception.*"],
    "fid": [*MEASURED, "reconstruction.*"],
    "parts": MEASURED,
    "real_parts": [*MEASURED, "real_parts.reference", "part_measures.*", "drawing.crop_cells", "ridge.pool"],
    "table1": TABLE1,
    "claims": TABLE1,
    "decision": SELECTED,
    "probe_table": [*RUN, DATASET, "probe.variants"],
    "few_labels_table": ["run", FIRST_SEED, DATASET, *keys("few_labels", "variants", "per_class")],
    "lengths": [*SELECTED, DATASET, *keys("lengths", "variants", "regime", "heads"), "epochs: pretrain.snapshots"],
    "sensitivity": [
        "run",
        FIRST_SEED,
        "select",
        DATASET,
        *keys("sensitivity", "variants", "regime"),
        "base_head: table1.heads.0",
        _compared_heads,
    ],
    "scale_free": [*SELECTED, DATASET, *keys("scale_free", "variants", "regime", "tuned"), ALL_HEADS],
    "table2": [*SELECTED, TABLE2, "supervised: table2.supervised.0", *keys("table2", "variants", "regime", "head")],
    "sweep": [*SELECTED, "{key}", _swept, *keys("ablation_base", "variant", "regime", "head", "datasets")],
    "table7": [*RUN, TABLE2, "table7.variants", "reconstruction.*"],
    "parameter_tables": [],  # as of any job that reads its input files alone
    "parts_table": [*RUN, "parts.datasets", "variant: parts.variants.0"],
    "real_parts_table": [*RUN, DATASET, "real_parts.variant"],
    "summary": [],
    "curves": [],
    "figure_masks": [PATCHES, "masks.*", "drawing.rows"],
    "figure_parts": [*IMAGES, "figures.variant", FIRST_SEED, "drawing.*"],
    "figure_real_parts": ["drawing.crop_cells"],
}

# The block `model` of a pretraining, by kind of model
NETWORK: list[Setting] = ["name: {kind}", "model.backbone", "init"]
NETWORKS: dict[str, list[Setting]] = {
    "beta-vae": ["model.{base}.*", "variants.{base}.*"],
    "patchvae": ["model.{base}.*", "variants.{base}.*"],
    "bigan": ["model.{base}.*"],
    "random": ["variants.{base}.*"],
    "supervised": ["finetune.hidden_dim", "model.head_pool", f"{OWN}.num_classes"],
}
# How it is trained, by kind of model
TRAINED: list[Setting] = [f"epochs: {OWN}.pretrain_epochs", "pretrain.*"]
TRAININGS: dict[str, list[Setting]] = {
    "beta-vae": [*TRAINED, _objective],
    "patchvae": [*TRAINED, _objective],
    "bigan": [*TRAINED, "variants.{base}.*", _objective],
    "random": [],
    "supervised": [*TRAINED, _labels],
}

# ---- reading it


def resolve(params: Params, rule: str, wildcards: Mapping[str, Any]) -> Params:
    """The complete configuration of one job. It holds what the job reads and no more: any change makes it run again.

    wildcards: the job's wildcards by name (dataset, variant, regime, seed, key), as text or numbers.
    Raises PatchVAEError for a rule, or a name among the wildcards, of which nothing is known.
    """
    names, adjusted = dict(wildcards), params
    try:
        if "seed" in names:
            names["seed"] = int(names["seed"])
        if {"dataset", "variant"} <= names.keys():
            adjusted, block = for_variant(params, names["dataset"], names["variant"])
            names |= {"base": variants(params)[names["variant"]].base, "kind": block["model"]}
        return copy.deepcopy(_made(SETTINGS[rule], Context(params, adjusted, names)))
    except KeyError as error:
        raise PatchVAEError(f"{rule}: no {error.args[0]!r} among the rules, wildcards or parameters") from error


def _made(settings: list[Setting], context: Context) -> Params:
    made: Params = {}
    for setting in settings:
        if callable(setting):
            made |= setting(context)
        elif setting.endswith(".*"):
            made |= {key: value for key, value in _value(setting[:-2], context).items() if key != "model"}
        else:
            name, _, source = setting.rpartition(": ")
            made[name or source.rpartition(".")[2].strip("{}")] = _value(source, context)
    return made


def _value(source: str, context: Context) -> Any:
    """What a text in the table stands for; raises PatchVAEError for the first of an empty list."""
    if " + " in source:
        return [value for part in source.split(" + ") for value in _value(part, context)]
    if source.startswith("["):
        return [_value(source[1:-1], context)]
    if source.startswith("{"):
        return context.names[source[1:-1]]
    value: Any = context.params
    for part in source.split("."):
        if part == "0" and not value:
            raise PatchVAEError(f"{source.removesuffix('.0')}: empty, so this run has no such table")
        value = value[0] if part == "0" else value[part.format_map(context.names)]
    return value
