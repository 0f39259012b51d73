"""What goes on around a running training: the log, a progress bar, live curves, a claim. No result depends on it."""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from patchvae.jobs.claim import Claim
from patchvae.jobs.live import Live
from patchvae.training.loop import Watch

logger = logging.getLogger(__name__)

SIGN = 60.0  # seconds between two lines of a log, from which `patchvae status` tells that a training lives


class Watcher(Watch):
    """Logs every epoch and every minute, shows a bar on a terminal, writes curves for TensorBoard, and stops a run that
    lost its claim."""

    def __init__(self, live: Path | None = None, group: str = "training", claim: Claim | None = None) -> None:
        """live: folder for the curves, or None; group: the heading of their charts; claim: the run's, if it has one."""
        self.live, self.label, self.claim = Live(live, group), "", claim
        self.bar: Any = None
        self.done = self.total = 0
        self.told = time.monotonic()

    def note(self, text: str) -> None:
        logger.warning("%s", text)

    def begin(self, label: str, step: int, total: int, history: Sequence[Mapping[str, float]]) -> None:
        self.label, self.done, self.total = label, step, total
        if self.claim is not None:
            self.claim.take(label)
        self.tell("resumed at step" if step else "step")
        self.live.start(history)
        self.bar = tqdm(total=total, initial=step, desc=label, disable=not sys.stderr.isatty(), mininterval=1)

    def tell(self, where: str) -> None:
        """Log how far the training is."""
        logger.info("%s: %s %d of %d", self.label, where, self.done, self.total)
        self.told = time.monotonic()

    def step(self) -> None:
        """Raises PatchVAEError, before a state can be saved, if a later run has begun."""
        self.done += 1
        if self.claim is not None and self.done < self.total:
            self.claim.check_now_and_then()
        elif self.claim is not None:
            self.claim.check()
        self.bar.update()
        if time.monotonic() - self.told >= SIGN:
            self.tell("step")

    def epoch(self, record: Mapping[str, float]) -> None:
        logger.info("%s: %s", self.label, record)
        self.live.add(record)

    def end(self) -> None:
        """Raises PatchVAEError, before the outputs are written, if a later run has begun."""
        if self.claim is not None and self.done == self.total:
            self.claim.check()
        if self.bar is not None:
            self.bar.close()
        self.live.close()
