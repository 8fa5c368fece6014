"""The queue of past keys wraps wherever its place is, and starts with directions."""

from __future__ import annotations

import torch

from sslskel.contrastive.queue import Queue


def test_a_queue_wraps_wherever_its_place_is() -> None:
    queue, keys = Queue(5, 4), torch.eye(4)
    queue.push(keys)
    queue.push(keys.flip(0))
    assert int(queue.place) == 3
    assert torch.equal(queue.entries, torch.cat([keys.flip(0)[1:], keys[3:], keys.flip(0)[:1]]))


def test_a_queue_as_long_as_a_batch_holds_that_batch_alone() -> None:
    queue, keys = Queue(4, 4), torch.eye(4)
    queue.push(keys)
    queue.push(-keys)
    assert int(queue.place) == 0
    assert torch.equal(queue.entries, -keys)


def test_a_new_queue_holds_directions_that_a_checkpoint_keeps() -> None:
    queue = Queue(6, 3)
    torch.testing.assert_close(queue.entries.norm(dim=1), torch.ones(6))
    assert set(queue.state_dict()) == {"entries", "place"}
    assert not list(queue.parameters())
