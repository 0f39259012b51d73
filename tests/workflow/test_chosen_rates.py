"""A fine-tuning whose rate is chosen needs the search for it, and is made again where that has found another rate."""

import json
from pathlib import Path
from typing import Any

import layout
import pytest
import stale

from patchvae.config import load_params
from patchvae.provenance import config_sha256
from patchvae.resolve import resolve

JOB = {"run": "test", "dataset": "digits-tiny", "variant": "random", "regime": "conv1-5", "seed": 1}
CELL = JOB | {"table": "scale_free", "head": "tuned"}


@pytest.fixture
def params(root: Path) -> dict[str, Any]:
    return load_params([root / "params.yaml", root / "configs/test.yaml"]) | {"seeds": [0, 1]}


def test_every_seed_needs_the_search_of_the_first(params: dict[str, Any]) -> None:
    search = "results/test/metrics/rates/conv1-5/tuned/random/digits-tiny/seed0.json"
    needs = {job.outputs[0]: job.inputs for job in layout.listing(params)}
    cells = [path for path in needs if "/scale_free/conv1-5/tuned/random/" in path]
    assert len(cells) == 2 and all(search in needs[path] for path in cells)
    assert search in needs and not any(search in needs[path] for path in needs if "/standardised/" in path)


@pytest.mark.parametrize(("found", "why"), [(0.01, None), (0.03, "chosen rate"), (None, None)])
def test_another_rate_makes_a_fine_tuning_stale(
    params: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: float | None, why: str | None
) -> None:
    monkeypatch.setattr(stale, "ROOT", tmp_path)
    record = {
        "dataset": "digits-tiny",
        "config": resolve(params, "finetune", CELL),
        "code_sha256": layout.code_of(params, "finetune", CELL),
        "pretraining": {"dataset": "digits-tiny", "config_sha256": config_sha256(resolve(params, "pretrain", JOB))},
        "lr": 0.01,
    }
    paths = [path.format(**CELL) for path in layout.OUTPUTS["finetune"]]
    content = {paths[0]: record}
    if found is not None:
        content["results/test/metrics/rates/conv1-5/tuned/random/digits-tiny/seed0.json"] = {"lr": found}
    for path, value in content.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(json.dumps(value))
    assert stale.differs(params, "finetune", CELL, paths) == why
