"""The linear head: its written-out step gives what autograd gives, and its batches hold every clip."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sslskel.api.noise import Noise
from sslskel.evaluation.linear_head import LinearHead, fit_epoch, mini_batches


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("norm", [True, False])
def test_epochs_give_the_bytes_that_autograd_gives(norm: bool, dtype: torch.dtype) -> None:
    noise = Noise(0)
    features, labels = noise.normal("features", (75, 6), "batch", dtype), noise.integers("labels", 5, (75,), "batch")
    ours, theirs = (LinearHead(6, 5, noise, dtype, norm=norm) for _ in range(2))
    batches, rates = mini_batches(torch.arange(75), 32), [0.5, 0.3, 0.1]
    one, other = (torch.optim.SGD(h.parameters(), 1.0, momentum=0.9, weight_decay=1e-3) for h in (ours, theirs))
    for _ in range(4):
        loss = fit_epoch(ours, one, features, labels, batches, rates)
        total = 0.0
        for rows, rate in zip(batches, rates, strict=True):
            other.param_groups[0]["lr"] = rate
            mean = functional.cross_entropy(theirs(features[rows]), labels[rows])
            other.zero_grad()
            mean.backward()
            other.step()
            total += mean.detach() * len(rows)
        assert loss.equal(total / 75)
        assert all(a.equal(b) for a, b in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True))


@pytest.mark.parametrize(("count", "size", "sizes"), [(9, 4, [4, 5]), (10, 4, [4, 4, 2]), (3, 8, [3]), (5, 4, [5])])
def test_no_batch_holds_one_clip_and_every_clip_is_used(count: int, size: int, sizes: list[int]) -> None:
    parts = mini_batches(torch.arange(count), size)
    assert [len(part) for part in parts] == sizes
    assert torch.cat(parts).tolist() == list(range(count))
