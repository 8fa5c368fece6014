"""Which clips a step sees: a permutation of every epoch, a function of seed and epoch alone.

It has no state, so a run continues at any step, on any number of processes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sslskel.api.noise import Noise
from sslskel.errors import UsageError


class EpochSampler:
    """Global batches of positions 0..clips-1.

    With ``drop_last`` a last, smaller batch is left out; a set smaller than a batch is
    one batch.
    """

    def __init__(self, clips: int, batch_size: int, seed: int, drop_last: bool) -> None:
        if clips < 1:
            raise UsageError("there is no clip to train on; choose a split or part that has some")
        self._clips, self._seed = clips, seed
        self._size = min(batch_size, clips)
        whole, rest = divmod(clips, self._size)
        self.steps_per_epoch = whole if drop_last or not rest else whole + 1
        self.smallest = self._size if drop_last or not rest else rest
        """Clips of the smallest batch."""
        self.largest = self._size
        self._order: tuple[int, Tensor] = (-1, torch.empty(0, dtype=torch.int64))

    def batch(self, step: int) -> Tensor:
        """Positions of the global batch of a step, counted over all epochs from 0."""
        epoch, at = divmod(step, self.steps_per_epoch)
        if self._order[0] != epoch:
            order = Noise(self._seed, epoch).permutation("sampler.order", self._clips, per="batch")
            self._order = (epoch, order)
        return self._order[1][at * self._size : (at + 1) * self._size]

    def share(self, step: int, rank: int, world: int) -> Tensor:
        """The consecutive part of a step's global batch that one process handles.

        Empty where a batch has fewer clips than there are processes.
        """
        return self.batch(step).tensor_split(world)[rank]

    def clips_until(self, step: int) -> int:
        """Clips seen, repeats counted, when ``step`` steps are done."""
        epochs, within = divmod(step, self.steps_per_epoch)
        of_epoch = self._size * (self.steps_per_epoch - 1) + self.smallest
        return epochs * of_epoch + within * self._size
