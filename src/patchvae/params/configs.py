"""The closed model of each command's `--config`."""

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.params import measuring
from patchvae.params.classifying import Finetune, Rates
from patchvae.params.messages import checked
from patchvae.params.model_kinds import KINDS
from patchvae.params.preparing import DigitScenes, Download, Masks, Prepare
from patchvae.params.reading import did_you_mean, shown
from patchvae.params.types import Strict
from patchvae.report import tables

MODELS: dict[str, type[Strict]] = {
    "download": Download,
    "prepare": Prepare,
    "digit_scenes": DigitScenes,
    "masks": Masks,
    "inception": measuring.Inception,
    "finetune": Finetune,
    "rates": Rates,
    "probe": measuring.Probe,
    "few_labels": measuring.FewLabels,
    "few_labels_pixels": measuring.FewLabelsOfPixels,
    "reconstruct": measuring.Reconstruct,
    "fid": measuring.Reconstruct,
    "parts": measuring.Measured,
    "real_parts": measuring.RealParts,
    "figure_masks": measuring.FigureMasks,
    "figure_parts": measuring.FigureParts,
    "figure_real_parts": measuring.FigureRealParts,
    **dict.fromkeys(("parameter_tables", "summary", "curves"), Strict),  # an empty configuration
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
    if command in MODELS:
        return MODELS[command]
    # Of a table, in its module: no job but its own waits for what lays it out
    modules = [module.name for module in pkgutil.iter_modules(tables.__path__)]
    if command in modules:
        module = importlib.import_module(f"{tables.__name__}.{command}")
        if hasattr(module, "Config"):
            return module.Config
    raise PatchVAEError(f"unknown report {shown(command)}{did_you_mean(command, [*MODELS, *modules])}")
