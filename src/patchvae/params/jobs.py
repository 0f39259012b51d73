"""The closed model of each command's `--config`."""

import pkgutil
from collections.abc import Mapping
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.params.classifying import Finetune, Rates
from patchvae.params.drawing import FigureMasks, FigureParts, FigureRealParts
from patchvae.params.kinds import KINDS
from patchvae.params.measuring import FewLabels, FewLabelsOfPixels, Inception, Measured, Probe, RealParts, Reconstruct
from patchvae.params.messages import checked
from patchvae.params.preparing import DigitScenes, Download, Masks, Prepare
from patchvae.params.reading import did_you_mean, shown
from patchvae.params.types import Strict

MODELS: dict[str, type[Strict]] = {
    "download": Download,
    "prepare": Prepare,
    "digit_scenes": DigitScenes,
    "masks": Masks,
    "inception": Inception,
    "finetune": Finetune,
    "rates": Rates,
    "probe": Probe,
    "few_labels": FewLabels,
    "few_labels_pixels": FewLabelsOfPixels,
    "reconstruct": Reconstruct,
    "fid": Reconstruct,
    "parts": Measured,
    "real_parts": RealParts,
    "figure_masks": FigureMasks,
    "figure_parts": FigureParts,
    "figure_real_parts": FigureRealParts,
    **dict.fromkeys(("parameter_tables", "summary", "curves"), Strict),  # an empty configuration
}
# Of the tables, by module: no job but a table's own waits for what lays it out
TABLES = {
    "table1": "table1:Table1",
    "claims": "outcomes:Claims",
    "decision": "config:Selected",
    "probe_table": "probe_table:ProbeTable",
    "few_labels_table": "few_labels_table:FewLabelsTable",
    "lengths": "lengths:Lengths",
    "sensitivity": "sensitivity:Sensitivity",
    "scale_free": "scale_free:ScaleFree",
    "table2": "table2:Table2",
    "sweep": "sweep:Sweep",
    "table7": "table7:Table7",
    "parts_table": "parts_table:PartsTable",
    "real_parts_table": "real_parts_table:RealPartsTable",
}


def check_config(command: str, config: Mapping[str, Any]) -> Strict:
    """A command's configuration; raises PatchVAEError with one sentence that names the first wrong key."""
    return checked(_model(command, config), config, "configuration: ")


def _model(command: str, config: Mapping[str, Any]) -> type[Strict]:
    if command == "pretrain":
        block = config.get("model")
        name = block.get("name") if isinstance(block, dict) else None
        if not isinstance(name, str) or name not in KINDS:
            hint = did_you_mean(str(name), [*KINDS])
            raise PatchVAEError(f"configuration: model.name: {shown(name)} is not one of {', '.join(KINDS)}{hint}")
        return KINDS[name].pretraining
    if command in TABLES:
        table: type[Strict] = pkgutil.resolve_name(f"patchvae.report.tables.{TABLES[command]}")
        return table
    if command not in MODELS:
        raise PatchVAEError(f"unknown report {shown(command)}{did_you_mean(command, [*TABLES, *MODELS])}")
    return MODELS[command]
