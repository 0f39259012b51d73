"""Trainings of every kind on random images, for the other benchmarks; works with the code of other commits, too.

    PYTHONPATH=CHECKOUT/src python benchmarks/trainings.py CHECKOUT cuda FOLDER 50000 0.5 patchvae bigan

prints steps per second as lines of JSON; `benchmarks/gpu.py --against CHECKOUT` reads them.
"""

import functools
import importlib
import inspect
import json
import pkgutil
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

import patchvae
from patchvae import hardware
from patchvae.data.packed import save_array
from patchvae.training import loop
from patchvae.training.finetune import FinetuneTask
from patchvae.training.pretrain import PretrainTask, seeded_model


def of_any_commit(*places: str) -> Any:
    """The first of these functions, MODULE:NAME, that the code has; others are where it was at earlier commits."""
    for place in places:
        try:
            return pkgutil.resolve_name(place)
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"none of {', '.join(places)} in {patchvae.__file__}")


check_config = of_any_commit(
    "patchvae.params.configs:check_config", "patchvae.params.configs:check_config", "patchvae.job_configs:check_config"
)
load_params = of_any_commit("patchvae.params.reading:load_params", "patchvae.config:load_params")
resolve = of_any_commit("patchvae.plan.settings:resolve", "patchvae.resolve:resolve")
SIDE = 32  # of the images, CIFAR-100's
TRAINED, TESTED = 50_000, 10_000  # images of CIFAR-100
WARM = 25  # steps before a clock starts: libraries are loaded, the step is recorded
VAES = [f"{base}{row}" for base in ("beta-vae", "patchvae") for row in ("", "+lw", "-gan", "-gan+lw")]
FLIPPED, DOUBLE = {"flip": True}, {"generator_step": "double"}
PRETRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in (*VAES, "bigan", "labelled", "shuffled")},
    "patchvae+lw, flips": ("patchvae+lw", FLIPPED),
    "patchvae-gan, double": ("patchvae-gan", DOUBLE),
}
FINETUNINGS: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{
        f"head {head} {regime}": (regime, head, {})
        for regime in ("none", "conv1", "conv1-3", "conv1-5")
        for head in ("table12", "dropout")
    },
    "head table12 conv1-5, flips": ("conv1-5", "table12", FLIPPED),
    "head table12 conv1, moving statistics": ("conv1", "table12", {"frozen_batch_norm": "train"}),
}


def params_of(place: Path) -> dict[str, Any]:
    """The parameters of the run `cifar100` in a checkout."""
    return load_params([place / "params.yaml", place / "configs/cifar100.yaml"])


@functools.cache
def random_pixels(count: int) -> torch.Tensor:
    """Images (count, S, S, 3), the same at each call."""
    return torch.randint(0, 256, (count, SIDE, SIDE, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def task_of(
    params: dict[str, Any],
    name: str,
    trained: int,
    device: torch.device,
    precision: str,
    folder: Path,
    **changes: Any,
) -> Any:
    """A training by its name above; trained: how many images to train on; changes: of its configuration.

    folder: where the code of earlier commits finds the images of fine-tunings, which are written if they are not there.
    """
    if name in PRETRAININGS:
        return _pretraining(params, name, trained, device, precision, changes)
    return _finetuning(params, name, trained, device, precision, folder, changes)


def _pretraining(
    params: dict[str, Any], name: str, count: int, device: torch.device, precision: str, changes: dict[str, Any]
) -> PretrainTask:
    variant, own = PRETRAININGS[name]
    given = resolve(params, "pretrain", {"dataset": "cifar100", "variant": variant, "seed": 0})
    own = {"gan": given["gan"] | DOUBLE} if own is DOUBLE else own
    config: Any = check_config("pretrain", given | {"snapshots": []} | own | changes)
    more = None
    if given.get("weighted_loss"):
        more = torch.rand(count, SIDE // 8, SIDE // 8, 3, generator=torch.Generator().manual_seed(0)).half().to(device)
    elif given.get("labels"):
        more = (torch.arange(count) % config.model.num_classes).to(device)
    return PretrainTask(config, random_pixels(count).to(device), more, *place(device, precision))


def place(device: torch.device, precision: str) -> tuple[Any, ...]:
    """The arguments that say where and how a task computes: one, and two up to 3c0d243."""
    return (hardware.Place(device, precision),) if hasattr(hardware, "Place") else (device, precision)


def _finetuning(
    params: dict[str, Any],
    name: str,
    trained: int,
    device: torch.device,
    precision: str,
    folder: Path,
    changes: dict[str, Any],
) -> FinetuneTask:
    regime, head, own = FINETUNINGS[name]
    head = head if head in params["heads"] else "authors"  # as `dropout` was called at earlier commits
    wildcards = {"dataset": "cifar100", "variant": "random", "regime": regime, "head": head, "seed": 0}
    given = resolve(params, "finetune", wildcards | {"table": "table1"})
    config: Any = check_config("finetune", given | own | changes)
    variant: Any = check_config("pretrain", resolve(params, "pretrain", wildcards))
    model: Any = seeded_model(variant.model, SIDE, 0)
    if "run" not in inspect.signature(FinetuneTask).parameters:
        counts = {"train": trained, "test": min(TESTED, trained)}
        pixels = {split: random_pixels(count).to(device) for split, count in counts.items()}
        labels = {split: (torch.arange(count) % config.num_classes).to(device) for split, count in counts.items()}
        data = importlib.import_module("patchvae.training.labelled").Labelled(pixels, labels)
        return FinetuneTask(config, model.encoder.backbone.state_dict(), data, *place(device, precision))
    for split, count in (("train", trained), ("test", min(TESTED, trained))):
        if not (folder / f"{split}_labels.npy").exists():
            save_array(folder / f"{split}_images.npy", random_pixels(count).numpy())
            save_array(folder / f"{split}_labels.npy", (torch.arange(count) % config.num_classes).numpy())
    # What a task took of its job, up to 3c0d243
    run: Any = SimpleNamespace(device=device, precision=precision, data=folder, label=name)
    task: Any = FinetuneTask
    return task(run, config, {"model": model.state_dict()})


def train(task: Any, device: torch.device, label: str, watch: loop.Watch | None = None, **options: Any) -> Any:
    """Run a training without a saved state to resume from."""
    call: Any = loop.train
    if "state_path" not in inspect.signature(call).parameters:
        return call(task, device, label, None, watch, **options)
    with tempfile.TemporaryDirectory() as folder:  # up to 3c0d243
        return call(task, Path(folder) / "state.pt", device, label, {}, watch, **options)


class Enough(Exception):
    """Ends a training that has been watched for long enough."""


class Clock(loop.Watch):
    """Counts a training's steps for some seconds, after WARM of them."""

    def __init__(self, device: torch.device, seconds: float, ready: Barrier | None = None) -> None:
        self.device, self.seconds, self.ready = device, seconds, ready
        self.done, self.began, self.rate, self.notes = 0, 0.0, 0.0, [""]

    def note(self, text: str) -> None:
        self.notes.append(text)

    def wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def step(self) -> None:
        self.done += 1
        if self.done == WARM:
            self.wait()
            if self.ready is not None:
                self.ready.wait(90)
            self.began = time.perf_counter()
        elif self.done > WARM and self.done % 20 == 0 and time.perf_counter() - self.began >= self.seconds:
            self.wait()
            self.rate = (self.done - WARM) / (time.perf_counter() - self.began)
            raise Enough


def main() -> None:
    place, name_of_device, folder, images, seconds, *names = sys.argv[1:]
    device = hardware.pick_device(name_of_device)
    names_of_it = ("set_arithmetic", "set_convolutions")  # today and at 7c10661
    next(getattr(hardware, name) for name in names_of_it if hasattr(hardware, name))(device)
    for name in names:
        for precision in ("bf16", "fp32"):
            clock = Clock(device, float(seconds))
            task = task_of(params_of(Path(place)), name, int(images), device, precision, Path(folder), epochs=200)
            try:
                train(task, device, name, clock, save_every=1e9)
            except Enough:
                print(json.dumps([name, precision, clock.rate]), flush=True)


if __name__ == "__main__":
    main()
