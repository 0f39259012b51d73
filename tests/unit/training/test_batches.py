"""Feeding batches: order, and reading ahead."""

import pytest
import torch

from patchvae.training import batches
from patchvae.training.batches import Feed, Order

CPU = torch.device("cpu")


def test_a_pass_takes_every_image_once_and_only_those_asked_for():
    images = torch.tensor([3, 5, 8, 13, 21, 34])
    order = Order(images, 2, "dataset", flip=False, seed=0)
    taken = torch.cat([order.drawn(step)[0] for step in range(3)])
    assert sorted(taken.tolist()) == images.tolist()
    again = torch.cat([order.drawn(step)[0] for step in range(3, 6)])
    assert sorted(again.tolist()) == images.tolist() and again.tolist() != taken.tolist()


@pytest.mark.parametrize("last_batch", ["drop", "keep"])
def test_rows_are_those_of_the_order_in_any_order_of_steps(last_batch, monkeypatch):
    images, labels = torch.arange(20.0).view(10, 2), torch.arange(10)
    orders = [Order(torch.arange(10), 3, "dataset", flip=True, seed=1, last_batch=last_batch) for _ in range(3)]
    plain = Feed(orders[0], [images, labels], CPU)
    monkeypatch.setattr(batches, "resident", lambda array, device: array is labels)
    ahead = Feed(orders[1], [images, labels], CPU)  # as if the images were too large for the device
    assert plain.reader is None and ahead.reader is not None
    for step in (0, 1, 2, 3, 7, 8, 3):
        index, coins = orders[2].drawn(step)
        for feed in (plain, ahead):
            (found, of), flips = feed(step)
            assert torch.equal(found, images[index]) and torch.equal(of, index) and torch.equal(flips, coins)
            assert feed.prepare(step) == len(index)
