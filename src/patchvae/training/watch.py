"""What a user sees of a running training: the log, a progress bar, live curves. No result depends on it."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from patchvae.training.live import Live
from patchvae.training.loop import Watch

logger = logging.getLogger(__name__)


class Watcher(Watch):
    """Logs every epoch, shows a bar on a terminal, and writes curves for TensorBoard."""

    def __init__(self, live: Path | None = None, group: str = "training") -> None:
        """live: folder for the curves, or None; group: the heading of their charts."""
        self.live, self.label = Live(live, group), ""
        self.bar: Any = None

    def note(self, text: str) -> None:
        logger.warning("%s", text)

    def begin(self, label: str, step: int, total: int, history: Sequence[Mapping[str, float]]) -> None:
        self.label = label
        if step:
            logger.info("%s: resumed at step %d", label, step)
        self.live.start(history)
        self.bar = tqdm(total=total, initial=step, desc=label, disable=not sys.stderr.isatty(), mininterval=1)

    def step(self) -> None:
        self.bar.update()

    def epoch(self, record: Mapping[str, float]) -> None:
        logger.info("%s: %s", self.label, record)
        self.live.add(record)

    def end(self) -> None:
        if self.bar is not None:
            self.bar.close()
        self.live.close()
