"""Of two runs of one training, the later one writes: the earlier one finds its token replaced and stops.

A requeued job may begin while its first run still lives on a node that only lost its network. Each run leaves a token
in the folder of the training's state, where the next one replaces it. No lock is used, as shared file systems may lack
them and a lock's owner may be gone. No result depends on it.
"""

import os
import socket
import time
import uuid
from pathlib import Path
from typing import Any

from patchvae.errors import PatchVAEError
from patchvae.files import write_json
from patchvae.jobs.states import JOB, described

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
        jobs = [path for path in self.scratch.glob(f"*/{JOB}") if described(path).get("record") == self.record]
        self.paths = [path.with_name(TOKEN) for path in jobs]
        if not self.paths:
            raise Overtaken(f"{label}: another run of this training has just begun: this one stops")
        for path in self.paths:
            write_json(path, self.token)
        self.check()

    def check(self, now: bool = True) -> None:
        """Raise Overtaken if another run has begun since, or the outputs are recorded and the state is deleted.

        now: False for a check that is left out where it would take more than SHARE of the time.
        """
        began = time.monotonic()
        if not now and began < self._next:
            return
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
                    f"{self.label}: another run of this training has begun since ({path} names its machine): this one"
                    " stops and writes nothing more"
                )
        ended = time.monotonic()
        self._next = ended + (ended - began) / SHARE
