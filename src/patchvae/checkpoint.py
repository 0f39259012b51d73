"""Checkpoints: the weights a job hands on, and the state with which an interrupted job goes on."""

import logging
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from patchvae.errors import PatchVAEError
from patchvae.files import atomic, file_digest
from patchvae.provenance import config_sha256
from patchvae.records import AGAIN, DIGESTS, OTHER, WITHIN, difference, refuse_other_config
from patchvae.run_config import Measured, OnPhi

FORMAT = 4
# Keys of a checkpoint's configuration that must equal the job's, so that no number is filed under another model
IDENTITY = ("dataset", "variant", "seed", "image_size", "input_scaling")
# What a pretraining's checkpoint holds at least
FORM = {"model": dict, "config": dict, "snapshots": dict, "steps": int, "code_sha256": str, "data_sha256": dict}

log = logging.getLogger(__name__)


def save(path: Path | str, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically."""
    with atomic(path) as partial:
        try:
            torch.save({"format": FORMAT, **content}, partial)
        except RuntimeError as error:  # the zip writer hides the operating system's reason, most often a full disk
            raise OSError(str(error).splitlines()[0]) from error


def load(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; raises PatchVAEError when it is missing, broken or not ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # PyTorch does not look at the checksums of what it reads
        if damaged is not None:
            raise PatchVAEError(f"checkpoint {path} is damaged: {damaged} in it is not what was written")
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise PatchVAEError(f"checkpoint {path} does not exist") from error
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, ValueError, zipfile.BadZipFile) as error:
        raise PatchVAEError(f"checkpoint {path} cannot be read: it is truncated or no checkpoint") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise PatchVAEError(f"checkpoint {path} was not written by this version of patchvae")
    return content


def load_pretrained(
    path: Path | str,
    expected: Mapping[str, Any],
    wanted: Mapping[str, str],
    data: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """Read the checkpoint of a pretraining and check that its config agrees with `expected`, key by key.

    wanted: see `records`; data: `records.data_digests` of the images that it must have been pretrained on, or None. The
    same images in another order are accepted, with a note in the log.
    Raises PatchVAEError naming the first key that differs, so that one model's weights never pass for another's.
    """
    content = load(path)
    for key, form in FORM.items():
        if not isinstance(content.get(key), form):
            raise PatchVAEError(f"checkpoint {path} is of no pretraining: it holds no {key}")
    content["sha256"] = file_digest(path)
    config = content["config"]
    for key, value in expected.items():
        if config.get(key) != value:
            raise PatchVAEError(
                f"checkpoint {path} is of another model: its {key} is {config.get(key)!r}, not {value!r}"
            )
    refuse_other_config(f"checkpoint {path}", config, wanted.get("pretrained"))
    how = None if data is None else difference(trained_on(content), data)
    if how == OTHER:
        raise PatchVAEError(f"checkpoint {path} was pretrained on other images than the data set holds: {AGAIN}")
    if how is not None:
        log.warning("checkpoint %s was pretrained on the data set's images in another order; %s", path, WITHIN)
    return content


def trained_on(content: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The DIGESTS, of the training split alone, in the checkpoint of a pretraining; early ones hold only one."""
    return {key: {"train": content[key].get("train")} for key in DIGESTS if key in content}


def load_identified(
    path: Path | str,
    config: Measured,
    wanted: Mapping[str, str],
    data: Mapping[str, Mapping[str, str]] | None = None,
) -> dict[str, Any]:
    """`load_pretrained` for a job on the whole model: the keys of IDENTITY must agree."""
    return load_pretrained(path, {key: getattr(config, key) for key in IDENTITY}, wanted, data)


def load_phi(
    path: Path | str, config: OnPhi, wanted: Mapping[str, str], data: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """`load_pretrained` for a job on phi alone; data: the job's, where phi may not have been trained."""
    source = config.pretrained
    expected = {"dataset": source.dataset, "variant": source.variant, "seed": config.seed}
    return load_pretrained(path, expected, wanted, data if source.dataset == config.dataset else None)


def pretraining_record(content: dict[str, Any], snapshot: int | None = None) -> dict[str, Any]:
    """What metrics files say of the pretraining behind them, from its checkpoint; snapshot: the weights' epoch."""
    config = content["config"]
    return {
        "dataset": config["dataset"],
        "variant": config["variant"],
        "epochs": config.get("epochs", 0) if snapshot is None else snapshot,  # a control has none
        "model": config["model"],
        "stand_in": config.get("stand_in", False),
        "game": content["game"],
        "config_sha256": config_sha256(config),
        "code_sha256": content["code_sha256"],
        "checkpoint_sha256": content["sha256"],
        **trained_on(content),
    }


def load_weights(module: nn.Module, weights: dict[str, torch.Tensor], of: str) -> None:
    """Put the weights of `of` into a network; raises PatchVAEError naming it where they do not fit."""
    try:
        module.load_state_dict(weights)
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise PatchVAEError(f"the weights of {of} do not fit the network: {reason[:200]}") from error


def backbone_weights(content: dict[str, Any], snapshot: int | None = None) -> dict[str, torch.Tensor]:
    """The weights of phi in a pretraining checkpoint: the last ones, or those after the epoch `snapshot`.

    Raises PatchVAEError for an epoch that was not kept.
    """
    if snapshot is not None:
        if snapshot not in content["snapshots"]:
            known = ", ".join(map(str, content["snapshots"])) or "none"
            raise PatchVAEError(f"the checkpoint has no snapshot of epoch {snapshot}, only of {known}")
        weights: dict[str, torch.Tensor] = content["snapshots"][snapshot]
        return weights
    prefix = "encoder.backbone."
    return {key.removeprefix(prefix): value for key, value in content["model"].items() if key.startswith(prefix)}
