"""The resumable loop of every training, which handles NaN, kills and saved states."""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from patchvae.errors import PatchVAEError
from patchvae.models.resnet import all_finite
from patchvae.seeding import random_state, restore_random_state
from patchvae.training.graphs import Recorder, Repeated, stream_of_its_own

NO_STEP = 2**62  # later than any step
CHECK_EVERY = 10.0  # seconds between two looks at the losses within an epoch, for which the host waits for the device


class Task(Protocol):
    """What the loop trains."""

    steps_per_epoch: int
    epochs: int

    def prepare(self, step: int) -> Hashable:
        """Do what optimiser step 0, 1, ... needs of the host; steps of equal results have tensors of equal shapes."""

    def step(self, step: Tensor) -> dict[str, Tensor]:
        """One optimiser step, after `prepare` of the same; returns scalar losses, `loss` among them.

        step: its number, on the device. All that differs from step to step lies in tensors that stay where they are,
        and nothing waits for the device, so that a GPU can do the step from a recording.
        """

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
        """A sentence for the person who started the training."""

    def begin(self, label: str, step: int, total: int, history: Sequence[Mapping[str, float]]) -> None:
        """A training of `total` steps begins, or resumes after `step` of them and the epochs of `history`."""

    def step(self) -> None:
        """One more step is done."""

    def epoch(self, record: Mapping[str, float]) -> None:
        """An epoch is done: `epoch` (from 1) and its numbers."""

    def end(self) -> None:
        """The training has ended, finished or not."""


class Store:
    """Keeps the state of a training from one run to the next; this one keeps nothing.

    A store that keeps it, and whose `str` says where, is passed in from outside, as a watcher is.
    """

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last, None where there is none that can be read."""
        return None

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state."""

    def finish(self) -> None:
        """The training has ended, and goes on from its state only if its outputs are lost."""


class Training(NamedTuple):
    """The outcome of a task."""

    history: list[dict[str, float]]  # a record per epoch
    seconds: float  # those of earlier runs included


class Outcome(NamedTuple):
    """The outcome of a job that trains or measures."""

    record: dict[str, Any]  # of its metrics file, beside what those of every job have
    images: int  # that went through
    seconds: float | None = None  # of its trainings, those of earlier runs included


class Diverged(PatchVAEError):
    """The loss or a weight stopped being finite."""


@contextlib.contextmanager
def signals_noted() -> Iterator[list[int]]:
    """Append SIGTERM and SIGINT to a list while the block runs, so that steps are completed."""
    received: list[int] = []
    old = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            old[number] = signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield received
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class Losses:
    """Sums and maxima of losses on the device, in tensors that stay where they are.

    The host waits for them once per epoch. The maxima show a term that explodes for a few steps, which the mean of an
    epoch hides.
    """

    def __init__(self, device: torch.device) -> None:
        self.names: list[str] = []  # of the terms, empty before the first step
        self.sums = self.maxima = torch.empty(0)  # (terms,) each
        self.first_bad = torch.full((), NO_STEP, device=device)  # whose loss is not finite

    def add(self, terms: dict[str, Tensor], step: Tensor) -> None:
        """Add the scalars of one step, whose number lies on the device."""
        values = torch.stack([value.detach() for value in terms.values()]).double()
        if not self.names:
            self.names = list(terms)
            self.sums, self.maxima = torch.zeros_like(values), torch.full_like(values, -math.inf)
        self.sums += values
        torch.maximum(self.maxima, values, out=self.maxima)
        bad = torch.where(terms["loss"].detach().isfinite(), NO_STEP, step)
        torch.minimum(self.first_bad, bad, out=self.first_bad)

    def epoch(self, steps: int) -> dict[str, float]:
        """The mean of every term over so many steps, and its maximum as NAME_max; begins anew."""
        means = {name: value / steps for name, value in zip(self.names, self.sums.tolist(), strict=True)}
        maxima = {f"{name}_max": value for name, value in zip(self.names, self.maxima.tolist(), strict=True)}
        self.sums.zero_()
        self.maxima.fill_(-math.inf)
        return means | maxima

    def state(self) -> dict[str, Any]:
        return {"names": self.names, "sums": self.sums, "maxima": self.maxima}

    def restore(self, state: dict[str, Any]) -> None:
        device = self.first_bad.device
        self.names, self.sums, self.maxima = state["names"], state["sums"].to(device), state["maxima"].to(device)


def train(
    task: Task,
    device: torch.device,
    label: str,
    store: Store | None = None,
    watch: Watch | None = None,
    save_every: float = 60.0,
    recorder: Recorder | None = None,
) -> Training:
    """Run a task from its saved state, if there is one, to its end.

    label: its name in messages; store: keeps the state; watch: follows the training; recorder: see `Repeated`.
    The state is saved every `save_every` seconds, on SIGTERM or SIGINT, and at the end, so that a finished training
    whose outputs are lost need not run again. On one machine a resumed run gives the same bits as an uninterrupted one,
    on a GPU unless `deterministic` is off. A state that cannot be read is replaced, one of another training is refused.
    Raises Diverged naming the step at which the loss stopped being finite; the state saved before it is kept. Raises
    SystemExit after SIGTERM or SIGINT at the end of a step, once the state is saved.
    """
    store, watch = store or Store(), watch or Watch()
    losses, history, start, began = Losses(device), [], 0, time.monotonic()
    try:
        saved = store.load()
        if saved is not None:
            task.restore(saved["task"])
            losses.restore(saved["losses"])
            history, start = saved["history"], saved["step"]
            began -= saved["seconds"]
            restore_random_state(saved["random"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        # Half of it may be in the networks by now, so this process cannot start again.
        raise PatchVAEError(
            f"{label}: {store} is no state of this training ({type(error).__name__}): delete it and run again"
        ) from error
    total, is_kept = task.steps_per_epoch * task.epochs, saved is not None

    def check() -> None:
        bad = int(losses.first_bad)
        if bad != NO_STEP:
            kept = f"the last good state is kept in {store}" if is_kept else "no state was saved yet"
            raise Diverged(f"{label}: the loss is NaN or infinite at step {bad + 1} of {total}; {kept}")

    def save(step: int) -> float:
        nonlocal is_kept
        check()
        if not all_finite(task.tensors()):
            raise Diverged(f"{label}: a weight is NaN or infinite after step {step} of {total}")
        seconds = time.monotonic() - began
        state = {"task": task.state(), "losses": losses.state(), "history": history, "step": step}
        store.save({**state, "seconds": seconds, "random": random_state()})
        is_kept = True
        return seconds

    number = torch.full((), start, device=device)  # of the step

    def work() -> None:
        losses.add(task.step(number), number)
        number.add_(1)

    watch.begin(label, start, total, history)
    last_save = last_check = time.monotonic()
    try:
        with signals_noted() as received, stream_of_its_own(device):
            repeated = Repeated(work, device, lambda text: watch.note(f"{label}: {text}"), recorder)
            for step in range(start, total):
                repeated(task.prepare(step))
                watch.step()
                now = time.monotonic()
                epoch, position = divmod(step + 1, task.steps_per_epoch)
                if position == 0:
                    check()
                    history.append({"epoch": epoch, **losses.epoch(task.steps_per_epoch), **task.end_epoch(epoch)})
                    watch.epoch(history[-1])
                elif now - last_check >= CHECK_EVERY:
                    check()
                    last_check = now
                if received or now - last_save >= save_every:
                    save(step + 1)
                    last_save = time.monotonic()
                if received:
                    watch.note(f"{label}: stopped by a signal at step {step + 1} of {total}; run again to go on")
                    raise SystemExit(128 + received[-1])
            seconds = save(total) if saved is None or start < total else saved["seconds"]
            store.finish()
    finally:
        watch.end()
    return Training(history, seconds)
