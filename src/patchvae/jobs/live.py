"""Curves of a running training for TensorBoard, where it is installed; no result depends on them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


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
        if self.folder is not None:
            self._try(self._open)
        for record in history:
            self.add(record)

    def add(self, record: Mapping[str, float]) -> None:
        """Write the numbers of one epoch, which is `epoch` (from 1), to the disk."""
        if self._writer is not None:
            self._try(lambda: self._write(record))

    def close(self) -> None:
        """Close the file; nothing is written after it."""
        if self._writer is not None:
            self._try(self._writer.close)
            self._writer = None

    def _open(self) -> None:
        assert self.folder is not None
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            logger.info("no live curves: TensorBoard is not installed")
            return
        for path in self.folder.glob("events.out.tfevents.*"):
            path.unlink()
        self._writer = SummaryWriter(str(self.folder))

    def _write(self, record: Mapping[str, float]) -> None:
        for name, value in record.items():
            if name != "epoch":
                self._writer.add_scalar(f"{self.group}/{name}", value, int(record["epoch"]))
        self._writer.flush()

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except Exception as error:
            self._writer = None
            logger.warning("no more live curves in %s: %s: %s", self.folder, type(error).__name__, error)
