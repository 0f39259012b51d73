"""Batches of packed uint8 arrays: no image decoding, no worker processes."""

from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

from patchvae.seeding import seed_for
from patchvae.training.loop import Watch


class Feed:
    """Rows of packed arrays on the device, step by step: `prepare` on the host, then `rows` on the device alone.

    An array that lies on the device is indexed there by the order of the pass, which is uploaded once a pass. Rows of
    an array that is too large for the GPU are read from the disk by a thread, one step ahead, and uploaded each step.
    Only that thread uses the order then, as an order remembers its last pass.
    """

    def __init__(self, order: "Order", arrays: list[Tensor], device: torch.device) -> None:
        self.order, self.arrays, self.device = order, arrays, device
        shape = (order.steps_per_pass, order.batch_size)
        self.index = torch.zeros(shape, dtype=torch.int64, device=device)
        self.flips = torch.zeros(shape, dtype=torch.bool, device=device)
        self.uploaded = -1  # the pass whose order lies on the device
        self.count = order.batch_size  # images of the step
        self.read_ahead = {number: array for number, array in enumerate(arrays) if not resident(array, device)}
        self.rooms = {
            number: torch.zeros((order.batch_size, *array.shape[1:]), dtype=array.dtype, device=device)
            for number, array in self.read_ahead.items()
        }
        self.reader = ThreadPoolExecutor(1) if self.read_ahead else None
        self.waiting: tuple[int, Future[tuple[Tensor, Tensor, dict[int, Tensor]]]] | None = None

    def prepare(self, step: int) -> int:
        """Upload what `rows` of a step needs and is not there yet; returns the number of the step's images."""
        number, position = divmod(step, self.order.steps_per_pass)
        if self.reader is not None:
            if self.waiting is None or self.waiting[0] != step:
                self.waiting = (step, self.reader.submit(self.read, step))
            index, flips, rows = self.waiting[1].result()
            self.waiting = (step + 1, self.reader.submit(self.read, step + 1))
            upload(index, self.index[position])
            upload(flips, self.flips[position])
            for array, values in rows.items():
                upload(values, self.rooms[array])
        elif number != self.uploaded:
            images, flips = self.order.dealt(number)
            upload(images[: self.index.numel()], self.index.view(-1))
            upload(flips[: self.flips.numel()], self.flips.view(-1))
            self.uploaded = number
        size = self.order.batch_size
        self.count = min(size, len(self.order.images) - position * size)  # less in a last batch that is kept
        return self.count

    def read(self, step: int) -> tuple[Tensor, Tensor, dict[int, Tensor]]:
        """A step's indices and flips, and its rows of the arrays that are read ahead."""
        index, flips = self.order.drawn(step)
        return index, flips, {number: array.index_select(0, index) for number, array in self.read_ahead.items()}

    def rows(self, step: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """A step's rows of every array, and which of them (B,) are mirrored (None without flips, E43).

        step: its number, on the device, after `prepare` of the same. B is the batch size, and less in a last batch that
        is kept.
        """
        position = (step % self.order.steps_per_pass).view(1)
        index = self.index.index_select(0, position)[0, : self.count]
        rows = [
            self.rooms[number][: self.count] if number in self.rooms else array.index_select(0, index)
            for number, array in enumerate(self.arrays)
        ]
        return rows, self.flips.index_select(0, position)[0, : self.count] if self.order.flip else None

    def __call__(self, step: int) -> tuple[list[Tensor], Tensor | None]:
        """`prepare` and `rows` of a step."""
        self.prepare(step)
        return self.rows(torch.tensor(step, device=self.device))


def upload(values: Tensor, room: Tensor) -> None:
    """Copy values to the beginning of their room on the device; on a GPU in its stream, without waiting."""
    values = values.pin_memory() if room.is_cuda else values
    room[: len(values)].copy_(values, non_blocking=True)


def resident(array: Tensor, device: torch.device) -> bool:
    """Whether a packed array lies where it is used."""
    return array.device.type == device.type


class Order:
    """The order of training images: a permutation per pass, from the seed alone, so that any step can be resumed."""

    def __init__(
        self, images: Tensor, batch_size: int, epoch_images: int | str, flip: bool, seed: int, last_batch: str = "drop"
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

    def note_if_smaller(self, wanted: int, label: str, watch: Watch) -> None:
        """Note that a batch is all images, where these are fewer than `wanted`."""
        if self.batch_size < wanted:
            watch.note(f"{label}: a batch is all {self.batch_size} images, fewer than batch_size {wanted}")

    def dealt(self, number: int) -> tuple[Tensor, Tensor]:
        """All images (n,) in the order of pass 0, 1, ..., and a coin (n,) for each."""
        if number != self._pass:
            generator = torch.Generator().manual_seed(seed_for(self.seed, "order", number))
            self._permutation = self.images[torch.randperm(len(self.images), generator=generator)]
            self._flips = torch.rand(len(self.images), generator=generator) < 0.5
            self._pass = number
        return self._permutation, self._flips

    def drawn(self, step: int) -> tuple[Tensor, Tensor]:
        """Indices (B,) of a step's images, and a coin (B,) for each."""
        number, position = divmod(step, self.steps_per_pass)
        images, flips = self.dealt(number)
        chosen = slice(position * self.batch_size, (position + 1) * self.batch_size)
        return images[chosen], flips[chosen]


def mirror(images: Tensor, flips: Tensor | None) -> Tensor:
    """Mirror some images (B, H, W, C), or masks of the same layout, left to right."""
    if flips is None:
        return images
    return torch.where(flips.to(images.device).view(-1, 1, 1, 1), images.flip(2), images)
