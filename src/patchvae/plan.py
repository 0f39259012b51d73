"""From checked parameters to the jobs of a run, and to the complete configuration of each."""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from patchvae.config import REGIMES, Params, get, merge, put, setting, sweeps
from patchvae.errors import PatchVAEError

OVERRIDES = ("model", "pretrain", "finetune", "masks")  # blocks of which a data set may have values of its own
# Swept key: the paper's table and its column of values
SWEEPS = {
    "num_parts": ("table3", "n_parts"),
    "part_dim": ("table4", "d_p"),
    "occurrence_prior": ("table5", "prior"),
    "beta_occ": ("table6", "beta_occ"),
}
PARAMETER_TABLES = ("table8", "table9", "table10", "table11", "table12")
# Figures of one PatchVAE, and what draws them
PARTS_FIGURES = {
    "figure1": "patchvae.report.teaser",
    "figure3": "patchvae.report.occurrence",
    "figure4": "patchvae.report.gallery",
    "figure5": "patchvae.report.swap",
}

Cell = tuple[str, str, str]  # data set, variant, regime


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


def sweep_table(key: str) -> str:
    """The name of the table of a swept key: `table3` to `table6`, or `sweep_KEY`."""
    return SWEEPS[key][0] if key in SWEEPS else f"sweep_{key}"


def sweep_tables(params: Params) -> dict[str, str]:
    """Tables of the run's sweeps, each with its swept key."""
    return {sweep_table(key): key for key in sweeps(params)}


def text_of(value: Any) -> str:
    """A swept value as text; a fraction's stroke cannot be in a file's name."""
    return str(value).replace("/", "_")


def swept(params: Params, key: str, value: Any) -> str:
    """The variant with one value of a sweep: the swept variant itself where the value is the one that it has."""
    base: str = params["ablation_base"]["variant"]
    return base if get(params, setting(params, key)) == value else f"{base}.{key}={text_of(value)}"


def variants(params: Params) -> dict[str, tuple[str, str, Any] | None]:
    """All variants by name; those of a sweep with their base, key and value."""
    names: dict[str, tuple[str, str, Any] | None] = dict.fromkeys(params["variants"])
    for key, values in sweeps(params).items():
        for value in values:
            names.setdefault(swept(params, key, value), (params["ablation_base"]["variant"], key, value))
    return names


def settings(params: Params, dataset: str, variant: str | None = None) -> tuple[Params, Params]:
    """The parameters as a data set and a variant have them, and the variant's block."""
    block = params["datasets"][dataset]
    own = merge(params, {name: block[name] for name in OVERRIDES if name in block})
    if variant is None:
        return own, {}
    origin = variants(params)[variant]
    if origin is not None:
        variant, key, value = origin
        own = put(own, setting(params, key), value)
    return own, own["variants"][variant]


def pretrained(params: Params, dataset: str, variant: str) -> dict[str, str]:
    """Which pretraining a fine-tuning starts from: its data set and variant."""
    origin = variants(params)[variant]
    if origin is None:
        return {"dataset": params["variants"][variant].get("pretrain_on", dataset), "variant": variant}
    base, key, _ = origin
    # A sweep over the fine-tuning shares one pretraining.
    return {"dataset": dataset, "variant": base if setting(params, key)[0] == "finetune" else variant}


def weighted(params: Params, variant: str) -> bool:
    """Whether a variant trains with L_w and so needs weight masks."""
    origin = variants(params)[variant]
    return bool(params["variants"][origin[0] if origin else variant].get("weighted_loss", False))


def _download(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset, name = wildcards["dataset"], wildcards["name"]
    return {"dataset": dataset, "name": name, **params["datasets"][dataset]["sources"][name]}


def raw(params: Params, dataset: str) -> str:
    """The data set whose sources a data set is made from: itself, or the one it shares them with."""
    return str(params["datasets"][dataset].get("raw", dataset))


def sources(params: Params, dataset: str) -> Params:
    """The sources of a data set by file name, without those that an overlay set to null; none for digit scenes."""
    named = params["datasets"][raw(params, dataset)].get("sources", {})
    return {name: source for name, source in named.items() if source}


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
        "demo": [name for name, block in blocks.items() if block["format"] == "digit-scenes"],
    }


def _table1(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table = params["table1"]
    labels = {name: params["variants"][name].get("pretrain_on") for name in table["variants"]}
    return {
        **_protocol(params, table["datasets"]),
        **table,
        "select": params["select"],
        "pretrained_on": {name: dataset for name, dataset in labels.items() if dataset},
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
