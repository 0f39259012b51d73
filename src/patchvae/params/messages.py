"""What a configuration's model refuses, in one sentence that names the key."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from patchvae.errors import PatchVAEError
from patchvae.params.reading import did_you_mean, get, shown
from patchvae.params.types import Strict

M = TypeVar("M", bound=Strict)

# What was wanted, by pydantic's name of the error
WANTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "string_too_short": "text",
    "list_type": "a list",
    "dict_type": "a mapping of keys to values",
    "model_type": "a mapping of keys to values",
    "none_required": "null",
    "literal_error": "{expected}",
    "union_tag_invalid": "one of {expected_tags}",
    "greater_than": "greater than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
    "less_than": "less than {lt}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "of length {min_length} or more",
    "too_long": "of length {max_length} or less",
}


def checked(model: type[M], data: Mapping[str, Any], prefix: str) -> M:
    """The data as a model; raises PatchVAEError with `prefix`, the first wrong key, and what is wrong with it."""
    try:
        return model.model_validate(data, context=data)
    except ValidationError as error:
        raise PatchVAEError(prefix + _sentence(data, error)) from error


def _sentence(data: Mapping[str, Any], refusal: ValidationError) -> str:
    errors = refusal.errors(include_url=False)
    # Misspelt keys first, as they are also missing; then single values; then what they say of each other
    first = min(errors, key=lambda error: (error["type"] != "unknown_key", error["type"] in ("name", "value_error")))
    path, value, context = _path(data, first), first["input"], first.get("ctx", {})
    match first["type"]:
        case "unknown_key":
            key, known = context["key"], context["known"]
            return f"{_dotted([*path, shown(key)[1:-1]])}: unknown key{did_you_mean(key, known)}"
        case "missing":
            return f"{_dotted(path)}: missing"
        case "union_tag_not_found":
            return f"{_dotted([*path, context['discriminator'][1:-1]])}: missing"
        case "value_error":  # begins with the key itself
            return _dotted([*path, context["error"]])
        case "name":
            return f"{_dotted([part for part in path if isinstance(part, str)])}: {first['msg']}"
        case "union_tag_invalid":
            path.append(context["discriminator"][1:-1])
            value = get(data, path)
    # A union's alternatives have an error each.
    alternatives = [error for error in errors if _path(data, error) == path and error["input"] == value] or [first]
    wanted = " or ".join(dict.fromkeys(map(_wanted, alternatives)))
    hint = did_you_mean(value, re.findall("'([^']+)'", wanted)) if isinstance(value, str) else ""
    if isinstance(value, float) and value.is_integer():
        whole = str(int(value))
        hint = f"; write {whole}" if {WANTED["int_type"], whole} & {*map(_wanted, alternatives)} else ""
    return f"{_dotted(path)}: {shown(value)} is not {wanted}{hint}"


def _wanted(error: ErrorDetails) -> str:
    return WANTED.get(error["type"], error["msg"]).format(**error.get("ctx", {}))


def _dotted(path: list[Any]) -> str:
    return ".".join(map(str, path))


def _path(data: Any, error: ErrorDetails) -> list[Any]:
    """The keys that lead to the error, without the names of union members that pydantic puts among them."""
    path: list[Any] = []
    *parents, last = error["loc"] or (None,)  # the whole has no place
    for part in parents:
        if _has(data, part):
            path.append(part)
            data = data[part]
    return [*path, last] if error["type"] == "missing" or _has(data, last) else path


def _has(data: Any, part: Any) -> bool:
    return (isinstance(data, list) and isinstance(part, int)) or (isinstance(data, dict) and part in data)
