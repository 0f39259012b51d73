"""States of trainings: where they are, which training each belongs to, and when they may be deleted."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from patchvae.errors import PatchVAEError
from patchvae.files import canonical, read_json, write_json
from patchvae.records.record import Record, job_digest

STATE, JOB, FINISHED = "state.pt", "job.json", "finished"


def state_path(scratch: Path, key: Mapping[str, Any], label: str, record: Path) -> Path:
    """Where a training keeps its state: in a folder named by all that decides its result, so a stale one is not used.

    Each project has folders of its own, as several may share one `scratch`; that of a project that is gone, since it
    was moved, is taken over. Beside the state stand the key, the project, and record: that of the training's outputs.
    Raises PatchVAEError where they cannot be written.
    """
    root = Path.cwd()
    training = _short(canonical(key), 20)
    folder = scratch / f"{training}-{_short(str(root), 8)}"
    if not folder.exists():
        for other in filter(_of_no_project, sorted(scratch.glob(f"{training}-*"))):
            with contextlib.suppress(OSError):  # another project was faster
                other.rename(folder)
                break
    write_json(folder / JOB, {"label": label, "key": key, "root": str(root), "record": str(root / record)})
    return folder / STATE


def training_of(state: Path) -> str:
    """The training that a state is of, by the name of its folder."""
    return state.parent.name.partition("-")[0]


def finish(state: Path) -> None:
    """Note that a training has ended and nothing will go on from its state, but for outputs that are lost."""
    state.with_name(FINISHED).touch()


class Cleaned(NamedTuple):
    """States by their labels."""

    removed: list[str]
    kept: list[str]


def clean(scratch: Path) -> Cleaned:
    """Delete the states of finished trainings whose outputs have a record that names the same job.

    A job that is at work has no record. A training never deletes its own state, as the engine that called it may still
    delete its outputs.
    """
    cleaned = Cleaned([], [])
    for path in sorted(scratch.glob(f"*/{JOB}")):
        label = str(path.parent)
        with contextlib.suppress(PatchVAEError, OSError, KeyError, TypeError):  # no record, or a broken file
            content = read_json(path)
            label, key = str(content["label"]), content["key"]
            job = job_digest(key["rule"], key["config"], key["code"])
            if path.with_name(FINISHED).exists() and Record.load(Path(content["record"])).job == job:
                shutil.rmtree(path.parent)
                cleaned.removed.append(label)
                continue
        cleaned.kept.append(label)
    return cleaned


def _short(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _of_no_project(folder: Path) -> bool:
    try:
        os.stat(read_json(folder / JOB)["root"])
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, PatchVAEError, KeyError, TypeError):  # it may be there, where this user must not look
        return False
    return False
