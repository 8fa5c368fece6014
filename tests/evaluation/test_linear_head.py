"""The step of a linear head: written out, it must give what autograd gives."""

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
