"""The model of params.yaml, and the JSON schema that editors make of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import OVERLAYS, changed

from patchvae.commands.schema import json_schema
from patchvae.files import canonical
from patchvae.params.messages import checked
from patchvae.params.parameters import Parameters
from patchvae.params.reading import load_params


def test_a_dump_of_every_run_is_the_raw_yaml(root: Path) -> None:
    assert OVERLAYS
    for overlay in [[], *([path] for path in OVERLAYS)]:
        raw = load_params([root / "params.yaml", *overlay])
        assert canonical(checked(Parameters, raw, "").given) == canonical(raw)


@pytest.mark.parametrize(
    ("key", "value"),
    [("gan/weight", 1), ("finetune/lr", 1), ("ridge/lambdas", [1, 2.5]), ("ablations/beta_occ", [1, 0.5, 2])],
)
def test_whole_numbers_stay_as_they_are_written(params: dict[str, Any], key: str, value: Any) -> None:
    """1.0 for 1 would be another configuration of a job that was run."""
    raw = changed(params, key, value)
    assert canonical(checked(Parameters, raw, "").given) == canonical(raw)


def test_the_committed_schemas_are_those_of_the_models(root: Path) -> None:
    for name in ("metrics", "params"):
        committed = root / f"workflow/schemas/{name}.schema.json"
        command = f"python -m patchvae.commands.schema {name} > {committed}"
        assert committed.read_text(encoding="utf-8") == json_schema(name), command
    first = (root / "params.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={committed.relative_to(root)}"


def blocks(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if "properties" in schema:
        yield "", schema
    yield from schema["$defs"].items()


@pytest.mark.parametrize("schema", ["metrics", "params"])
def test_every_block_of_a_schema_is_closed_and_every_key_described(schema: str) -> None:
    for name, block in blocks(json.loads(json_schema(schema))):
        assert [key for key, entry in block["properties"].items() if not entry.get("description")] == [], name
        # `model` has a block per variant beside its keys; a metrics file's configuration has a model of its own.
        assert block["additionalProperties"] is False or name in ("Model", "JobConfig", "ModelConfig"), name
