"""What goes on around a running training: the log, a progress bar, live curves, a claim. No result depends on it."""

import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from patchvae.training.claim import Claim
from patchvae.training.live import Live
from patchvae.training.loop import Watch

logger = logging.getLogger(__name__)


class Watcher(Watch):
    """Logs every epoch, shows a bar on a terminal, writes TensorBoard's curves, and stops a run that lost its claim."""

    def __init__(self, live: Path | None = None, group: str = "training", claim: Claim | None = None) -> None:
        """live: folder for the curves, or None; group: the heading of their charts; claim: the run's, if it has one."""
        self.live, self.label, self.claim, self.left = Live(live, group), "", claim, 0
        self.bar: Any = None

    def note(self, text: str) -> None:
        logger.warning("%s", text)

    def begin(self, label: str, step: int, total: int, history: Sequence[Mapping[str, float]]) -> None:
        self.label, self.left = label, total - step
        if self.claim is not None:
            self.claim.take(label)
        if step:
            logger.info("%s: resumed at step %d", label, step)
        self.live.start(history)
        self.bar = tqdm(total=total, initial=step, desc=label, disable=not sys.stderr.isatty(), mininterval=1)

    def step(self) -> None:
        """Raises PatchVAEError, before a state can be saved, if a later run has begun."""
        self.left -= 1
        if self.claim is not None and self.left:
            self.claim.check_now_and_then()
        elif self.claim is not None:
            self.claim.check()
        self.bar.update()

    def epoch(self, record: Mapping[str, float]) -> None:
        logger.info("%s: %s", self.label, record)
        self.live.add(record)

    def end(self) -> None:
        """Raises PatchVAEError, before the outputs are written, if a later run has begun."""
        if self.claim is not None and self.left == 0:
            self.claim.check()
        if self.bar is not None:
            self.bar.close()
        self.live.close()
