"""Refuses parameters that make no sense, each with one sentence."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.models.sizes import STRIDES
from patchvae.params.messages import checked
from patchvae.params.parameters import SIZES, Parameters
from patchvae.params.reading import Params, did_you_mean, get, layers, merge, put, refuse_odd, sweeps, swept_path
from patchvae.params.variants import Variant, model_settings, models, objective_lists, packed, sources, variants

# Format: its required and its optional sources; any other format has one source of any name
IMAGENET = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar")
SOURCES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "indoor67": (("indoorCVPR_09.tar", "TrainImages.txt", "TestImages.txt"), ()),
    "places205": (("imagesPlaces205_resize.tar.gz", "trainvalsplit_places205.tar.gz"), ()),
    "imagenet": (IMAGENET, ("ILSVRC2012_devkit_t12.tar.gz", "ILSVRC2012_val_labels.txt")),
    "lists": (("images", "train.txt", "test.txt"), ()),
}


def checked_params(paths: Sequence[Path | str], config: Mapping[str, Any] | None = None) -> Params:
    """Read parameter files, lay each over those before it, then `config` over all, and check the result.

    Raises PatchVAEError naming a bad file or key, and one that would write into the run that another file describes.
    """
    params: Params = {}
    of_runs: dict[Any, tuple[Path, Params]] = {}  # run -> the first file that names it, and the parameters up to there
    for path, layer in itertools.chain.from_iterable(map(layers, paths)):
        params = merge(params, layer)
        if "run" in layer:
            of_runs.setdefault(str(params["run"]), (path, params))
    if config:
        refuse_odd(config, "--config")
        params = merge(params, config)
    validate(params)
    first, described = of_runs.get(params["run"], (None, params))
    if _without_addresses(params) != _without_addresses(described):
        last = "--config" if config else paths[-1]
        raise PatchVAEError(
            f"{last}: results would mix with those of run {params['run']}, which {first} describes: add `run: NAME`"
            " with another name"
        )
    return params


def _without_addresses(params: Params) -> Params:
    """Parameters without the addresses of source files and their checksums, which may differ from place to place."""

    def named(block: Any) -> Any:
        found = block.get("sources") if isinstance(block, dict) else None
        return {**block, "sources": [name for name in found if found[name]]} if isinstance(found, dict) else block

    datasets = params.get("datasets")
    return {**params, "datasets": {key: named(block) for key, block in datasets.items()}} if datasets else params


def validate(params: Params) -> None:
    """Check parameters against their closed model and against each other, swept values included.

    Raises PatchVAEError with one sentence that holds the dotted key and what is wrong with it.
    """
    refuse_odd(params, "parameters")
    checked(Parameters, params, "parameters: ")
    for key, problem in _cross_checks(params):
        raise PatchVAEError(f"parameters: {key}: {problem}")
    for key, values in sweeps(params).items():
        path = swept_path(params, key)
        for value in values:
            swept = put(params, path, value)
            checked(Parameters, swept, f"parameters: ablations.{key}: ")
            for where, problem in _datasets(swept):
                raise PatchVAEError(f"parameters: ablations.{key}: {where}: {problem}")


def _cross_checks(params: Params) -> Iterator[tuple[str, str]]:
    """What is wrong between blocks: (dotted key, problem). A check relies on those before it."""
    for check in (_objectives, _rows, _sweeps, _measured, _models, _packed, _datasets):
        yield from check(params)


def _missing(key: str, names: Iterable[str], known: Iterable[str], problem: str) -> Iterator[tuple[str, str]]:
    """The problem of each name that is not among the known ones, with a hint at the closest of those."""
    known = list(known)
    for name in names:
        if name not in known:
            yield key, f"{name} {problem}{did_you_mean(name, known)}"


def _objectives(params: Params) -> Iterator[tuple[str, str]]:
    """Every pretrained variant has its sizes, and every row is pretrained."""
    kinds = {name: block["model"] for name, block in params["variants"].items()}
    for model in ("model", "table2_model"):
        for name, sizes in params[model].items():
            if name in ("backbone", "head_pool"):
                continue
            if name not in kinds:
                yield f"{model}.{name}", f"unknown variant{did_you_mean(name, list(kinds))}"
            for key in sorted(set(sizes) - SIZES[kinds[name]]):
                yield f"{model}.{name}.{key}", f"{name} is of model {kinds[name]}, which has no {key}"
    for key, pairs in objective_lists(params).items():
        model = "table2_model" if key.startswith("table2") else "model"
        for base, _ in pairs:
            for size in sorted(SIZES[kinds[base]] - set(params[model].get(base, {}))):
                yield f"{model}.{base}.{size}", f"missing, {key} names {base}"
    for name in params["table1"]["objectives"]["labels"]:
        if params["variants"][name]["epochs"] == "dataset":
            yield f"variants.{name}.epochs", "must be a number, table1.objectives.labels names it"
    for table in ("table1", "table2"):
        rows = {row for key, pairs in objective_lists(params).items() for _, row in pairs if key.startswith(table)}
        for key in ("variants", "supervised") if params[table]["datasets"] else ():
            named = params[table].get(key, [])
            yield from _missing(f"{table}.{key}", named, rows, f"is in none of {table}.objectives")
    for name in params["table2"]["supervised"]:
        if name in params["table2"]["variants"] and params["table2"]["regime"] == "none":
            yield "table2.regime", f"none is the regime of {name} as table2.supervised, choose another"


def _rows(params: Params) -> Iterator[tuple[str, str]]:
    """What is measured further are rows of Table 1. Those at several lengths of pretraining have snapshots of them."""
    table = params["table1"]
    for key in ("lengths", "sensitivity", "scale_free", "probe", "few_labels"):
        for names in ("datasets", "variants"):
            yield from _missing(f"{key}.{names}", params[key][names], table[names], f"must be among table1.{names}")
        if bool(params[key]["datasets"]) != bool(params[key]["variants"]):
            yield f"{key}.variants", "must name rows where datasets names data sets, else none"
    kinds = {name: params["variants"][variant.base]["model"] for name, variant in variants(params).items()}
    for name in params["lengths"]["variants"]:
        if kinds[name] in ("random", "supervised"):
            yield "lengths.variants", f"{name} is of model {kinds[name]}, which keeps no snapshots"
    if params["lengths"]["datasets"]:
        problem = "must be among table1.heads, for the cells of whole pretrainings"
        yield from _missing("lengths.heads", params["lengths"]["heads"], table["heads"], problem)
    for name in params["sensitivity"]["heads"]:
        if name in table["heads"]:
            yield "sensitivity.heads", f"leave out {name}, it is among table1.heads"
    trained = {*table["datasets"], *params["parts"]["pretrained"]}
    for key, datasets in (("pretrain", trained), ("table2_pretrain", params["table2"]["datasets"])):
        for name, epoch in itertools.product(datasets, params[key]["snapshots"]):
            epochs = params["datasets"][name]["pretrain_epochs"]
            if epoch >= epochs:
                last = f"datasets.{name}.pretrain_epochs = {epochs}"
                yield f"{key}.snapshots", f"{epoch} is not before the last of {last}"
    if params["lengths"]["datasets"] and not params["pretrain"]["snapshots"]:
        yield "pretrain.snapshots", "empty, and lengths.datasets asks for accuracies at them"


def _sweeps(params: Params) -> Iterator[tuple[str, str]]:
    """Sweeps start from a row of Table 1 and do not repeat it."""
    base, table = params["ablation_base"], params["table1"]
    if sweeps(params):
        if not base["datasets"]:
            yield "ablation_base.datasets", "empty, and ablations name values to train on them"
        if base["variant"] not in table["objectives"]["plain"] or base["variant"] not in table["variants"]:
            yield "ablation_base.variant", f"{base['variant']} must be a row of Table 1 and in table1.objectives.plain"
        for key in ("regime", "head"):
            yield from _missing(f"ablation_base.{key}", [base[key]], table[f"{key}s"], f"must be among table1.{key}s")
        yield from _missing(
            "ablation_base.datasets", base["datasets"], table["datasets"], "must be among table1.datasets"
        )
    for key, values in sweeps(params).items():
        path = swept_path(params, key)
        where, own = ".".join(path), get(params, path)
        if where.removeprefix("finetune.") in params["heads"][base["head"]]:
            problem = f"heads.{base['head']} has a value of its own, so that none of these would be used"
            yield f"ablations.{key}", problem
        if own in values:
            yield f"ablations.{key}", f"leave out {own}, it is {where} and its row is Table 1's"
    for key in sorted(set(base["keys"]) ^ set(sweeps(params))):
        yield "ablation_base.keys", f"{key} must be here and have values under ablations, or neither"


def _models(params: Params) -> Iterator[tuple[str, str]]:
    """No model is pretrained twice, and what it needs is packed."""
    data, labelled, parts = params["data"], params["table1"]["labelled"], params["parts"]["pretrained"]
    others = {"table1.datasets": params["table1"]["datasets"], "parts.pretrained": parts}
    others |= {"table1.labelled.dataset": [labelled["dataset"]] if labelled["variants"] else []}
    for key, names in others.items():
        for name in names:
            if name in params["table2"]["datasets"]:
                yield key, f"{name} is in table2.datasets, whose models have other sizes"
    for (dataset, variant), count in Counter(models(params)).items():
        if count > 1:
            table = "table2" if dataset in params["table2"]["datasets"] else "table1"
            key = "parts.pretrained" if dataset in parts else f"{table}.objectives"
            yield key, f"{variant} would be pretrained on {dataset} {count} times, name it once"
        if dataset not in packed(params):
            key = "scenes" if params["datasets"][dataset]["format"] == "digit-scenes" else "archives"
            yield f"data.{key}", f"{dataset} must be here, {variant} is pretrained on it"
        if variants(params)[variant].weighted and dataset not in data["weighted"]:
            yield "data.weighted", f"{dataset} must be here, {variant} is pretrained on it with L_w"
    for dataset in (*params["table1"]["datasets"], *params["table2"]["datasets"]):
        if "finetune_epochs" not in params["datasets"][dataset]:
            yield f"datasets.{dataset}.finetune_epochs", "missing, and a table needs it"


def _packed(params: Params) -> Iterator[tuple[str, str]]:
    """Data sets are packed from what their format is made from."""
    data, datasets = params["data"], params["datasets"]
    shared = data["shared"]
    yield from _missing(
        "data.weighted", data["weighted"], packed(params), "must be in data.archives or data.scenes too"
    )
    for name in data["archives"]:
        if "sources" not in datasets[name]:
            yield f"datasets.{name}.sources", "missing, data.archives names it (or share those of another: data.shared)"
        format, found = datasets[name]["format"], list(sources(params, name))
        if format not in SOURCES and len(found) != 1:
            yield f"datasets.{name}.sources", f"{len(found)} are not null, the format {format} has one"
        needed, optional = SOURCES.get(format, ((), tuple(found)))
        for source in found:
            if source not in (*needed, *optional):
                hint = did_you_mean(source, [*needed, *optional])
                yield f"datasets.{name}.sources.{source}", f"the format {format} has no such source{hint}"
        for source in needed:
            if source not in found:
                yield f"datasets.{name}.sources.{source}", f"missing, the format {format} needs it"
    if shared["datasets"] and shared["sources"] not in data["archives"]:
        yield "data.shared.sources", f"{shared['sources']} must be in data.archives, whose sources are fetched"
    for name in shared["datasets"]:
        if "sources" in datasets[name]:
            yield "data.shared.datasets", f"{name} has sources of its own, see data.archives"
        if datasets[name]["format"] != datasets[shared["sources"]]["format"]:
            problem = f"must be of the format of {shared['sources']}, whose sources it shares"
            yield "data.shared.datasets", f"{name} {problem}"


def _measured(params: Params) -> Iterator[tuple[str, str]]:
    """Every model that is measured or drawn is pretrained, and has reconstructions or occurrence maps to show."""
    known, there = variants(params), set(models(params))
    reconstructed = itertools.product(["table7.variants"], params["table2"]["datasets"], params["table7"]["variants"])
    drawn = itertools.product(["figures.variant"], params["figures"]["datasets"], [params["figures"]["variant"]])
    scored = itertools.product(["parts.variants"], params["parts"]["datasets"], params["parts"]["variants"])
    real, parts = params["real_parts"], params["parts"]
    if bool(parts["variants"]) != bool(parts["datasets"]):
        yield "parts.variants", "must name a variant where parts.datasets names data sets, and none where it does not"
    shown = itertools.product(["real_parts.variant"], real["datasets"], [real["variant"]])
    for dataset in real["datasets"]:
        if (dataset, real["reference"]) not in there:
            hint = did_you_mean(real["reference"], list(known))
            yield "real_parts.reference", f"{real['reference']} is not pretrained on {dataset}{hint}"
    for key, dataset, variant in itertools.chain(reconstructed, drawn, scored, shown):
        wanted = ("beta-vae", "patchvae") if key.startswith("table7") else ("patchvae",)
        kind = params["variants"][known[variant].base]["model"] if variant in known else None
        if kind is None:
            yield key, f"unknown variant {variant!r}{did_you_mean(variant, list(known))}"
        elif kind not in wanted:
            yield key, f"{variant} has no {'reconstruction' if key.startswith('table7') else 'occurrence maps'}"
        elif (dataset, variant) not in there:
            yield key, f"{variant} is not pretrained on {dataset}: add it to objectives or choose another"
    for name, variant in itertools.product(parts["pretrained"], parts["variants"]):
        yield from _missing("parts.pretrained", [name], parts["datasets"], "must be among parts.datasets")
        if known[variant] != Variant(variant, gan=False, weighted=False):
            yield "parts.pretrained", f"{variant} is pretrained for Table 1 only, so {name} cannot be here"


def _datasets(params: Params) -> Iterator[tuple[str, str]]:
    """Images fit the networks, masks have a patch size where they are needed, and scenes are called stand-ins."""
    for name, dataset in params["datasets"].items():
        size, patch = dataset["image_size"], dataset.get("mask_patch_size")
        if dataset["format"] == "digit-scenes" and not dataset["stand_in"]:
            yield f"datasets.{name}.stand_in", "must be true of drawn scenes"
        if patch is None and name in (*params["data"]["weighted"], *params["figures"]["datasets"]):
            yield f"datasets.{name}.mask_patch_size", "missing, and data.weighted or figures.datasets needs it"
        if patch and size % patch:
            yield f"datasets.{name}.image_size", f"{size} is not a multiple of its mask_patch_size = {patch}"
        phi = model_settings(params, name)["model"]["backbone"]
        if size % STRIDES[phi]:
            yield f"datasets.{name}.image_size", f"{size} is not a multiple of {phi}'s stride {STRIDES[phi]}"
