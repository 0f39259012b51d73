"""Reading params.yaml and its overlays, and refusing what makes no sense."""

import copy
import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from patchvae.errors import PatchVAEError
from patchvae.models.sizes import REGIMES, STRIDES

Params = dict[str, Any]

MODEL_OF_PARTS = "patchvae"
SWEEPABLE = ("input_scaling", "model", "pretrain", "gan", "bigan", "finetune")


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
    """Check parameters against the closed schema and against each other, swept values included.

    Raises PatchVAEError with one sentence that holds the dotted key and what is wrong with it.
    """
    schema = Draft202012Validator(read_yaml(schema_path))
    _refuse(schema, params, "")
    for key, problem in _cross_checks(params):
        raise PatchVAEError(f"parameters: {key}: {problem}")
    for key, values in sweeps(params).items():
        path = setting(params, key)
        for value in values:
            _refuse(schema, put(params, path, value), f"ablations.{key}: ")


def _refuse(schema: Draft202012Validator, params: Params, prefix: str) -> None:
    errors = list(schema.iter_errors(params))
    if errors:
        # A misspelt key is also a missing one: say the former.
        errors.sort(key=lambda e: (e.validator != "additionalProperties", [str(part) for part in e.absolute_path]))
        raise PatchVAEError(f"parameters: {prefix}{_sentence(errors[0])}")


def sweeps(params: Params) -> dict[str, list[Any]]:
    """Swept keys with their values; a key without values is left out."""
    return {key: values for key, values in (params["ablations"] or {}).items() if values}


def setting(params: Params, key: str) -> tuple[str, ...]:
    """Where a swept key lies: in the swept variant's block, in `model`, or at a dotted path such as `finetune.lr`.

    Raises PatchVAEError for a key that is nowhere.
    """
    variant = params["ablation_base"]["variant"]
    if key in params["variants"][variant]:
        return ("variants", variant, key)
    if key in params["model"]:
        return ("model", key)
    path, block = tuple(key.split(".")), params
    for part in path:
        if not isinstance(block, dict) or part not in block:
            known = [*params["variants"][variant], *params["model"]]
            raise PatchVAEError(
                f"ablations.{key}: neither a key of variants.{variant} or model nor a dotted path such as finetune.lr"
                + _did_you_mean(key, known)
            )
        block = block[part]
    if path[0] not in SWEEPABLE:
        raise PatchVAEError(f"ablations.{key}: only keys of {', '.join(SWEEPABLE)} or of a variant can be swept")
    return path


def get(params: Params, path: Sequence[str]) -> Any:
    """The value at a path."""
    for part in path:
        params = params[part]
    return params


def put(params: Params, path: Sequence[str], value: Any) -> Params:
    """A copy of the parameters with another value at a path."""
    overlay: Any = value
    for part in reversed(path):
        overlay = {part: overlay}
    return merge(params, overlay)


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


def _asked(params: Params) -> Iterator[tuple[str, str, str]]:
    """Every mention of a name: (dotted key, name, kind)."""
    kinds = {"datasets": "data set", "dataset": "data set", "variants": "variant", "variant": "variant"}
    kinds |= {"supervised": "variant", "regimes": "regime", "regime": "regime"}
    for block in ("table1", "table2", "table7", "ablation_base", "parts", "figures"):
        for key, value in (params[block] or {}).items():
            if key in kinds:
                for name in value if isinstance(value, list) else [value]:
                    yield f"{block}.{key}", name, kinds[key]
    for name, variant in params["variants"].items():
        if "pretrain_on" in variant:
            yield f"variants.{name}.pretrain_on", variant["pretrain_on"], "data set"
    for name, dataset in params["datasets"].items():
        if "raw" in dataset:
            yield f"datasets.{name}.raw", dataset["raw"], "data set"


def _cross_checks(params: Params) -> Iterator[tuple[str, str]]:
    """What a schema cannot say: (dotted key, problem)."""
    known = {"data set": list(params["datasets"]), "variant": list(params["variants"]), "regime": list(REGIMES)}
    for key, name, kind in _asked(params):
        if name not in known[kind]:
            yield key, f"unknown {kind} {name!r}, known are {', '.join(known[kind])}{_did_you_mean(name, known[kind])}"
    yield from _variant_checks(params)
    yield from _dataset_checks(params)
    base = params["ablation_base"]
    tested = dict.fromkeys([*params["table1"]["datasets"], *(base["datasets"] if sweeps(params) else [])])
    for name in [*tested, *([params["table2"]["dataset"]] if params["table2"] else [])]:
        if "finetune_epochs" not in params["datasets"][name]:
            yield f"datasets.{name}.finetune_epochs", "missing, and a table needs it"
    for key in sweeps(params):
        for name in base["datasets"]:
            path = setting(params, key)
            if path[0] in params["datasets"][name] and path[1] in params["datasets"][name][path[0]]:
                yield f"ablations.{key}", f"datasets.{name}.{'.'.join(path)} has a value of its own and hides the sweep"


def backbone(params: Params, dataset: str) -> str:
    """The backbone of the models of a data set."""
    return str(params["datasets"][dataset].get("model", {}).get("backbone", params["model"]["backbone"]))


def _variant_checks(params: Params) -> Iterator[tuple[str, str]]:
    models = {name: block["model"] for name, block in params["variants"].items()}
    for block in ("figures", "parts"):
        name = params[block]["variant"] if params[block] else None
        if name and models[name] != MODEL_OF_PARTS:
            yield f"{block}.variant", f"{name} has no occurrence maps, only a variant of model {MODEL_OF_PARTS} has"
    for name in (params["table7"] or {}).get("variants", []):
        if models[name] not in (MODEL_OF_PARTS, "beta-vae"):
            yield "table7.variants", f"{name} reconstructs no image, only a variant of model beta-vae or patchvae does"
    for name in params["table1"]["variants"]:
        source = params["variants"][name].get("pretrain_on")
        for dataset in params["table1"]["datasets"] if source else []:
            if backbone(params, source) != backbone(params, dataset):
                yield f"variants.{name}.pretrain_on", f"the backbone of {source} is not that of {dataset}"
    if params["table2"] and params["variants"][params["table2"]["supervised"]]["model"] != "random":
        yield "table2.supervised", "must be a variant of model random, which is then trained whole"


def _dataset_checks(params: Params) -> Iterator[tuple[str, str]]:
    for name, dataset in params["datasets"].items():
        size = dataset["image_size"]
        patch = dataset.get("masks", {}).get("patch_size", params["masks"]["patch_size"])
        if size % patch:
            yield f"datasets.{name}.image_size", f"{size} is not a multiple of masks.patch_size = {patch}"
        phi = backbone(params, name)
        if size % STRIDES[phi]:
            yield f"datasets.{name}.image_size", f"{size} is not a multiple of {phi}'s stride {STRIDES[phi]}"
        if ("raw" in dataset) == ("sources" in dataset) and dataset["format"] != "digit-scenes":
            yield f"datasets.{name}.sources", "give either sources or raw, the data set whose sources it shares"
        if "raw" in dataset and "sources" not in params["datasets"][dataset["raw"]]:
            yield f"datasets.{name}.raw", f"{dataset['raw']} has no sources"
    for name in params["parts"]["datasets"] if params["parts"] else []:
        if params["datasets"][name]["format"] != "digit-scenes":
            yield "parts.datasets", f"{name} has no true occurrence maps, only digit scenes have"
