"""Batches of packed uint8 arrays: no image decoding, no worker processes."""

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from patchvae.seeding import seed_for
from patchvae.training.loop import Watch


class Feed:
    """Rows of packed arrays on the device, step by step.

    A thread reads arrays that are too large for the GPU from the disk, one step ahead. Only that thread uses the order
    then, as an order remembers its last pass.
    """

    def __init__(self, order: "Order", arrays: list[Tensor], device: torch.device) -> None:
        self.order, self.arrays, self.device = order, arrays, device
        ahead = any(array.device.type != device.type for array in arrays)
        self.reader = ThreadPoolExecutor(1) if ahead else None
        self.waiting: tuple[int, Future[tuple[list[Tensor], Tensor | None]]] | None = None

    def read(self, step: int) -> tuple[list[Tensor], Tensor | None]:
        index, flips = self.order.batch(step)
        rows = [array[index.to(array.device)].to(self.device, non_blocking=True) for array in self.arrays]
        return rows, flips

    def __call__(self, step: int) -> tuple[list[Tensor], Tensor | None]:
        """One step's rows of every array, and which of them are mirrored (see `Order.batch`)."""
        if self.reader is None:
            return self.read(step)
        if self.waiting is None or self.waiting[0] != step:
            self.waiting = (step, self.reader.submit(self.read, step))
        result = self.waiting[1].result()
        self.waiting = (step + 1, self.reader.submit(self.read, step + 1))
        return result


class Order:
    """The order of training images: a permutation per pass, from the seed alone, so that any step can be resumed."""

    def __init__(
        self,
        images: Tensor,
        batch_size: int,
        epoch_images: int | str,
        flip: bool,
        seed: int,
        last_batch: str = "drop",
    ) -> None:
        """images: indices (n,) of the training images; last_batch: of a pass, where it is smaller: drop or keep."""
        self.images, self.flip, self.seed = images, flip, seed
        self.batch_size = min(batch_size, len(images))
        self.last_batch = last_batch
        self.steps_per_pass = self.steps(len(images))
        # deviation E39: the authors' epoch is 50,000 images for every data set
        per_epoch = len(images) if epoch_images == "dataset" else int(epoch_images)
        self.steps_per_epoch = max(self.steps(per_epoch), 1)
        self._pass = -1
        self._permutation = torch.empty(0)
        self._flips = torch.empty(0)

    def steps(self, images: int) -> int:
        """Batches in so many images."""
        return -(-images // self.batch_size) if self.last_batch == "keep" else images // self.batch_size

    def tell_if_clipped(self, wanted: int, label: str, watch: Watch) -> None:
        """Note that a batch has all images, if there are fewer than `wanted`."""
        if self.batch_size < wanted:
            watch.note(f"{label}: a batch is all {self.batch_size} images, fewer than batch_size {wanted}")

    def batch(self, step: int) -> tuple[Tensor, Tensor | None]:
        """Indices (B,) of a step's images, and which of them (B,) are mirrored (None without flips, E43).

        B is `batch_size`, and less in a last batch that is kept.
        """
        number, position = divmod(step, self.steps_per_pass)
        if number != self._pass:
            generator = torch.Generator().manual_seed(seed_for(self.seed, "order", number))
            self._permutation = self.images[torch.randperm(len(self.images), generator=generator)]
            self._flips = torch.rand(len(self.images), generator=generator) < 0.5
            self._pass = number
        chosen = slice(position * self.batch_size, (position + 1) * self.batch_size)
        return self._permutation[chosen], self._flips[chosen] if self.flip else None


def mirror(images: Tensor, flips: Tensor | None) -> Tensor:
    """Mirror some images (B, H, W, C), or masks of the same layout, left to right."""
    if flips is None:
        return images
    return torch.where(flips.to(images.device).view(-1, 1, 1, 1), images.flip(2), images)
