"""Metrics files of every kind, read and checked."""

import pkgutil
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import read_json
from patchvae.result import FORMAT, Result, checked_result

# Rule -> the class of its metrics files by name, so that no report depends on what it does not read; and in words
KINDS = {
    "pretrain": ("patchvae.training.pretrain_config:PretrainResult", "a pretraining"),
    "finetune": ("patchvae.training.finetune_config:FinetuneResult", "a fine-tuning"),
    "rates": ("patchvae.training.finetune_config:RatesResult", "a search for a rate"),
    "probe": ("patchvae.evaluation.probe_config:ProbeResult", "a linear probe"),
    "few_labels": ("patchvae.evaluation.few_labels_config:FewLabelsResult", "few labels"),
    "reconstruct": ("patchvae.evaluation.reconstruction_config:ReconstructResult", "reconstructions"),
    "fid": ("patchvae.evaluation.reconstruction_config:FidResult", "an FID"),
    "parts": ("patchvae.evaluation.parts_config:PartsResult", "part discovery"),
    "real_parts": ("patchvae.evaluation.real_parts_config:RealPartsResult", "parts on photographs"),
}


def kind(rule: str) -> type[Result]:
    """The class of a rule's metrics files."""
    found: type[Result] = pkgutil.resolve_name(KINDS[rule][0])
    return found


def read_metrics(path: Path | str, *rules: str) -> dict[str, Any]:
    """The content of a metrics file, of any rule or one of these; raises PatchVAEError naming the file and its key."""
    content, rules = read_json(path), rules or tuple(KINDS)
    rule = content.get("rule") if isinstance(content, dict) else None
    if rule not in rules or content.get("schema") != FORMAT:
        raise PatchVAEError(
            f"{path}: not the metrics (schema {FORMAT}) of {' or '.join(KINDS[rule][1] for rule in rules)}"
        )
    return checked_result(kind(rule), path, content).given
