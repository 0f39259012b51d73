"""From params.yaml and its overlays to the complete configuration of one job."""

import copy
import difflib
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from patchvae.errors import PatchVAEError

Params = dict[str, Any]

REGIMES = ("conv1", "conv1-3", "conv1-5")


def read_yaml(path: Path | str) -> Params:
    """Read one YAML 1.2 mapping; raises PatchVAEError naming the file (and line) when it is missing or broken."""
    try:
        # YAML 1.2: PyYAML (1.1) reads `3e-05` as a string.
        value = YAML(typ="safe", pure=True).load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PatchVAEError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise PatchVAEError(f"{path}{where}: not valid YAML: {problem}") from error
    if not isinstance(value, dict):
        raise PatchVAEError(f"{path}: must be a mapping of keys to values")
    return value


def merge(base: Params, overlay: Mapping[str, Any]) -> Params:
    """A copy of `base` with `overlay` laid over it: blocks merge, lists and scalars replace."""
    merged = copy.copy(base)
    for key, value in overlay.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return merged


def load_params(paths: Sequence[Path | str]) -> Params:
    """Read parameter files and lay each over those before it; raises PatchVAEError naming a bad file."""
    params: Params = {}
    for path in paths:
        params = merge(params, read_yaml(path))
    return params


def validate(params: Params, schema_path: Path | str) -> None:
    """Check parameters against the closed schema and against each other.

    Raises PatchVAEError with one sentence that holds the dotted key and what is wrong with it.
    """
    errors = list(Draft202012Validator(read_yaml(schema_path)).iter_errors(params))
    if errors:
        # A misspelt key is also a missing one: say the former.
        errors.sort(key=lambda e: (e.validator != "additionalProperties", [str(part) for part in e.absolute_path]))
        raise PatchVAEError(f"parameters: {_sentence(errors[0])}")
    for key, problem in _cross_checks(params):
        raise PatchVAEError(f"parameters: {key}: {problem}")


def _sentence(error: ValidationError) -> str:
    path = [str(part) for part in error.absolute_path]
    key = ".".join(path) or "top level"
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(str(name) for name in error.instance if name not in known)
        return f"{'.'.join([*path, unknown])}: unknown key{_did_you_mean(unknown, known)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        return f"{'.'.join([*path, missing])}: missing"
    if error.validator == "enum":
        known = [str(value) for value in error.validator_value]
        hint = _did_you_mean(str(error.instance), known)
        return f"{key}: {error.instance!r} is none of {', '.join(known)}{hint}"
    if error.validator in ("anyOf", "pattern"):
        return f"{key}: {error.instance!r} does not fit: {error.schema['description']}"
    return f"{key}: {error.message}"


def _did_you_mean(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _cross_checks(params: Params) -> Iterator[tuple[str, str]]:
    """What a schema cannot say: (dotted key, problem)."""
    table = params["table1"]
    asked = [("table1.datasets", name, list(params["datasets"]), "data set") for name in table["datasets"]]
    asked += [("table1.variants", name, list(params["variants"]), "variant") for name in table["variants"]]
    asked += [("table1.regimes", name, list(REGIMES), "regime") for name in table["regimes"]]
    asked += [("figures.variant", params["figures"]["variant"], list(params["variants"]), "variant")]
    for key, name, known, what in asked:
        if name not in known:
            yield key, f"unknown {what} {name!r}, known are {', '.join(known)}{_did_you_mean(name, known)}"
    drawn = params["figures"]["variant"]
    if params["variants"][drawn]["model"] != "patchvae":
        yield "figures.variant", f"{drawn} has no occurrence maps, only a variant of model patchvae has"
    patch = params["masks"]["patch_size"]
    for name, dataset in params["datasets"].items():
        if dataset["image_size"] % patch:
            size = dataset["image_size"]
            yield f"datasets.{name}.image_size", f"{size} is not a multiple of masks.patch_size = {patch}"


def resolve(params: Params, rule: str, wildcards: Mapping[str, Any]) -> Params:
    """The complete configuration of one job: exactly what it reads, so that nothing else makes it run again.

    wildcards: the job's wildcards by name (`dataset`, `variant`, `regime`, `seed`, `name`), values as text or numbers.
    Raises PatchVAEError for an unknown rule, data set, variant or regime.
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
    # Where a source came from is the download's business; what it holds is ours.
    return config | {"sources": {name: source["checksum"] for name, source in block["sources"].items()}}


def _masks(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return {"image_size": params["datasets"][wildcards["dataset"]]["image_size"], **params["masks"]}


def _model(params: Params, variant: Params) -> Params:
    kind, block = variant["model"], params["model"]
    config = {"name": kind, "init": block["init"]}
    if kind == "beta-vae":
        return config | {"latent_dim": block["latent_dim"], "beta": variant["beta"]}
    if kind == "bigan":
        return config | {"latent_dim": block["latent_dim"]}
    if kind == "random":
        return config | {"statistics": variant["statistics"]}
    if kind == "patchvae":
        names = ("num_parts", "part_dim", "occurrence_prior", "occurrence_kl", "hard_occurrence", "detach_occurrence")
        config |= {key: block[key] for key in (*names, "temperature")}
        return config | {key: variant[key] for key in ("beta_app", "beta_occ")}
    return config


def _pretrain(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset, variant = params["datasets"][wildcards["dataset"]], params["variants"][wildcards["variant"]]
    config = {
        "dataset": wildcards["dataset"],
        "image_size": dataset["image_size"],
        "flip": dataset["flip"],
        "input_scaling": params["input_scaling"],
        "precision": params["precision"],
        "variant": wildcards["variant"],
        "model": _model(params, variant),
        "seed": int(wildcards["seed"]),
    }
    if variant["model"] == "random":
        return config
    config |= {"epochs": dataset["pretrain_epochs"], **params["pretrain"]}
    if variant["model"] == "bigan":
        return config | params["bigan"] | {"weighted_loss": False, "gan": None}
    return config | {"weighted_loss": variant["weighted_loss"], "gan": params["gan"] if variant["gan"] else None}


def _finetune(params: Params, wildcards: Mapping[str, Any]) -> Params:
    dataset, regime = params["datasets"][wildcards["dataset"]], wildcards["regime"]
    if regime not in REGIMES:
        raise PatchVAEError(f"unknown regime {regime!r}, known are {', '.join(REGIMES)}")
    return {
        "dataset": wildcards["dataset"],
        "variant": wildcards["variant"],
        "regime": regime,
        "image_size": dataset["image_size"],
        "num_classes": dataset["num_classes"],
        "flip": dataset["flip"],
        "input_scaling": params["input_scaling"],
        "precision": params["precision"],
        "init": params["model"]["init"],
        "epochs": dataset["finetune_epochs"],
        "seed": int(wildcards["seed"]),
        **params["finetune"],
    }


def _table1(params: Params, wildcards: Mapping[str, Any]) -> Params:
    table = params["table1"]
    blocks = {name: params["datasets"][name] for name in table["datasets"]}
    return {
        "run": params["run"],
        "seeds": params["seeds"],
        **table,
        "schedule": {
            d: {key: block[key] for key in ("pretrain_epochs", "finetune_epochs")} for d, block in blocks.items()
        },
        "demo": [name for name, block in blocks.items() if block["format"] == "digit-scenes"],
    }


def _figure_masks(params: Params, wildcards: Mapping[str, Any]) -> Params:
    return {**params["masks"], "rows": params["figures"]["rows"]}


def _figure_occurrence(params: Params, wildcards: Mapping[str, Any]) -> Params:
    variant = params["figures"]["variant"]
    return {
        "image_size": params["datasets"][wildcards["dataset"]]["image_size"],
        "input_scaling": params["input_scaling"],
        "rows": params["figures"]["rows"],
        "model": _model(params, params["variants"][variant]),
        "variant": variant,
    }


RESOLVERS: dict[str, Callable[[Params, Mapping[str, Any]], Params]] = {
    "download": _download,
    "prepare": _prepare,
    "digit_scenes": _prepare,
    "masks": _masks,
    "pretrain": _pretrain,
    "finetune": _finetune,
    "table1": _table1,
    "figure_masks": _figure_masks,
    "figure_occurrence": _figure_occurrence,
}


def weighted(params: Params, variant: str) -> bool:
    """Whether a variant trains with L_w and so needs weight masks."""
    return bool(params["variants"][variant].get("weighted_loss", False))


def jobs(params: Params) -> Iterator[tuple[str, Params]]:
    """Every job of a run as (rule, wildcards)."""
    run, table, seeds = params["run"], params["table1"], params["seeds"]
    drawn = (params["figures"]["variant"], seeds[0])
    for dataset in table["datasets"]:
        block = params["datasets"][dataset]
        for name in block.get("sources", {}):
            yield "download", {"dataset": dataset, "name": name}
        yield "digit_scenes" if block["format"] == "digit-scenes" else "prepare", {"dataset": dataset}
        cells = list(itertools.product(table["variants"], seeds))
        pretrained = cells if drawn in cells else [*cells, drawn]
        if any(weighted(params, variant) for variant, _ in pretrained):
            yield "masks", {"dataset": dataset}
        for variant, seed in pretrained:
            yield "pretrain", {"run": run, "dataset": dataset, "variant": variant, "seed": seed}
        for (variant, seed), regime in itertools.product(cells, table["regimes"]):
            yield "finetune", {"run": run, "dataset": dataset, "variant": variant, "regime": regime, "seed": seed}
        yield "figure_masks", {"run": run, "dataset": dataset}
        yield "figure_occurrence", {"run": run, "dataset": dataset}
    yield "table1", {"run": run}
