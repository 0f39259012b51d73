"""What a user sees of a running training: the log, a progress bar, live curves. No result depends on it."""

import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from patchvae.training.live import Live
from patchvae.training.loop import Watch

logger = logging.getLogger(__name__)

SIGN = 60.0  # seconds between two lines of a log, from which `patchvae status` tells that a training lives


class Watcher(Watch):
    """Logs every epoch and every minute, shows a bar on a terminal, and writes curves for TensorBoard."""

    def __init__(self, live: Path | None = None, group: str = "training") -> None:
        """live: folder for the curves, or None; group: the heading of their charts."""
        self.live, self.label = Live(live, group), ""
        self.bar: Any = None
        self.done = self.total = 0
        self.told = time.monotonic()

    def note(self, text: str) -> None:
        logger.warning("%s", text)

    def begin(self, label: str, step: int, total: int, history: Sequence[Mapping[str, float]]) -> None:
        self.label, self.done, self.total = label, step, total
        self.tell("resumed at step" if step else "step")
        self.live.start(history)
        self.bar = tqdm(total=total, initial=step, desc=label, disable=not sys.stderr.isatty(), mininterval=1)

    def tell(self, where: str) -> None:
        """Log how far the training is."""
        logger.info("%s: %s %d of %d", self.label, where, self.done, self.total)
        self.told = time.monotonic()

    def step(self) -> None:
        self.bar.update()
        self.done += 1
        if time.monotonic() - self.told >= SIGN:
            self.tell("step")

    def epoch(self, record: Mapping[str, float]) -> None:
        logger.info("%s: %s", self.label, record)
        self.live.add(record)

    def end(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.live.close()
