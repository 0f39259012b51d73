"""Reading params.yaml and its overlays, and finding values in them."""

import copy
import difflib
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from patchvae.errors import PatchVAEError

Params = dict[str, Any]

SWEEPABLE = ("input_scaling", "init", "model", "pretrain", "finetune")

LARGEST = 2**63  # whole number; Python refuses to print much longer ones
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
MOST = 100_000  # values in a file; anchors can multiply a few lines into billions


def read_yaml(path: Path | str) -> Params:
    """Read one YAML 1.2 mapping; raises PatchVAEError naming the file (and line) when it is missing or broken."""
    try:
        if Path(path).exists() and not Path(path).is_file():
            raise PatchVAEError(f"cannot read {path}: not a file")
        content = Path(path).read_bytes()
    except OSError as error:
        raise PatchVAEError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        # YAML 1.2: PyYAML (1.1) reads `3e-05` as a string.
        value = YAML(typ="safe", pure=True).load(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PatchVAEError(f"{path} line {line}: not UTF-8 text") from error
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        where = f" line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error).splitlines()[0]
        raise PatchVAEError(f"{path}{where}: not valid YAML: {problem}") from error
    except Exception as error:  # a malformed value can raise anything
        raise PatchVAEError(f"{path}: not valid YAML: {error or type(error).__name__}") from error
    if value is None:
        raise PatchVAEError(f"{path}: is empty, it must be a mapping of keys to values")
    if not isinstance(value, dict):
        raise PatchVAEError(f"{path}: must be a mapping of keys to values")
    refuse_odd(value, str(path))
    return value


def refuse_odd(value: Any, source: str) -> None:
    """Raise PatchVAEError, which names `source` and the dotted key, for what JSON could not hold.

    Refused are values that contain themselves, types other than JSON's, numbers that are not finite, keys that are no
    text, and control characters.
    """
    count = 0

    def visit(node: Any, path: tuple[str, ...], parents: tuple[int, ...]) -> None:
        nonlocal count
        count += 1
        if count > MOST:
            raise PatchVAEError(f"{source}: holds more than {MOST} values")
        problem = "contains itself" if id(node) in parents else _oddity(node)
        if problem:
            raise PatchVAEError(f"{source}: {'.'.join(path) or 'top level'}: {problem}")
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in children:
            if isinstance(node, dict) and (not isinstance(key, str) or _oddity(key)):
                raise PatchVAEError(f"{source}: {'.'.join((*path, repr(key)))}: a key must be plain text, quote it")
            visit(child, (*path, str(key)), (*parents, id(node)))

    visit(value, (), ())


def _oddity(value: Any) -> str | None:
    """What is wrong with a single value, or None."""
    if value is None or isinstance(value, bool | dict | list):
        return None
    if isinstance(value, int):
        return None if abs(value) < LARGEST else "has too many digits"
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is not a finite number"
    if isinstance(value, str):
        odd = CONTROL.search(value)
        return f"{shown(value)} has the control character {odd[0]!r}" if odd else None
    return f"{shown(value)} is a {type(value).__name__}, quote it if text is meant"


def shown(value: Any) -> str:
    """A value for a sentence, cut to a line."""
    # Python refuses to print a number of thousands of digits.
    text = f"{value:#x}" if isinstance(value, int) and abs(value) >= LARGEST else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def merge(base: Params, overlay: Mapping[str, Any]) -> Params:
    """A copy of `base` with `overlay` laid over it: blocks merge, lists and scalars replace."""
    merged = copy.copy(base)
    for key, value in overlay.items():
        old = merged.get(key)
        both = isinstance(old, dict) and isinstance(value, Mapping)
        merged[key] = merge(old, value) if both else copy.deepcopy(value)  # type: ignore[arg-type]
    return merged


def layers(path: Path | str) -> list[tuple[Path, Params]]:
    """A parameter file and the one beside it that it `extends`, if it does, and so on: the lowest first.

    Raises PatchVAEError naming a bad file.
    """
    found = [(Path(path), read_yaml(path))]
    while "extends" in found[-1][1]:
        above, params = found[-1]
        name = params.pop("extends")
        if not isinstance(name, str):
            raise PatchVAEError(f"{above}: extends: must be the name of a file, not {shown(name)}")
        below = above.parent / name
        if below in (path for path, _ in found):
            raise PatchVAEError(f"{above}: extends: {name} extends this file")
        try:
            found.append((below, read_yaml(below)))
        except PatchVAEError as error:
            raise PatchVAEError(f"{above}: extends: {error}") from error
    return found[::-1]


def load_params(paths: Sequence[Path | str]) -> Params:
    """Read parameter files with what they extend, and lay each over those before it.

    Raises PatchVAEError naming a bad file.
    """
    params: Params = {}
    for path in paths:
        for _, layer in layers(path):
            params = merge(params, layer)
    return params


def sweeps(params: Params) -> dict[str, list[Any]]:
    """Swept keys with their values; a key without values is left out."""
    return {key: values for key, values in params["ablations"].items() if values}


def swept_path(params: Params, key: str) -> tuple[str, ...]:
    """Where a swept key lies: in the swept variant's block, among its sizes, or at a path such as `finetune.lr`.

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


def get(params: Any, path: Sequence[Any]) -> Any:
    """The value at a path of keys and list indices."""
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
    """A hint at the closest known word, or nothing."""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
