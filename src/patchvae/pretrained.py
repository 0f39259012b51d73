"""Pretrained models as they are measured, drawn and handed out: with their weights, in evaluation mode."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from patchvae.errors import PatchVAEError
from patchvae.models.factory import build_model, network_of
from patchvae.models.weights import load_weights, weights_of
from patchvae.params.measuring import Measured
from patchvae.records import checkpoint

ENCODER = "encoder."  # begins the names of the encoder's weights


def load_model(path: Path, config: Measured, kinds: Sequence[str]) -> tuple[Any, dict[str, Any]]:
    """The model of a pretraining checkpoint on the CPU, and the checkpoint's content.

    kinds: the values of `model.name` that the job can use.
    Raises PatchVAEError for a model of another kind, and for a checkpoint that is broken or of another model.
    """
    content = checkpoint.load_identified(path, config)
    model, kind = restored(path, content), content["config"]["model"]["name"]
    if kind not in kinds:
        raise PatchVAEError(f"{config.variant} is a {kind}, this needs a {' or '.join(kinds)}")
    return for_measuring(model, "cpu"), content


def restored(path: Path | str, content: Mapping[str, Any]) -> nn.Module:
    """The model of a checkpoint's content; raises PatchVAEError where that is of no pretraining."""
    model = untrained(path, content["config"])
    load_weights(model, content["model"], content["config"]["variant"])
    return model.eval()


def restored_encoder(path: Path | str, content: Mapping[str, Any]) -> nn.Module:
    """Its encoder alone, whether or not there are weights of anything else; errors as `restored`."""
    encoder = untrained(path, content["config"]).get_submodule("encoder")
    load_weights(encoder, weights_of(ENCODER, content["model"]), content["config"]["variant"])
    return encoder.eval()


def untrained(path: Path | str, config: Mapping[str, Any]) -> nn.Module:
    """The model that a checkpoint's configuration describes; raises PatchVAEError where it describes none."""
    try:
        size, _, _ = (config[key] for key in ("image_size", "variant", "input_scaling"))
        with torch.random.fork_rng(devices=[]):  # the caller draws the same numbers as without this model
            return build_model(network_of(config["model"]), size)
    except (KeyError, AttributeError) as error:
        raise PatchVAEError(f"checkpoint {path} is of no pretraining: its config is incomplete") from error
    except PatchVAEError as error:
        raise PatchVAEError(f"checkpoint {path} is of no pretraining: {error}") from error


def for_measuring(model: nn.Module, device: torch.device | str) -> nn.Module:
    """The model on the device in channels-last memory, in evaluation mode (BatchNorm with its running statistics)."""
    return model.to(device=device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
