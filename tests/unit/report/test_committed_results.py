"""The committed tables are what the committed metrics files say, byte by byte."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from patchvae.config import load_params
from patchvae.report.summary import write_summary
from patchvae.report.tables.table1 import write_table1
from patchvae.resolve import resolve

ROOT = Path(__file__).parents[3]
RUN = ROOT / "results" / "cifar100-quick"


def test_the_table_is_rebuilt_from_its_metrics(tmp_path):
    params = load_params([ROOT / "params.yaml", ROOT / "configs" / "cifar100-quick.yaml"])
    config = resolve(params, "table1", {"run": params["run"]})
    metrics = sorted((RUN / "metrics" / "finetune").rglob("*.json"))
    rebuilt = {kind: tmp_path / f"table1.{kind}" for kind in ("csv", "md", "tex", "html")}
    write_table1(config, ROOT / "paper" / "table1.csv", metrics, **rebuilt)
    for kind, path in rebuilt.items():
        assert path.read_bytes() == (RUN / "tables" / f"table1.{kind}").read_bytes(), kind


def test_the_summary_is_rebuilt_from_its_table(tmp_path):
    write_summary([RUN / "tables" / "table1.csv"], tmp_path / "summary.json")
    assert (tmp_path / "summary.json").read_bytes() == (RUN / "summary.json").read_bytes()


def differing(ran, now):
    """Keys of a configuration that has been run whose value is another one now; keys that came later aside."""
    return [
        key
        for key, value in ran.items()
        if (differing(value, now[key]) if isinstance(value, dict) and isinstance(now[key], dict) else value != now[key])
    ]


def test_the_configuration_is_still_the_one_that_was_run():
    params = load_params([ROOT / "params.yaml", ROOT / "configs" / "cifar100-quick.yaml"])
    for path in sorted((RUN / "metrics").rglob("*.json")):
        metrics = json.loads(path.read_text())
        assert differing(metrics["config"], resolve(params, metrics["rule"], metrics)) == [], path


@pytest.mark.parametrize("rule", ["pretrain", "finetune"])
def test_metrics_files_keep_to_their_schema(rule):
    validator = Draft202012Validator(json.loads((ROOT / "workflow/schemas/metrics.schema.json").read_text()))
    paths = sorted((RUN / "metrics" / rule).rglob("*.json"))
    assert paths
    for path in paths:
        errors = [error.message for error in validator.iter_errors(json.loads(path.read_text()))]
        assert errors == [], path
