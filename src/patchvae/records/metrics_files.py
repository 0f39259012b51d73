"""Metrics files of every kind, read and checked."""

from pathlib import Path
from typing import Any, NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.params.messages import checked
from patchvae.records import results


class Kind(NamedTuple):
    result: type[results.Result]
    words: str


# By rule
KINDS = {
    "pretrain": Kind(results.PretrainResult, "a pretraining"),
    "finetune": Kind(results.FinetuneResult, "a fine-tuning"),
    "rates": Kind(results.RatesResult, "a search for a rate"),
    "probe": Kind(results.ProbeResult, "a linear probe"),
    "few_labels": Kind(results.FewLabelsResult, "few labels"),
    "reconstruct": Kind(results.ReconstructResult, "reconstructions"),
    "fid": Kind(results.FidResult, "an FID"),
    "parts": Kind(results.PartsResult, "part discovery"),
    "real_parts": Kind(results.RealPartsResult, "parts on photographs"),
}


def read_metrics(path: Path | str, *rules: str) -> dict[str, Any]:
    """The content of a metrics file, of any rule or one of these; raises PatchVAEError naming the file and its key."""
    content, rules = read_json(path), rules or tuple(KINDS)
    rule = content.get("rule") if isinstance(content, dict) else None
    if rule not in rules or content.get("schema") != results.FORMAT:
        raise PatchVAEError(
            f"{path}: not the metrics (schema {results.FORMAT}) of {' or '.join(KINDS[rule].words for rule in rules)}"
        )
    return checked(KINDS[rule].result, content, f"{path}: ").given
