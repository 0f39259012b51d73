"""The closed model of each command's `--config`, by name, so that a command imports its own and no other."""

import pkgutil
from collections.abc import Mapping
from typing import Any

from patchvae.config import did_you_mean, shown
from patchvae.errors import PatchVAEError
from patchvae.messages import checked
from patchvae.models.kinds import KINDS
from patchvae.plan import FLOORS
from patchvae.types import Strict

MODELS = {
    "download": "patchvae.data.sources_config:Download",
    "prepare": "patchvae.data.prepare_config:Prepare",
    "masks": "patchvae.data.masks_config:Masks",
    "inception": "patchvae.evaluation.inception_config:Inception",
    "finetune": "patchvae.training.finetune_config:Finetune",
    "rates": "patchvae.training.finetune_config:Rates",
    "probe": "patchvae.evaluation.probe_config:Probe",
    "few-labels": "patchvae.evaluation.few_labels_config:FewLabels",
    "reconstruct": "patchvae.evaluation.reconstruction_config:Reconstruct",
    "fid": "patchvae.evaluation.reconstruction_config:Reconstruct",
    "score-parts": "patchvae.run_config:Measured",
    "real-parts": "patchvae.evaluation.real_parts_config:RealParts",
    "table1": "patchvae.report.tables.table1:Table1",
    "claims": "patchvae.report.tables.outcomes:Claims",
    "decision": "patchvae.report.tables.config:Selected",
    "probe_table": "patchvae.report.tables.probe_table:ProbeTable",
    "few_labels_table": "patchvae.report.tables.few_labels_table:FewLabelsTable",
    "lengths": "patchvae.report.tables.lengths:Lengths",
    "sensitivity": "patchvae.report.tables.sensitivity:Sensitivity",
    "scale_free": "patchvae.report.tables.scale_free:ScaleFree",
    "table2": "patchvae.report.tables.table2:Table2",
    "sweep": "patchvae.report.tables.sweep:Sweep",
    "table7": "patchvae.report.tables.table7:Table7",
    "parts_table": "patchvae.report.tables.parts_table:PartsTable",
    "real_parts_table": "patchvae.report.tables.real_parts_table:RealPartsTable",
    **dict.fromkeys(("parameter_tables", "summary", "curves"), "patchvae.types:Strict"),  # an empty configuration
    "figure-masks": "patchvae.report.figures.weight_masks:FigureMasks",
    "figure-parts": "patchvae.report.figures.survey_config:FigureParts",
    "figure-real-parts": "patchvae.report.figures.survey_config:FigureRealParts",
}


def check_config(command: str, config: Mapping[str, Any]) -> Strict:
    """A command's configuration; raises PatchVAEError with one sentence that names the first wrong key."""
    return checked(_model(command, config), config, "--config: ")


def _model(command: str, config: Mapping[str, Any]) -> type[Strict]:
    if command == "pretrain":
        block = config.get("model")
        name = block.get("name") if isinstance(block, dict) else None
        if not isinstance(name, str) or name not in KINDS:
            hint = did_you_mean(str(name), [*KINDS])
            raise PatchVAEError(f"--config: model.name: {shown(name)} is not one of {', '.join(KINDS)}{hint}")
        return KINDS[name].pretrain_config()
    if command == "prepare" and config.get("format") == "digit-scenes":
        return pkgutil.resolve_name("patchvae.data.prepare_config:DigitScenes")
    if command == "few-labels" and config.get("variant") in FLOORS:
        return pkgutil.resolve_name("patchvae.evaluation.few_labels_config:FewLabelsOfPixels")
    if command not in MODELS:
        raise PatchVAEError(f"unknown report {shown(command)}{did_you_mean(command, [*MODELS])}")
    model: type[Strict] = pkgutil.resolve_name(MODELS[command])
    return model
