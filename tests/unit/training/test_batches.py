"""Feeding batches: order, and reading ahead."""

import torch

from patchvae.training.batches import Feed, Order


def test_a_pass_takes_every_image_once_and_only_those_asked_for():
    images = torch.tensor([3, 5, 8, 13, 21, 34])
    order = Order(images, 2, "dataset", flip=False, seed=0)
    taken = torch.cat([order.batch(step)[0] for step in range(3)])
    assert sorted(taken.tolist()) == images.tolist()
    again = torch.cat([order.batch(step)[0] for step in range(3, 6)])
    assert sorted(again.tolist()) == images.tolist() and again.tolist() != taken.tolist()


def test_reading_ahead_gives_the_same_rows_in_any_order_of_steps():
    rows, labels = torch.arange(20.0).view(10, 2), torch.arange(10)
    orders = [Order(torch.arange(10), 3, "dataset", flip=True, seed=1) for _ in range(2)]
    plain = Feed(orders[0], [rows, labels], torch.device("cpu"))
    ahead = Feed(orders[1], [rows, labels], torch.device("meta"))  # another device than the arrays': a thread reads
    ahead.device = torch.device("cpu")
    assert plain.reader is None and ahead.reader is not None
    for step in (0, 1, 2, 7, 8, 3):
        (a, b), flips = plain(step)
        (c, d), same = ahead(step)
        assert torch.equal(a, c) and torch.equal(b, d) and torch.equal(flips, same)
