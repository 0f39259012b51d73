"""Metrics files of every kind, read and checked."""

from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.evaluation.few_labels_config import FewLabelsResult
from patchvae.evaluation.parts_config import PartsResult
from patchvae.evaluation.probe_config import ProbeResult
from patchvae.evaluation.real_parts_config import RealPartsResult
from patchvae.evaluation.reconstruction_config import FidResult, ReconstructResult
from patchvae.files import read_json
from patchvae.result import Result, checked_result
from patchvae.training.finetune_config import FinetuneResult, RatesResult
from patchvae.training.pretrain_config import PretrainResult

# Rule -> the class of its metrics files, and what they are the metrics of
KINDS: dict[str, tuple[type[Result], str]] = {
    "pretrain": (PretrainResult, "a pretraining"),
    "finetune": (FinetuneResult, "a fine-tuning"),
    "rates": (RatesResult, "a search for a rate"),
    "probe": (ProbeResult, "a linear probe"),
    "few_labels": (FewLabelsResult, "few labels"),
    "reconstruct": (ReconstructResult, "reconstructions"),
    "fid": (FidResult, "an FID"),
    "parts": (PartsResult, "part discovery"),
    "real_parts": (RealPartsResult, "parts on photographs"),
}


def read_metrics(path: Path | str, *rules: str) -> dict[str, Any]:
    """The content of a metrics file, of any rule or one of these; raises PatchVAEError naming the file and its key."""
    content, rules = read_json(path), rules or tuple(KINDS)
    rule = content.get("rule") if isinstance(content, dict) else None
    if rule not in rules or content.get("schema") != 1:
        raise PatchVAEError(f"{path}: not the metrics (schema 1) of {' or '.join(KINDS[rule][1] for rule in rules)}")
    return checked_result(KINDS[rule][0], path, content).given
