"""Reading params.yaml and its overlays, and finding values in them."""

import copy
import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from patchvae.errors import PatchVAEError

Params = dict[str, Any]

SWEEPABLE = ("input_scaling", "init", "model", "pretrain", "finetune")


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


def sweeps(params: Params) -> dict[str, list[Any]]:
    """Swept keys with their values; a key without values is left out."""
    return {key: values for key, values in params["ablations"].items() if values}


def setting(params: Params, key: str) -> tuple[str, ...]:
    """Where a swept key lies: in the swept variant's block, among its sizes, or at a dotted path such as `finetune.lr`.

    Raises PatchVAEError for a key that is nowhere.
    """
    base = params["ablation_base"]["variant"]
    for block in ("variants", "model"):
        if key in params[block].get(base, {}):
            return (block, base, key)
    path, node = tuple(key.split(".")), params
    for part in path:
        if not isinstance(node, dict) or part not in node:
            known = [*params["variants"].get(base, {}), *params["model"].get(base, {})]
            raise PatchVAEError(
                f"parameters: ablations.{key}: neither a key of variants.{base} or model.{base} nor a dotted path"
                f" such as finetune.lr{did_you_mean(key, known)}"
            )
        node = node[part]
    if path[0] not in SWEEPABLE:
        blocks = ", ".join(SWEEPABLE)
        raise PatchVAEError(f"parameters: ablations.{key}: only keys of {blocks} or of a variant can be swept")
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


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint at the nearest of the known words, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
