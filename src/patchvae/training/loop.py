"""The resumable loop under every training: one place for progress, NaN, kills and saved states."""

import logging
import signal
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import torch
from torch import Tensor
from tqdm import tqdm

from patchvae import checkpoint
from patchvae.errors import PatchVAEError
from patchvae.models.resnet import all_finite
from patchvae.seeding import random_state, restore_random_state
from patchvae.training.live import Live

logger = logging.getLogger(__name__)


class Task(Protocol):
    """What the loop trains."""

    steps_per_epoch: int
    epochs: int

    def step(self, step: int) -> dict[str, Tensor]:
        """One optimiser step; returns scalar losses on the device, `loss` among them, without waiting for it."""

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Called after the last step of epoch 1, 2, ...; returns what to add to the history."""

    def state(self) -> dict[str, Any]:
        """Weights and optimiser state."""

    def restore(self, state: dict[str, Any]) -> None:
        """Put back what `state` returned."""

    def tensors(self) -> list[Tensor]:
        """The trained weights, to be checked for NaN before they are saved."""


class Interrupted(SystemExit):
    """Raised at the first step boundary after SIGTERM or SIGINT, once the state is saved."""


class SignalGuard:
    """Turns SIGTERM and SIGINT into a flag while the block runs, so that a step is never cut in two."""

    def __init__(self) -> None:
        self.received: int | None = None
        self._old: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = number

    def __enter__(self) -> "SignalGuard":
        if threading.current_thread() is threading.main_thread():
            self._old = {number: signal.signal(number, self._note) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)


class Losses:
    """Sums of losses on the device; the host waits for them once per epoch."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.steps = 0
        self.first_bad: Tensor | None = None

    def add(self, terms: dict[str, Tensor], step: int) -> None:
        for name, value in terms.items():
            value = value.detach().double()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
        loss = terms["loss"].detach()
        if self.first_bad is None:
            self.first_bad = torch.full((), -1, dtype=torch.int64, device=loss.device)
        self.first_bad = torch.where((self.first_bad < 0) & ~loss.isfinite(), step, self.first_bad)
        self.steps += 1

    def means(self) -> dict[str, float]:
        return {name: float(value) / self.steps for name, value in self.sums.items()}

    def state(self) -> dict[str, Any]:
        return {"sums": self.sums, "steps": self.steps}

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        self.sums = {name: value.to(device) for name, value in state["sums"].items()}
        self.steps = state["steps"]


def train(
    task: Task,
    state_path: Path,
    device: torch.device,
    label: str,
    live: Live | None = None,
    save_every: float = 60.0,
    check_every: int = 100,
) -> tuple[list[dict[str, float]], float]:
    """Run a task from its saved state, if there is one, to its end; returns one record per epoch, and the seconds.

    live: shows the records meanwhile. The state is saved at `state_path` every `save_every` seconds and on SIGTERM or
    SIGINT. On the CPU an interrupted and resumed run gives the bits of an uninterrupted one. Raises PatchVAEError
    naming the step at which the loss stopped being finite; the state saved before it is kept.
    """
    losses, history, start, began = Losses(), [], 0, time.monotonic()
    if state_path.exists():
        saved = checkpoint.load(state_path)
        task.restore(saved["task"])
        losses.restore(saved["losses"], device)
        history, start = saved["history"], saved["step"]
        began -= saved["seconds"]
        restore_random_state(saved["random"])
        logger.info("%s: resumed at step %d", label, start)
    total = task.steps_per_epoch * task.epochs

    def check() -> None:
        bad = -1 if losses.first_bad is None else int(losses.first_bad)
        if bad >= 0:
            kept = f"the last good state is kept in {state_path}" if state_path.exists() else "no state was saved yet"
            raise PatchVAEError(f"{label}: the loss is NaN or infinite at step {bad + 1} of {total}; {kept}")

    def save(step: int) -> None:
        check()
        if not all_finite(task.tensors()):
            raise PatchVAEError(f"{label}: a weight is NaN or infinite after step {step} of {total}")
        checkpoint.save(
            state_path,
            {
                "task": task.state(),
                "losses": losses.state(),
                "history": history,
                "step": step,
                "seconds": time.monotonic() - began,
                "random": random_state(),
            },
        )

    curves = live or Live()
    curves.start(history)
    last_save = time.monotonic()
    progress = tqdm(total=total, initial=start, desc=label, disable=not sys.stderr.isatty(), mininterval=1)
    with SignalGuard() as guard, progress as bar, closing(curves):
        for step in range(start, total):
            losses.add(task.step(step), step)
            bar.update()
            epoch, position = divmod(step + 1, task.steps_per_epoch)
            if position == 0:
                check()
                history.append({"epoch": epoch, **losses.means(), **task.end_epoch(epoch)})
                logger.info("%s: %s", label, history[-1])
                curves.add(history[-1])
                losses = Losses()
            elif (step + 1) % check_every == 0:
                check()
            if guard.received is not None or time.monotonic() - last_save >= save_every:
                save(step + 1)
                last_save = time.monotonic()
            if guard.received is not None:
                logger.warning("%s: stopped by a signal at step %d of %d; run again to go on", label, step + 1, total)
                raise Interrupted(128 + guard.received)
    if not all_finite(task.tensors()):
        raise PatchVAEError(f"{label}: a weight is NaN or infinite after the last step")
    return history, time.monotonic() - began
