"""The training clips of a run, for passes of a method between epochs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ViewSpec


class TrainingClips(Protocol):
    """All training clips of a run in a fixed order that does not depend on the number of processes; labels are
    withheld."""

    def __len__(self) -> int:
        """Clips of the training set."""
        ...

    def batches(self, view: ViewSpec, noise: Noise, size: int, rows: Tensor | None = None) -> Iterator[Batch]:
        """Any view of the clips at ``rows`` (n,), in that order (default: each clip once), ``size`` at a time.

        ``Batch.position`` has their rows. A view depends on the clip and ``noise`` alone. Raises
        ``UsageError`` for a row that is not in the set.
        """
        ...

    def share(self) -> Tensor:
        """(n,) rows for this process when work is divided, on the CPU. ``gather_rows`` joins the results of all
        processes in the order of the set.
        """
        ...
