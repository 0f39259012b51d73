"""States of trainings: where they are, which outputs they belong to, and when they may be deleted."""

import contextlib
import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.files import canonical, read_json, write_json

STATE, JOB = "state.pt", "job.json"


def state_path(scratch: Path, key: Mapping[str, Any], label: str, outputs: Sequence[Path]) -> Path:
    """Where a training keeps its state: in a folder named by all that decides its result, so a stale one is not used.

    The names of its outputs are written beside it. Raises PatchVAEError where they cannot be written.
    """
    folder = scratch / hashlib.sha256(canonical(key).encode()).hexdigest()[:20]
    write_json(folder / JOB, {"label": label, "outputs": [str(path) for path in outputs]})
    return folder / STATE


class Cleaned(NamedTuple):
    """States by their labels."""

    removed: list[str]
    kept: list[str]


def clean(scratch: Path, accepted: Callable[[str], bool]) -> Cleaned:
    """Delete the states of trainings all of whose outputs are there and accepted.

    accepted: whether an output, by the path that the training was given, is final. A training never deletes its own
    state, as the engine that called it may still refuse its outputs.
    """
    cleaned = Cleaned([], [])
    for path in sorted(scratch.glob(f"*/{JOB}")):
        try:
            job = read_json(path)
            label, outputs = str(job["label"]), [str(name) for name in job["outputs"]]
        except (PatchVAEError, KeyError, TypeError):  # cut off by a kill; the training writes it again
            cleaned.kept.append(str(path.parent))
            continue
        if outputs and all(Path(name).is_file() and accepted(name) for name in outputs):
            with contextlib.suppress(OSError):
                shutil.rmtree(path.parent)
            cleaned.removed.append(label)
        else:
            cleaned.kept.append(label)
    return cleaned
