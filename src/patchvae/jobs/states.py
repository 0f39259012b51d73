"""States of trainings: where they are, which training each belongs to, and when they may be deleted."""

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import canonical, read_json, write_json
from patchvae.records.record import Record, job_digest, short

STATE, JOB = "state.pt", "job.json"
FINISHED = "finished"  # beside a state from which nothing will go on, unless outputs are lost


def state_path(scratch: Path, key: Mapping[str, Any], label: str, record: Path) -> Path:
    """Where a training keeps its state: in a folder named by all that decides its result, so a stale one is not used.

    Each project has folders of its own, as several may share one `scratch`; that of a project that is gone, since it
    was moved, is taken over. Beside the state stand the key, the project, and record: that of the training's outputs.
    Raises PatchVAEError where they cannot be written.
    """
    root = Path.cwd()
    training = short(canonical(key).encode(), 20)
    folder = scratch / f"{training}-{short(str(root).encode(), 8)}"
    if not folder.exists():
        for other in filter(_of_no_project, sorted(scratch.glob(f"{training}-*"))):
            with contextlib.suppress(OSError):  # another project was faster
                other.rename(folder)
                break
    write_json(folder / JOB, {"label": label, "key": key, "root": str(root), "record": str(root / record)})
    return folder / STATE


def clean(scratch: Path) -> tuple[list[str], list[str]]:
    """Delete the states of finished trainings whose outputs have a record that names the same job.

    Returns the labels of the deleted ones and of the kept ones. A job that is at work has no record. A training
    never deletes its own state, as the engine that called it may still delete its outputs.
    """
    removed, kept = list[str](), list[str]()
    for path in sorted(scratch.glob(f"*/{JOB}")):
        label = str(path.parent)
        with contextlib.suppress(PatchVAEError, OSError, KeyError, TypeError):  # no record, or a broken file
            content = read_json(path)
            label, key = str(content["label"]), content["key"]
            job = job_digest(key["rule"], key["config"], key["code"])
            if path.with_name(FINISHED).exists() and Record.load(Path(content["record"])).job == job:
                shutil.rmtree(path.parent)
                removed.append(label)
                continue
        kept.append(label)
    return removed, kept


def described(path: Path) -> dict[str, Any]:
    """What stands beside a state, in its file JOB; nothing where a kill has cut that off."""
    with contextlib.suppress(PatchVAEError):
        content = read_json(path)
        if isinstance(content, dict):
            return content
    return {}


def _of_no_project(folder: Path) -> bool:
    try:
        os.stat(str(described(folder / JOB).get("root", folder)))
    except OSError as error:  # any other: it may be there, where this user must not look
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False
