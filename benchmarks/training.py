"""Training speed of PatchVAE against the plain recipe, measured in turns in one run.

    python benchmarks/training.py [--threads 2] [--batch-size 128] [--rounds 5] [--device auto]

plain   the recipe of the authors' time: PIL images through torchvision transforms and a DataLoader, float32, contiguous
        (NCHW) memory, Adam one weight at a time, the loss read back at every step.
ours    patchvae's PretrainTask: packed uint8 arrays, channels-last, bf16 where it is faster, fused Adam, no wait
        in the loop, on a GPU one CUDA graph a step.

Both train the same network on the same random images, CIFAR-100's size. The machine is noisy: rounds alternate, the
ratio is that of the medians. The last measured figures are in docs/running.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from patchvae.hardware import Place, describe, pick_device, pick_precision, set_arithmetic
from patchvae.models.patchvae import PatchVAE
from patchvae.params.configs import check_config
from patchvae.params.reading import load_params
from patchvae.plan.settings import resolve
from patchvae.training.graphs import Repeated, stream_of_its_own
from patchvae.training.loop import Losses
from patchvae.training.pretrain import PretrainTask, seeded_model

ROOT = Path(__file__).resolve().parents[1]
JOB = {"dataset": "cifar100", "variant": "patchvae", "seed": 0}
CONFIG: Any = check_config("pretrain", resolve(load_params([ROOT / "params.yaml"]), "pretrain", JOB))


class Photographs(Dataset[Tensor]):
    """Images (S, S, 3) decoded one by one into PIL images and normalised tensors."""

    def __init__(self, pixels: Tensor) -> None:
        self.pixels = pixels.numpy()
        self.transform = transforms.Compose(
            [
                transforms.Resize(32),
                transforms.CenterCrop(32),
                transforms.ToTensor(),
                transforms.Normalize([0.5] * 3, [0.5] * 3),
            ]
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        image: Tensor = self.transform(Image.fromarray(self.pixels[index]))
        return image


def plain(pixels: Tensor, batch_size: int, device: torch.device) -> Callable[[int], int]:
    """A function that trains the given number of steps and returns the number of images."""
    model = seeded_model(CONFIG.model, CONFIG.image_size, CONFIG.seed).to(device).train()
    assert isinstance(model, PatchVAE)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, foreach=False)
    loader = DataLoader(Photographs(pixels), batch_size, shuffle=True, drop_last=True)

    def run(steps: int) -> int:
        for step, images in enumerate(loader):
            if step == steps:
                break
            images = images.to(device)
            reconstruction, kl = model(images, 1.0)
            loss = (images - reconstruction).square().sum() / len(images) + kl["kl_occ"] + kl["kl_app"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
        return steps * batch_size

    return run


def ours(pixels: Tensor, batch_size: int, device: torch.device, precision: str) -> Callable[[int], int]:
    """The same with patchvae's own task."""
    config = CONFIG.model_copy(update={"batch_size": batch_size})
    task = PretrainTask(config, pixels.to(device), None, Place(device, precision))
    losses, number = Losses(device), torch.zeros((), dtype=torch.int64, device=device)
    repeated = Repeated(lambda: losses.add(task.step(number), number), device, print)

    def run(steps: int) -> int:
        with stream_of_its_own(device):
            for step in range(steps):
                number.fill_(step)
                repeated(task.prepare(step))
            float(losses.sums[0])
        return steps * batch_size

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=8, help="steps of each recipe in a round")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    set_arithmetic(device)
    precision = pick_precision("auto", device)
    count = args.batch_size * max(args.steps + 1, 8)
    pixels = torch.randint(0, 256, (count, 32, 32, 3), dtype=torch.uint8)
    recipes = {
        "plain": plain(pixels, args.batch_size, device),
        "ours": ours(pixels, args.batch_size, device, precision),
    }
    for run in recipes.values():
        run(5)  # warm-up: memory, kernels, a recording
    speeds: dict[str, list[float]] = {name: [] for name in recipes}
    for _ in range(args.rounds):
        for name, run in recipes.items():
            began = time.perf_counter()
            images = run(args.steps)
            speeds[name].append(images / (time.perf_counter() - began))
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    print(f"device {describe(device)}, {args.threads} threads, batch {args.batch_size}, ours in {precision}")
    for name, values in speeds.items():
        print(f"{name:6} {medians[name]:8.0f} images/s   (from {min(values):.0f} to {max(values):.0f})")
    print(f"ratio  {medians['ours'] / medians['plain']:8.2f}")


if __name__ == "__main__":
    main()
