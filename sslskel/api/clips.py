"""The clips that a run trains on, as a method may pass over them between epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec


class TrainingClips(Protocol):
    """All training clips of a run in a fixed order, whatever the number of processes; labels are withheld."""

    def __len__(self) -> int:
        """Clips of the training set."""
        ...

    def batches(self, view: ViewSpec, noise: Noise, size: int, rows: Tensor | None = None) -> Iterator[Batch]:
        """Any view of the clips at ``rows`` (n,), in that order (default: each clip once), ``size`` at a time.

        ``Batch.position`` tells their rows. A view depends on the clip and ``noise`` alone. Raises
        ``UsageError`` for a row that is not in the set.
        """
        ...

    def share(self) -> Tensor:
        """(n,) rows that this process should read where the work is divided, on the CPU.

        ``gather_rows`` puts what the processes made of their shares together in the order of the set.
        """
        ...
