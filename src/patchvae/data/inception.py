"""The Inception weights that the FID needs, fetched once to where pytorch-fid looks for them."""

import logging
import shutil
from pathlib import Path
from typing import Any

import torch

from patchvae.data.checksums import verified
from patchvae.data.sources import fetch, local_path
from patchvae.errors import PatchVAEError
from patchvae.files import atomic, file_digest, read_json, write_json

FILE = "pt_inception-2015-12-05-6726825d.pth"  # pytorch-fid's port of the weights of the original FID

logger = logging.getLogger(__name__)


def weights_path() -> Path:
    """Where pytorch-fid looks for the weights before it would download them: below TORCH_HOME."""
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE


def fetch_inception(config: dict[str, Any], out: Path) -> None:
    """Put the Inception weights where pytorch-fid finds them and write at `out` whether they are there.

    config: `location` (URL or local file) and `checksum` (sha256:HEX). `out` becomes `{state: present, sha256}`, or
    `{state: missing, why}` with a warning if they cannot be fetched: only the FIDs need them (E62).
    """
    target, sha256 = weights_path(), config["checksum"].removeprefix("sha256:")
    try:
        if not target.is_file() or file_digest(target) != sha256:
            _bring(config["location"], config["checksum"], target)
    except PatchVAEError as error:
        logger.warning("FIDs will be left out: %s", error)
        write_json(out, {"state": "missing", "why": str(error)})
    else:
        write_json(out, {"state": "present", "sha256": sha256})


def _bring(location: str, checksum: str, target: Path) -> None:
    """Download, or copy a local file; raises PatchVAEError when it is missing or has another checksum."""
    source = local_path(location)
    if source is None:
        fetch("Inception weights", location, checksum, target)
        return
    if not source.is_file():
        raise PatchVAEError(f"the Inception weights are not at {source}")
    with atomic(target) as partial:
        shutil.copyfile(source, partial)
        verified("Inception weights", source, partial, checksum)


def weights_or_reason(status: Path) -> Path | str:
    """The weights that `fetch_inception` recorded at `status`, or its reason why there are none.

    Raises PatchVAEError for a broken status, and for weights that are absent or altered: pytorch-fid would download
    the former and load the latter.
    """
    content = read_json(status)
    match content:
        case {"state": "missing", "why": str(reason)}:
            return reason
        case {"state": "present", "sha256": sha256}:
            target = weights_path()
            if target.is_file() and file_digest(target) == sha256:
                return target
            raise PatchVAEError(f"{target} is absent or altered: delete {status} to fetch the Inception weights again")
    raise PatchVAEError(f"{status} does not say whether the Inception weights are there")
