"""The complete configuration of one job: the hinge of workflow, command line and metrics."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from patchvae.config import Params, get, setting
from patchvae.errors import PatchVAEError
from patchvae.models.sizes import REGIMES
from patchvae.variants import SWEEPS, is_demo, pretrained, settings, sources, sweep_tables, swept


def resolve(params: Params, rule: str, wildcards: Mapping[str, Any]) -> Params:
    """The complete configuration of one job: exactly what it reads, so that nothing else makes it run again.

    wildcards: the job's wildcards by name (dataset, variant, regime, seed, name, table), as text or numbers.
    Raises PatchVAEError for an unknown rule, data set, variant, regime or table.
    """
    if rule not in RESOLVERS:
        raise PatchVAEError(f"unknown rule {rule!r}, known are {', '.join(RESOLVERS)}")
    try:
        return copy.deepcopy(RESOLVERS[rule](params, wildcards))
    except KeyError as error:
        raise PatchVAEError(f"{rule}: no {error.args[0]!r} among the wildcards or parameters") from error


def _download(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset, name = wildcards["dataset"], wildcards["name"]
    return {"dataset": dataset, "name": name, **params["datasets"][dataset]["sources"][name]}


def _prepare(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset = wildcards["dataset"]
    block = params["datasets"][dataset]
    config = {"dataset": dataset} | {key: block[key] for key in ("format", "image_size", "num_classes")}
    if block["format"] == "digit-scenes":
        return config | {key: block[key] for key in ("train_images", "test_images", "seed")}
    if "max_undecodable" in block:
        config["max_undecodable"] = block["max_undecodable"]
    # Where a source came from is the download's business; what it holds is ours.
    return config | {"sources": {name: source["checksum"] for name, source in sources(params, dataset).items()}}


def _masks(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset = wildcards["dataset"]
    return {"image_size": params["datasets"][dataset]["image_size"], **settings(params, dataset)[0]["masks"]}


def _model(own: Params, dataset: str, variant: Params) -> Params:
    kind, block = variant["model"], own["model"]
    config = {"name": kind, "backbone": block["backbone"], "init": block["init"]}
    if kind == "beta-vae":
        return config | {"latent_dim": block["latent_dim"], "beta": variant["beta"]}
    if kind == "bigan":
        return config | {"latent_dim": block["latent_dim"]}
    if kind == "random":
        return config | {"statistics": variant["statistics"]}
    if kind == "supervised":
        head = {key: own["finetune"][key] for key in ("hidden_dim", "head_pool")}
        return config | head | {"num_classes": own["datasets"][dataset]["num_classes"]}
    names = ("num_parts", "part_dim", "occurrence_prior", "occurrence_kl", "hard_occurrence", "detach_occurrence")
    config |= {key: block[key] for key in (*names, "temperature")}
    return config | {key: variant[key] for key in ("beta_app", "beta_occ")}


def _pretrained_model(params: Params, dataset: str, variant: str, seed: Any) -> Params:
    """What any job on a pretrained model has to know of it."""
    own, block = settings(params, dataset, variant)
    return {
        "dataset": dataset,
        "image_size": params["datasets"][dataset]["image_size"],
        "input_scaling": own["input_scaling"],
        "precision": params["precision"],
        "variant": variant,
        "model": _model(own, dataset, block),
        "seed": int(seed),
    }


def _pretrain(params: Params, wildcards: Mapping[str, Any]) -> Params:
    name, variant = wildcards["dataset"], wildcards["variant"]
    (own, block), dataset = settings(params, name, variant), params["datasets"][name]
    config = _pretrained_model(params, name, variant, wildcards["seed"]) | {"flip": dataset["flip"]}
    if block["model"] == "random":
        return config
    config |= {"epochs": dataset["pretrain_epochs"], **own["pretrain"]}
    if block["model"] == "supervised":
        return config
    if block["model"] == "bigan":
        return config | own["bigan"] | {"weighted_loss": False, "gan": None}
    return config | {"weighted_loss": block["weighted_loss"], "gan": own["gan"] if block["gan"] else None}


def _finetune(params: Params, wildcards: Mapping[str, Any]) -> Params:
    name, variant, regime = wildcards["dataset"], wildcards["variant"], wildcards["regime"]
    if regime not in REGIMES:
        raise PatchVAEError(f"unknown regime {regime!r}, known are {', '.join(REGIMES)}")
    (own, _), dataset = settings(params, name, variant), params["datasets"][name]
    return {
        "dataset": name,
        "variant": variant,
        "pretrained": pretrained(params, name, variant),
        "regime": regime,
        "image_size": dataset["image_size"],
        "num_classes": dataset["num_classes"],
        "flip": dataset["flip"],
        "input_scaling": own["input_scaling"],
        "precision": params["precision"],
        "backbone": own["model"]["backbone"],
        "init": own["model"]["init"],
        "epochs": dataset["finetune_epochs"],
        "seed": int(wildcards["seed"]),
        **own["finetune"],
    }


def _reconstruct(params: Params, wildcards: Mapping[str, Any]) -> Params:
    config = _pretrained_model(params, wildcards["dataset"], wildcards["variant"], wildcards["seed"])
    return config | {key: params["table7"][key] for key in ("sample", "temperature")}


def _parts(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return _pretrained_model(params, wildcards["dataset"], wildcards["variant"], wildcards["seed"])


def _inception(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return dict(params["inception"])


def _protocol(params: Params, names: list[str]) -> Params:
    """What every table says of its run."""
    blocks = {name: params["datasets"][name] for name in names}
    return {
        "run": params["run"],
        "seeds": params["seeds"],
        "schedule": {
            name: {key: block[key] for key in ("pretrain_epochs", "finetune_epochs") if key in block}
            for name, block in blocks.items()
        },
        "demo": [name for name, block in blocks.items() if is_demo(block)],
    }


def _table1(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table, datasets = params["table1"], params["datasets"]
    sources = {name: params["variants"][name].get("pretrain_on") for name in table["variants"]}
    labels = {name: dataset for name, dataset in sources.items() if dataset}
    demo = [name for name in dict.fromkeys([*table["datasets"], *labels.values()]) if is_demo(datasets[name])]
    imagenet = [name for name in labels.values() if datasets[name]["format"] == "imagenet" and name not in demo]
    return {
        **_protocol(params, table["datasets"]),
        **table,
        "select": params["select"],
        "demo": demo,
        "pretrained_on": labels,
        "imagenet": imagenet,
    }


def _table2(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table = params["table2"]
    return {**_protocol(params, [table["dataset"]]), **table, "select": params["select"]}


def _sweep(params: Params, wildcards: Mapping[str, Any]) -> Params:
    base, key = params["ablation_base"], sweep_tables(params)[wildcards["table"]]
    values = params["ablations"][key]
    return {
        **_protocol(params, base["datasets"]),
        **base,
        "select": params["select"],
        "key": key,
        "values": values,
        "base_value": get(params, setting(params, key)),
        "variants": {str(value): swept(params, key, value) for value in values},
        "paper_column": SWEEPS.get(key, (None, None))[1],
    }


def _table7(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table = params["table7"]
    return {**_protocol(params, [table["dataset"]]), **table}


def _parts_table(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return {**_protocol(params, params["parts"]["datasets"]), **params["parts"]}


def _figure_masks(params: Params, wildcards: Mapping[str, Any]) -> Params:
    own, _ = settings(params, wildcards["dataset"])
    return {**own["masks"], "rows": params["figures"]["rows"]}


def _figure_parts(params: Params, wildcards: Mapping[str, Any]) -> Params:
    figures = params["figures"]
    config = _pretrained_model(params, wildcards["dataset"], figures["variant"], params["seeds"][0])
    return config | {key: figures[key] for key in ("rows", "crop_cells", "max_images")}


def _parameter_tables(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return {}  # the paper's sizes, whatever the run's


def _figure_sweep(params: Params, wildcards: Mapping[str, Any]) -> Params:
    base, key = params["ablation_base"], sweep_tables(params)[wildcards["table"]]
    demo = _protocol(params, base["datasets"])["demo"]
    return {"key": key, "regime": base["regime"], "datasets": base["datasets"], "demo": demo}


RESOLVERS: dict[str, Callable[[Params, Mapping[str, Any]], Params]] = {
    "download": _download,
    "prepare": _prepare,
    "digit_scenes": _prepare,
    "masks": _masks,
    "pretrain": _pretrain,
    "finetune": _finetune,
    "reconstruct": _reconstruct,
    "inception": _inception,
    "fid": _reconstruct,
    "parts": _parts,
    "table1": _table1,
    "table2": _table2,
    "sweep": _sweep,
    "table7": _table7,
    "parameter_tables": _parameter_tables,
    "parts_table": _parts_table,
    "figure_masks": _figure_masks,
    "figure_parts": _figure_parts,
    "figure_sweep": _figure_sweep,
}
