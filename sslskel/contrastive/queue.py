"""The memory of past keys that contrastive methods compare with; losses are in ``losses.py``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.distributed import gather_rows


class Queue(nn.Module):
    """The last K keys, (K, D), the same on every process; a new one starts with random directions.

    Keys enter in global order and the place wraps round wherever it is, so a batch need
    not divide K. Entries and place are buffers, hence in every checkpoint.
    """

    entries: Tensor
    """(K, D), of length 1 where keys are; detached."""
    place: Tensor
    """() int64: where the next key goes, 0..K-1."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("entries", functional.normalize(torch.randn(size, dim), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def push(self, keys: Tensor, counts: Sequence[int] | None = None) -> None:
        """Replace the oldest entries by the keys (n, D) of every process, in global order; n <= K over all.

        ``counts`` as of ``gather_rows``.
        """
        rows = gather_rows(keys.detach(), counts).to(self.entries)
        at = (self.place + torch.arange(len(rows), device=rows.device)) % len(self.entries)
        self.entries.index_copy_(0, at, rows)
        self.place.add_(len(rows)).remainder_(len(self.entries))
