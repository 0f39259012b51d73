"""What goes on around a running training: the log, a progress bar, live curves, a claim. No result depends on it."""

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from patchvae.jobs.claim import Claim
from patchvae.training.loop import Watch

logger = logging.getLogger(__name__)

SIGN = 60.0  # seconds between two lines of a log, without which `patchvae status` calls a training silent


class Live:
    """Writes each epoch's numbers where `tensorboard --logdir` finds them.

    Does nothing without a folder or without TensorBoard. Draws no random numbers and never raises: after a first error,
    which is logged, the training continues without curves.
    """

    def __init__(self, folder: Path | None = None, group: str = "training") -> None:
        """folder: where one training's curves go; group: the heading of its charts."""
        self.folder, self.group = folder, group
        self._writer: Any = None

    def start(self, history: Sequence[Mapping[str, float]]) -> None:
        """Start a new file with the epochs so far: a resumed or repeated training shows none of them twice."""
        if self.folder is None:
            return
        with self._without_errors():
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                logger.info("no live curves: TensorBoard is not installed")
                return
            for path in self.folder.glob("events.out.tfevents.*"):
                path.unlink()
            self._writer = SummaryWriter(str(self.folder))
        for record in history:
            self.add(record)

    def add(self, record: Mapping[str, float]) -> None:
        """Write the numbers of one epoch, which is `epoch` (from 1), to the disk."""
        if self._writer is not None:
            with self._without_errors():
                for name, value in record.items():
                    if name != "epoch":
                        self._writer.add_scalar(f"{self.group}/{name}", value, int(record["epoch"]))
                self._writer.flush()

    def close(self) -> None:
        """Close the file; nothing is written after it."""
        if self._writer is not None:
            with self._without_errors():
                self._writer.close()
            self._writer = None

    @contextlib.contextmanager
    def _without_errors(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._writer = None
            logger.warning("no more live curves in %s: %s: %s", self.folder, type(error).__name__, error)


class Watcher(Watch):
    """Logs every epoch and every minute, shows a bar on a terminal, writes curves for TensorBoard, and stops a run that
    lost its claim."""

    def __init__(self, live: Path | None = None, group: str = "training", claim: Claim | None = None) -> None:
        """live: folder for the curves, or None; group: the heading of their charts; claim: the run's, if it has one."""
        self.live, self.label, self.claim = Live(live, group), "", claim
        self.bar: Any = None
        self.done = self.total = 0
        self.logged = time.monotonic()

    def note(self, text: str) -> None:
        logger.warning("%s", text)

    def begin(self, label: str, step: int, total: int, history: Sequence[Mapping[str, float]]) -> None:
        self.label, self.done, self.total = label, step, total
        if self.claim is not None:
            self.claim.take(label)
        self.log("resumed at step" if step else "step")
        self.live.start(history)
        self.bar = tqdm(total=total, initial=step, desc=label, disable=not sys.stderr.isatty(), mininterval=1)

    def log(self, where: str) -> None:
        """Log how far the training is."""
        logger.info("%s: %s %d of %d", self.label, where, self.done, self.total)
        self.logged = time.monotonic()

    def step(self) -> None:
        """Raises PatchVAEError, before a state can be saved, if a later run has begun."""
        self.done += 1
        if self.claim is not None:
            self.claim.check(now=self.done == self.total)
        self.bar.update()
        if time.monotonic() - self.logged >= SIGN:
            self.log("step")

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
