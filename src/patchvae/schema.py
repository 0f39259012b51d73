"""The schema of the parameters, and what it refuses in one sentence each."""

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError

from patchvae.config import Params, did_you_mean, read_yaml, shown
from patchvae.errors import PatchVAEError

SCHEMA = Path(__file__).parent / "schemas/params.schema.yaml"


@functools.cache
def _schema() -> Any:
    """Stricter than JSON Schema in two things: 512.0 is no integer, and a pattern is one of the whole text."""

    def pattern(validator: Any, wanted: str, text: Any, schema: Any) -> Iterator[ValidationError]:
        # `$` alone matches before a newline at the end too.
        if isinstance(text, str) and not re.fullmatch(wanted, text):
            yield ValidationError(f"{text!r} does not match")

    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    strict = validators.extend(Draft202012Validator, {"pattern": pattern}, type_checker=types)
    return strict(read_yaml(SCHEMA))


def refuse_by_schema(params: Params, prefix: str) -> None:
    """Raise PatchVAEError if the schema refuses the parameters: one sentence with `prefix` and the dotted key."""
    errors = list(_schema().iter_errors(params))
    if errors:
        # A misspelt key is also a missing one: say the former.
        errors.sort(key=lambda e: (e.validator != "additionalProperties", [str(part) for part in e.absolute_path]))
        raise PatchVAEError(f"parameters: {prefix}{_sentence(errors[0])}")


TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "null",
}


def _sentence(error: ValidationError) -> str:
    path = [str(part) for part in error.absolute_path]
    key, value = ".".join(path) or "top level", error.instance
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = next(str(name) for name in value if name not in known)
        return f"{'.'.join([*path, shown(unknown)[1:-1]])}: unknown key{did_you_mean(unknown, known)}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in value)
        return f"{'.'.join([*path, missing])}: missing"
    if error.validator == "enum":
        known = [str(value) for value in error.validator_value]
        return f"{key}: {shown(value)} is none of {', '.join(known)}{did_you_mean(str(value), known)}"
    if error.validator in ("anyOf", "pattern"):
        return f"{key}: {shown(value)} does not fit: {error.schema['description']}{_whole(value, error.schema)}"
    if error.validator == "type":
        kinds = error.validator_value if isinstance(error.validator_value, list) else [error.validator_value]
        return f"{key}: {shown(value)} is not {' or '.join(TYPES[kind] for kind in kinds)}{_whole(value, error.schema)}"
    if error.validator == "maxItems" and error.validator_value == 1:
        return f"{key}: {shown(value)} is more than one"
    return f"{key}: {error.message.replace(repr(value), shown(value))}"


def _whole(value: Any, schema: Any) -> str:
    """A hint at the whole number that a number with a point may mean, if the schema takes it, or nothing."""
    if not isinstance(value, float) or not value.is_integer():
        return ""
    fits = _schema().evolve(schema=schema).is_valid(int(value))
    return f"; write {int(value)}" if fits else ""
