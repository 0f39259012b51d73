"""The resumable loop of every training, which handles NaN, kills and saved states."""

import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from patchvae import checkpoint
from patchvae.errors import PatchVAEError
from patchvae.models.resnet import all_finite
from patchvae.seeding import random_state, restore_random_state


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


class Watch:
    """Follows a training; this one does nothing.

    A watcher is passed in from outside, so that its source does not count in a result's fingerprint.
    """

    def note(self, text: str) -> None:
        """Something that a person should know."""

    def begin(self, label: str, step: int, total: int, history: Sequence[Mapping[str, float]]) -> None:
        """A training of `total` steps begins, or resumes after `step` of them and the epochs of `history`."""

    def step(self) -> None:
        """One more step is done."""

    def epoch(self, record: Mapping[str, float]) -> None:
        """An epoch is done: `epoch` (from 1) and its numbers."""

    def end(self) -> None:
        """The training has ended, finished or not."""


class Training(NamedTuple):
    """The outcome of a training."""

    history: list[dict[str, float]]  # a record per epoch
    seconds: float
    machines: list[dict[str, Any]]  # on which it ran, in their order


class Diverged(PatchVAEError):
    """The loss or a weight stopped being finite."""


class Interrupted(SystemExit):
    """Raised after SIGTERM or SIGINT at the end of a step, once the state is saved."""


class SignalGuard:
    """Turns SIGTERM and SIGINT into a flag while the block runs, so that steps are completed."""

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
    """Sums and maxima of losses on the device; the host waits for them once per epoch.

    The maxima show a term that explodes for a few steps, which the mean of an epoch hides.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.maxima: dict[str, Tensor] = {}
        self.steps = 0
        self.first_bad: Tensor | None = None

    def add(self, terms: dict[str, Tensor], step: int) -> None:
        for name, value in terms.items():
            value = value.detach().double()
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.maxima[name] = torch.maximum(self.maxima[name], value) if name in self.maxima else value
        loss = terms["loss"].detach()
        if self.first_bad is None:
            self.first_bad = torch.full((), -1, dtype=torch.int64, device=loss.device)
        self.first_bad = torch.where((self.first_bad < 0) & ~loss.isfinite(), step, self.first_bad)
        self.steps += 1

    def epoch(self) -> dict[str, float]:
        """The mean of every term, and its maximum as NAME_max."""
        means = {name: float(value) / self.steps for name, value in self.sums.items()}
        return means | {f"{name}_max": float(value) for name, value in self.maxima.items()}

    def state(self) -> dict[str, Any]:
        return {"sums": self.sums, "maxima": self.maxima, "steps": self.steps}

    def restore(self, state: dict[str, Any], device: torch.device) -> None:
        self.sums = {name: value.to(device) for name, value in state["sums"].items()}
        self.maxima = {name: value.to(device) for name, value in state["maxima"].items()}
        self.steps = state["steps"]


def train(
    task: Task,
    state_path: Path,
    device: torch.device,
    label: str,
    machine: Mapping[str, Any],
    watch: Watch | None = None,
    save_every: float = 60.0,
    check_every: int = 100,
) -> Training:
    """Run a task from its saved state, if there is one, to its end.

    machine: a description of this one, kept with the state; watch: follows the training. The state is saved at
    `state_path` every `save_every` seconds, on SIGTERM or SIGINT, and at the end, so that a finished training whose
    outputs are lost need not run again. On the CPU a resumed run gives the same bits as an uninterrupted one. A state
    that cannot be read is replaced. Raises Diverged naming the step at which the loss stopped being finite; the
    state saved before it is kept.
    """
    watch = watch or Watch()
    losses, history, start, began = Losses(), [], 0, time.monotonic()
    machines: list[dict[str, Any]] = []
    saved = read_state(state_path, watch)
    if saved is not None:
        try:
            task.restore(saved["task"])
            losses.restore(saved["losses"], device)
            history, start, machines = saved["history"], saved["step"], saved["machines"]
            began -= saved["seconds"]
            restore_random_state(saved["random"])
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            # Half of it may be in the networks by now, so this process cannot start again.
            raise PatchVAEError(
                f"{label}: {state_path} is no state of this training ({type(error).__name__}): delete it and run again"
            ) from error
    total = task.steps_per_epoch * task.epochs
    if machine not in machines and start < total:
        machines = [*machines, dict(machine)]

    def check() -> None:
        bad = -1 if losses.first_bad is None else int(losses.first_bad)
        if bad >= 0:
            kept = f"the last good state is kept in {state_path}" if state_path.exists() else "no state was saved yet"
            raise Diverged(f"{label}: the loss is NaN or infinite at step {bad + 1} of {total}; {kept}")

    def save(step: int) -> float:
        check()
        if not all_finite(task.tensors()):
            raise Diverged(f"{label}: a weight is NaN or infinite after step {step} of {total}")
        seconds = time.monotonic() - began
        content = {"task": task.state(), "losses": losses.state(), "history": history, "step": step}
        content |= {"seconds": seconds, "machines": machines, "random": random_state()}
        checkpoint.save(state_path, content)
        return seconds

    watch.begin(label, start, total, history)
    last_save = time.monotonic()
    try:
        with SignalGuard() as guard:
            for step in range(start, total):
                losses.add(task.step(step), step)
                watch.step()
                epoch, position = divmod(step + 1, task.steps_per_epoch)
                if position == 0:
                    check()
                    history.append({"epoch": epoch, **losses.epoch(), **task.end_epoch(epoch)})
                    watch.epoch(history[-1])
                    losses = Losses()
                elif (step + 1) % check_every == 0:
                    check()
                if guard.received is not None or time.monotonic() - last_save >= save_every:
                    save(step + 1)
                    last_save = time.monotonic()
                if guard.received is not None:
                    watch.note(f"{label}: stopped by a signal at step {step + 1} of {total}; run again to go on")
                    raise Interrupted(128 + guard.received)
            seconds = save(total) if saved is None or start < total else saved["seconds"]
    finally:
        watch.end()
    return Training(history, seconds, machines)


def read_state(path: Path, watch: Watch) -> dict[str, Any] | None:
    """The state at `path`, or None where there is none that can be read."""
    if not path.exists():
        return None
    try:
        return checkpoint.load(path)
    except PatchVAEError as error:
        watch.note(f"{error}: the training starts again from its first step, and its next state replaces that one")
        return None
