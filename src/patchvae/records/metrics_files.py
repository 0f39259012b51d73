"""Metrics files of every kind, read and checked."""

from pathlib import Path
from typing import Any, NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.records.result import FORMAT, Result, checked_result
from patchvae.records.results import (
    FewLabelsResult,
    FidResult,
    FinetuneResult,
    PartsResult,
    PretrainResult,
    ProbeResult,
    RatesResult,
    RealPartsResult,
    ReconstructResult,
)


class Kind(NamedTuple):
    result: type[Result]
    words: str


# By rule
KINDS = {
    "pretrain": Kind(PretrainResult, "a pretraining"),
    "finetune": Kind(FinetuneResult, "a fine-tuning"),
    "rates": Kind(RatesResult, "a search for a rate"),
    "probe": Kind(ProbeResult, "a linear probe"),
    "few_labels": Kind(FewLabelsResult, "few labels"),
    "reconstruct": Kind(ReconstructResult, "reconstructions"),
    "fid": Kind(FidResult, "an FID"),
    "parts": Kind(PartsResult, "part discovery"),
    "real_parts": Kind(RealPartsResult, "parts on photographs"),
}


def read_metrics(path: Path | str, *rules: str) -> dict[str, Any]:
    """The content of a metrics file, of any rule or one of these; raises PatchVAEError naming the file and its key."""
    content, rules = read_json(path), rules or tuple(KINDS)
    rule = content.get("rule") if isinstance(content, dict) else None
    if rule not in rules or content.get("schema") != FORMAT:
        raise PatchVAEError(
            f"{path}: not the metrics (schema {FORMAT}) of {' or '.join(KINDS[rule].words for rule in rules)}"
        )
    return checked_result(KINDS[rule].result, path, content).given
