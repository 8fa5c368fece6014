"""Mean and standard deviation of a training set, measured once and kept with the weights."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.clips import TrainingClips
from sslskel.api.devices import longest_float
from sslskel.api.distributed import sum_over_processes
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec

SMALLEST = 1e-6
"""Below this a standard deviation divides nothing: the number is the same in all clips."""


def valid_frames(batch: Batch) -> Tensor:
    """(rows, V * C) coordinates of all frames in which a person was seen."""
    return batch.tracks[batch.valid].flatten(1)


class Standardise(nn.Module):
    """(.., dim) -> (.., dim) with mean 0 and standard deviation 1 over the training set; as it is until measured."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("deviation", torch.ones(dim))

    @torch.no_grad()
    def measure(
        self,
        clips: TrainingClips,
        view: ViewSpec,
        noise: Noise,
        *,
        size: int = 256,
        values: Callable[[Batch], Tensor] = valid_frames,
    ) -> None:
        """Read all training clips once, divided over the processes: call it in ``on_epoch_start`` at step 0.

        ``values`` gives the rows (n, dim) of a batch that are counted. Every process must call it.
        """
        wide = longest_float(self.mean.device)

        def summed(change: Callable[[Tensor], Tensor]) -> Tensor:
            """(dim + 1,) sums over all rows of all processes, and the number of rows."""
            total = self.mean.new_zeros(len(self.mean) + 1, dtype=wide)
            for batch in clips.batches(view, noise, size, clips.share()):
                rows = values(batch).to(wide)
                total += torch.cat([change(rows).sum(0), total.new_full((1,), len(rows))])
            return sum_over_processes(total)

        total = summed(lambda rows: rows)
        count = total[-1].clamp(min=1)
        mean = total[:-1] / count
        # A second pass, around the mean: squares of far-off coordinates would cancel.
        deviation = (summed(lambda rows: (rows - mean).square())[:-1] / count).sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > SMALLEST, deviation, 1))

    def forward(self, rows: Tensor) -> Tensor:
        """Standardised rows."""
        return (rows - self.mean) / self.deviation

    def inverse(self, rows: Tensor) -> Tensor:
        """Back to the unit of the data."""
        return rows * self.deviation + self.mean
