"""The complete configuration of one job: the hinge of workflow, command line and metrics."""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from patchvae.config import Params, did_you_mean, shown, sweeps
from patchvae.errors import PatchVAEError
from patchvae.models.sizes import REGIMES
from patchvae.plan import FINETUNED, FLOORS, PARTS_FIGURES
from patchvae.variants import SWEEPS, for_variant, pretrained, sources, swept, text_of, variants

DRAWS = ("per_class", "draws", "lambdas")  # keys of `few_labels` that its jobs read


def resolve(params: Params, rule: str, wildcards: Mapping[str, Any]) -> Params:
    """The complete configuration of one job. It holds what the job reads and no more: any change makes it run again.

    wildcards: the job's wildcards by name (dataset, variant, regime, seed, key), as text or numbers.
    Raises PatchVAEError for an unknown rule, data set, variant, regime, seed or key.
    """
    if rule not in RESOLVERS:
        raise PatchVAEError(
            f"unknown rule {shown(rule)}, known are {', '.join(RESOLVERS)}{did_you_mean(rule, [*RESOLVERS])}"
        )
    try:
        for key, known in _known(params).items():
            if key in wildcards and str(wildcards[key]) not in known:
                name = shown(wildcards[key])
                hint = did_you_mean(str(wildcards[key]), known) or f", known are {', '.join(known) or 'none'}"
                raise PatchVAEError(f"{rule}: unknown {key} {name}{hint}")
        if "seed" in wildcards and not _is_seed(str(wildcards["seed"])):
            raise PatchVAEError(f"{rule}: seed {shown(wildcards['seed'])} is not a whole number from 0 to {2**32 - 1}")
        return copy.deepcopy(RESOLVERS[rule](params, wildcards))
    except KeyError as error:
        raise PatchVAEError(f"{rule}: no {error.args[0]!r} among the wildcards or parameters") from error


def read_wildcards(params: Params, rule: str, pairs: Sequence[str]) -> dict[str, str]:
    """A job's wildcards from texts KEY=VALUE.

    Raises PatchVAEError for one that is given twice or that the rule does not have, and for another run's.
    """
    wildcards: dict[str, str] = {}
    for pair in pairs:
        key, sign, value = pair.partition("=")
        known = WILDCARDS.get(rule, (key,))
        if not sign:
            raise PatchVAEError(f"{rule}: {shown(pair)} is not KEY=VALUE")
        if key not in known:
            hint = did_you_mean(key, known) or f", it has {', '.join(known) or 'none'}"
            raise PatchVAEError(f"{rule}: has no wildcard {shown(key)}{hint}")
        if key in wildcards:
            raise PatchVAEError(f"{rule}: {key} is given twice")
        wildcards[key] = value
    run = wildcards.get("run", params["run"])
    if run != params["run"]:
        raise PatchVAEError(f"{rule}: the parameters are those of run {params['run']}, not of {shown(run)}")
    return wildcards


def _known(params: Params) -> dict[str, list[str]]:
    """The values that each wildcard may have."""
    tables = [*FINETUNED, *sweeps(params)]
    names = {"dataset": [*params["datasets"]], "variant": [*variants(params)], "regime": [*REGIMES]}
    names |= {"head": [*params["heads"]]}
    return names | {"key": [*sweeps(params)], "table": tables, "figure": [*PARTS_FIGURES], "floor": [*FLOORS]}


def _is_seed(text: str) -> bool:
    return bool(re.fullmatch("[0-9]{1,10}", text)) and int(text) < 2**32


def _only(params: Params, table: str, key: str) -> str:
    """The first name in a list; raises PatchVAEError where it is empty, as the run then has no such table."""
    names = params[table][key]
    if not names:
        raise PatchVAEError(f"{table}.{key}: empty, so this run has no such table")
    return str(names[0])


def _download(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return {"dataset": wildcards["dataset"], "sources": sources(params, wildcards["dataset"])}


def _prepare(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset = wildcards["dataset"]
    keys = ("format", "image_size", "num_classes", "max_undecodable")
    return {"dataset": dataset} | {key: params["datasets"][dataset][key] for key in keys}


def _digit_scenes(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset = wildcards["dataset"]
    keys = ("format", "image_size", "num_classes", "train_images", "test_images", "seed")
    return {"dataset": dataset} | {key: params["datasets"][dataset][key] for key in keys}


def _masks(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset = params["datasets"][wildcards["dataset"]]
    return {"image_size": dataset["image_size"], "patch_size": dataset["mask_patch_size"], **params["masks"]}


def _model(adjusted: Params, dataset: str, base: str) -> Params:
    """All settings of a variant's network."""
    block, sizes = adjusted["variants"][base], adjusted["model"]
    kind = block["model"]
    config = {"name": kind, "backbone": sizes["backbone"], "init": adjusted["init"]}
    if kind == "beta-vae":
        return config | sizes[base] | {"beta": block["beta"]}
    if kind == "bigan":
        return config | sizes[base]
    if kind == "random":
        return config | {"statistics": block["statistics"]}
    if kind == "supervised":
        head = {"hidden_dim": adjusted["finetune"]["hidden_dim"], "head_pool": sizes["head_pool"]}
        return config | head | {"num_classes": adjusted["datasets"][dataset]["num_classes"]}
    return config | sizes[base] | {key: value for key, value in block.items() if key != "model"}


def _images(params: Params, dataset: str) -> Params:
    """What every job on a network reads of its images."""
    return {
        "dataset": dataset,
        "image_size": params["datasets"][dataset]["image_size"],
        "stand_in": params["datasets"][dataset]["stand_in"],
        "input_scaling": params["input_scaling"],
        "precision": params["precision"],
        # Left out where it is true: a GPU's choice of algorithm makes no other result
        **({} if params["deterministic"] else {"deterministic": False}),
    }


def _pretrain(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset, variant = wildcards["dataset"], wildcards["variant"]
    adjusted, block = for_variant(params, dataset, variant)
    chosen, kind = variants(params)[variant], block["model"]
    config = _images(adjusted, dataset) | {
        "variant": variant,
        "model": _model(adjusted, dataset, chosen.base),
        "flip": adjusted["datasets"][dataset]["flip"],
        "seed": int(wildcards["seed"]),
    }
    if kind == "random":
        return config
    config |= {"epochs": adjusted["datasets"][dataset]["pretrain_epochs"], **adjusted["pretrain"]}
    if kind == "supervised":
        epochs = {} if block["epochs"] == "dataset" else {"epochs": block["epochs"], "snapshots": []}
        return config | epochs | {"labels": block["labels"]}
    if kind == "bigan":
        recipe = {key: block[key] for key in ("lr", "adam_betas", "gradient_penalty")}
        return config | recipe | {"weighted_loss": False, "gan": None}
    return config | {"weighted_loss": chosen.weighted, "gan": adjusted["gan"] if chosen.gan else None}


def _finetune(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset, variant, head = wildcards["dataset"], wildcards["variant"], wildcards["head"]
    adjusted, _ = for_variant(params, dataset, variant)
    return _images(adjusted, dataset) | {
        "variant": variant,
        "pretrained": _phi(params, dataset, variant),
        "regime": wildcards["regime"],
        "head": head,
        "num_classes": adjusted["datasets"][dataset]["num_classes"],
        "flip": adjusted["datasets"][dataset]["flip"],
        "backbone": adjusted["model"]["backbone"],
        "head_pool": adjusted["model"]["head_pool"],
        "init": adjusted["init"],
        "epochs": adjusted["datasets"][dataset]["finetune_epochs"],
        "seed": int(wildcards["seed"]),
        **adjusted["finetune"],
        **adjusted["heads"][head],
    }


def _rates(params: Params, wildcards: Mapping[str, Any]) -> Params:
    search = params["rates"]
    return _finetune(params, wildcards) | {key: search[key] for key in ("grid", "epochs", "held_out")}


def _phi(params: Params, dataset: str, variant: str) -> Params:
    """The pretraining that phi comes from, and its epoch."""
    return pretrained(params, dataset, variant) | {"snapshot": variants(params)[variant].snapshot}


def _probe(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset, variant = wildcards["dataset"], wildcards["variant"]
    adjusted, _ = for_variant(params, dataset, variant)
    return _measured(params, wildcards) | {
        "pretrained": _phi(params, dataset, variant),
        "num_classes": adjusted["datasets"][dataset]["num_classes"],
        "backbone": adjusted["model"]["backbone"],
        **adjusted["ridge"],
    }


def _few_labels(params: Params, wildcards: Mapping[str, Any]) -> Params:
    probe, draws = _probe(params, wildcards), {key: params["few_labels"][key] for key in DRAWS}
    del probe["holdout"]
    return probe | draws


def _few_labels_pixels(params: Params, wildcards: Mapping[str, Any]) -> Params:
    block, classes = params["few_labels"], params["datasets"][wildcards["dataset"]]["num_classes"]
    settings = {key: block[key] for key in (*DRAWS, "whitened_variance")}
    return _measured(params, {**wildcards, "variant": wildcards["floor"]}) | {"num_classes": classes} | settings


def _measured(params: Params, wildcards: Mapping[str, Any]) -> Params:
    """A job on a pretrained model, whose own configuration is in its checkpoint."""
    return _images(params, wildcards["dataset"]) | {"variant": wildcards["variant"], "seed": int(wildcards["seed"])}


def _reconstruct(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return _measured(params, wildcards) | params["reconstruction"]


def _inception(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return dict(params["inception"])


def _table1(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table = params["table1"]
    rows = [*table["variants"], *table["labelled"]["variants"]]
    block = {"datasets": table["datasets"], "variants": rows, "regimes": table["regimes"], "heads": table["heads"]}
    return {key: params[key] for key in ("run", "seeds", "select")} | block


def _decision(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return {key: params[key] for key in ("run", "seeds", "select")}


def _probe_table(params: Params, wildcards: Mapping[str, Any]) -> Params:
    block = {"datasets": [wildcards["dataset"]], "variants": params["probe"]["variants"]}
    return {"run": params["run"], "seeds": params["seeds"]} | block


def _few_labels_table(params: Params, wildcards: Mapping[str, Any]) -> Params:
    block = params["few_labels"]
    return {
        "run": params["run"],
        "seed": params["seeds"][0],
        "datasets": [wildcards["dataset"]],
        "variants": block["variants"],
        "per_class": block["per_class"],
    }


def _lengths(params: Params, wildcards: Mapping[str, Any]) -> Params:
    block = {key: params["lengths"][key] for key in ("variants", "regime", "heads")}
    block |= {"datasets": [wildcards["dataset"]], "epochs": params["pretrain"]["snapshots"]}
    return {key: params[key] for key in ("run", "seeds", "select")} | block


def _sensitivity(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table, base = params["sensitivity"], _only(params, "table1", "heads")
    heads = [*params["table1"]["heads"][1:], *table["heads"]]
    return {key: params[key] for key in ("run", "select")} | {
        "seed": params["seeds"][0],
        "datasets": [wildcards["dataset"]],
        **{key: table[key] for key in ("variants", "regime")},
        "base_head": base,
        "heads": heads,
        "settings": {head: params["heads"][head] for head in [base, *heads]},
    }


def _scale_free(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table = params["scale_free"]
    return {key: params[key] for key in ("run", "seeds", "select")} | {
        "datasets": [wildcards["dataset"]],
        **{key: table[key] for key in ("variants", "regime", "tuned")},
        "heads": [*table["heads"], *table["tuned"]],
    }


def _table2(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table = params["table2"]
    dataset, supervised = _only(params, "table2", "datasets"), _only(params, "table2", "supervised")
    block = {"dataset": dataset, "supervised": supervised} | {key: table[key] for key in ("variants", "regime", "head")}
    return {key: params[key] for key in ("run", "seeds", "select")} | block


def _sweep(params: Params, wildcards: Mapping[str, Any]) -> Params:
    key, base = wildcards["key"], params["ablation_base"]
    return {name: params[name] for name in ("run", "seeds", "select")} | {
        **{name: base[name] for name in ("variant", "regime", "head", "datasets")},
        "key": key,
        "variants": {text_of(value): swept(params, key, value) for value in params["ablations"][key]},
        "paper_column": SWEEPS.get(key),
    }


def _table7(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset = _only(params, "table2", "datasets")
    block = {"dataset": dataset, **params["table7"], **params["reconstruction"]}
    return {"run": params["run"], "seeds": params["seeds"]} | block


def _parts_table(params: Params, wildcards: Mapping[str, Any]) -> Params:
    variant = _only(params, "parts", "variants")
    block = {"datasets": params["parts"]["datasets"], "variant": variant}
    return {"run": params["run"], "seeds": params["seeds"]} | block


def _real_parts(params: Params, wildcards: Mapping[str, Any]) -> Params:
    how = params["part_measures"] | {"crop_cells": params["drawing"]["crop_cells"], "pool": params["ridge"]["pool"]}
    return _measured(params, wildcards) | {"reference": params["real_parts"]["reference"], **how}


def _real_parts_table(params: Params, wildcards: Mapping[str, Any]) -> Params:
    block = {"datasets": [wildcards["dataset"]], "variant": params["real_parts"]["variant"]}
    return {"run": params["run"], "seeds": params["seeds"]} | block


def _figure_real_parts(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return {"crop_cells": params["drawing"]["crop_cells"]}


def _figure_masks(params: Params, wildcards: Mapping[str, Any]) -> Params:
    patch_size = params["datasets"][wildcards["dataset"]]["mask_patch_size"]
    return {"patch_size": patch_size, **params["masks"], "rows": params["drawing"]["rows"]}


def _figure_parts(params: Params, wildcards: Mapping[str, Any]) -> Params:
    chosen = {"variant": params["figures"]["variant"], "seed": params["seeds"][0]}
    return _measured(params, {**wildcards, **chosen}) | params["drawing"]


def _nothing(params: Params, wildcards: Mapping[str, Any]) -> Params:
    """Of a job that reads its input files alone."""
    return {}


RESOLVERS: dict[str, Callable[[Params, Mapping[str, Any]], Params]] = {
    "download": _download,
    "prepare": _prepare,
    "digit_scenes": _digit_scenes,
    "masks": _masks,
    "pretrain": _pretrain,
    "finetune": _finetune,
    "rates": _rates,
    "probe": _probe,
    "few_labels": _few_labels,
    "few_labels_pixels": _few_labels_pixels,
    "reconstruct": _reconstruct,
    "inception": _inception,
    "fid": _reconstruct,
    "parts": _measured,
    "real_parts": _real_parts,
    "table1": _table1,
    "claims": _table1,
    "decision": _decision,
    "probe_table": _probe_table,
    "few_labels_table": _few_labels_table,
    "lengths": _lengths,
    "sensitivity": _sensitivity,
    "scale_free": _scale_free,
    "table2": _table2,
    "sweep": _sweep,
    "table7": _table7,
    "parameter_tables": _nothing,
    "parts_table": _parts_table,
    "real_parts_table": _real_parts_table,
    "summary": _nothing,
    "curves": _nothing,
    "figure_masks": _figure_masks,
    "figure_parts": _figure_parts,
    "figure_real_parts": _figure_real_parts,
}

MODEL = ("run", "dataset", "variant", "seed")
WILDCARDS: dict[str, tuple[str, ...]] = dict.fromkeys(RESOLVERS, ("run",)) | {
    **dict.fromkeys(("download", "prepare", "digit_scenes", "masks"), ("dataset",)),
    **dict.fromkeys(("pretrain", "probe", "few_labels", "reconstruct", "fid", "parts", "real_parts"), MODEL),
    "finetune": (*MODEL, "regime", "head", "table"),
    "rates": (*MODEL, "regime", "head"),
    "few_labels_pixels": ("run", "dataset", "floor", "seed"),
    "inception": (),
    "sweep": ("run", "key"),
    **dict.fromkeys(("figure_masks", "probe_table", "few_labels_table", "lengths"), ("run", "dataset")),
    **dict.fromkeys(("sensitivity", "scale_free"), ("run", "dataset")),
    "figure_parts": ("run", "dataset", "figure"),
    **dict.fromkeys(("real_parts_table", "figure_real_parts"), ("run", "dataset")),
}
