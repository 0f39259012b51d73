"""Checkpoints: the weights a job hands on, and the state with which an interrupted job goes on."""

import logging
import pickle
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from patchvae.errors import PatchVAEError
from patchvae.files import atomic, file_digest
from patchvae.params.measuring import Measured, OnPhi
from patchvae.records.digests import AGAIN, DIGESTS, OTHER, WITHIN, difference
from patchvae.records.provenance import config_sha256

FORMAT = 4
# Keys of a checkpoint's configuration that must equal the job's, so that no number is filed under another model
IDENTITY = ("dataset", "variant", "seed", "image_size", "input_scaling")
# What a pretraining's checkpoint holds at least
FORM = {
    "model": dict,
    "config": dict,
    "snapshots": dict,
    "steps": int,
    "code_sha256": str,
    **dict.fromkeys(DIGESTS, dict),
}

log = logging.getLogger(__name__)


def save(path: Path | str, content: dict[str, Any]) -> None:
    """Write a checkpoint atomically; equal contents, their keys in one order, give equal bytes.

    To that end PyTorch is given a stream: given a path, it writes that into the file, and ours holds a process id.
    """
    with atomic(path) as partial, open(partial, "wb") as stream:
        try:
            torch.save(_plain({"format": FORMAT, **content}), stream)
        except RuntimeError as error:  # the zip writer hides the operating system's reason, most often a full disk
            raise OSError(str(error).splitlines()[0]) from error


def _plain(value: Any) -> Any:
    """A value in which equal texts are one object and no two containers are.

    An object that was pickled before becomes a reference to it: bytes would depend on how the content came about.
    """
    if type(value) is dict:
        return {_plain(key): _plain(entry) for key, entry in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_plain, value))
    return sys.intern(value) if type(value) is str else value


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
    path: Path | str, expected: Mapping[str, Any], data: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """Read the checkpoint of a pretraining and check that its config agrees with `expected`, key by key.

    data: `records.data_digests` of the images that it must have been pretrained on, or None. The
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
    how = None if data is None else difference({key: {"train": content[key].get("train")} for key in DIGESTS}, data)
    if how == OTHER:
        raise PatchVAEError(f"checkpoint {path} was pretrained on other images than the data set holds: {AGAIN}")
    if how is not None:
        log.warning("checkpoint %s was pretrained on the data set's images in another order; %s", path, WITHIN)
    return content


def load_identified(
    path: Path | str, config: Measured, data: Mapping[str, Mapping[str, str]] | None = None
) -> dict[str, Any]:
    """`load_pretrained` for a job on the whole model: the keys of IDENTITY must agree."""
    return load_pretrained(path, {key: getattr(config, key) for key in IDENTITY}, data)


def load_phi(path: Path | str, config: OnPhi, data: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """`load_pretrained` for a job on phi alone; data: the job's, where phi may not have been trained."""
    source = config.pretrained
    expected = {"dataset": source.dataset, "variant": source.variant, "seed": config.seed}
    return load_pretrained(path, expected, data if source.dataset == config.dataset else None)


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
        **{key: {"train": content[key]["train"]} for key in DIGESTS},
    }
