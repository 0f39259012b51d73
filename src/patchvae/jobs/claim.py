"""Of two runs of one training, the later one writes: the earlier one sees it and stops.

A requeued job may begin while its first run still lives on a node that only lost its network. Each run leaves a token
in the folder of the training's state, where the next one replaces it. No lock is used, as shared file systems may lack
them and a lock's owner may be gone. No result depends on it.
"""

import contextlib
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import read_json, write_json
from patchvae.jobs.states import JOB
from patchvae.plan.jobs import Job, states

logger = logging.getLogger(__name__)

TOKEN = "token.json"
SHARE = 0.01  # of a training's time that goes into looking at its tokens


class Overtaken(PatchVAEError):
    """Another run of this training goes on, or has ended."""


class Claim:
    """A run's claim on the states of its training, and so on its outputs."""

    def __init__(self, scratch: Path, record: Path) -> None:
        """scratch: the folder of all states; record: of the outputs, which `states.state_path` writes down there."""
        self.scratch, self.record = scratch, str(Path.cwd() / record)
        self.token: dict[str, Any] = {"run": uuid.uuid4().hex, "host": socket.gethostname(), "process": os.getpid()}
        self.label, self.paths, self._next = "", list[Path](), 0.0

    def take(self, label: str) -> None:
        """Become the run that writes. Runs of the same job with other parameters or code lose the outputs, too.

        Raises Overtaken where no state folder names their record any more.
        """
        self.label = label
        self.paths = [path.with_name(TOKEN) for path in self.scratch.glob(f"*/{JOB}") if self._names_ours(path)]
        if not self.paths:
            raise Overtaken(f"{label}: another run of this training has just begun: this one stops")
        for path in self.paths:
            write_json(path, self.token)
        self.check()

    def check_now_and_then(self) -> None:
        """`check`, unless that would take more than SHARE of the time."""
        if time.monotonic() >= self._next:
            self.check()

    def check(self) -> None:
        """Raise Overtaken if another run has begun since, or the outputs are recorded and the state is deleted."""
        began = time.monotonic()
        for path in self.paths:
            try:
                newest = path.read_text(encoding="utf-8")
            except FileNotFoundError:
                raise Overtaken(
                    f"{self.label}: {path.parent} was deleted, as is done once a training's outputs are recorded:"
                    " this run stops and writes nothing more"
                ) from None
            if self.token["run"] not in newest:
                raise Overtaken(
                    f"{self.label}: another run of this training has begun since ({path} tells where): this one stops"
                    " and writes nothing more"
                )
        now = time.monotonic()
        self._next = now + (now - began) / SHARE

    def _names_ours(self, path: Path) -> bool:
        try:
            return bool(read_json(path)["record"] == self.record)
        except (PatchVAEError, KeyError, TypeError):  # cut off by a kill
            return False


@contextlib.contextmanager
def unless_finished_by_another(job: Job) -> Iterator[None]:
    """Let a run that is overtaken end well, if another one of the same job has written all outputs by now.

    After an error, this run's Snakemake would delete them.
    """
    try:
        yield
    except Overtaken as error:
        if states([job])[job.path].word != "right":
            raise
        logger.warning("%s: it has written %s", error, job.makes[0])
