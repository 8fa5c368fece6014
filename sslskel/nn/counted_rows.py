"""Which rows of a batch are there, found once for several networks that read it.

A GPU must be waited for to know how many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from sslskel.errors import UsageError

_BLOCKS: list[list[tuple[Tensor, Tensor]]] = []


@contextmanager
def counted_once() -> Iterator[None]:
    """Inside, all masks of one shape are the same mask: those of one batch, read by several networks."""
    _BLOCKS.append([])
    try:
        yield
    finally:
        _BLOCKS.pop()


def rows_of(mask: Tensor) -> Tensor:
    """(..) bool -> (K,) int64 places of its True values, as it is flattened.

    Raises ``UsageError`` within :func:`counted_once`, on a CPU, for another mask than the one of its shape before.
    """
    if not _BLOCKS:
        return mask.flatten().nonzero().flatten()
    for known, rows in _BLOCKS[-1]:
        if known.shape == mask.shape and known.device == mask.device:
            if mask.device.type == "cpu" and not torch.equal(known, mask):
                raise UsageError("two masks of one shape differ within counted_once(); leave it out")
            return rows
    rows = mask.flatten().nonzero().flatten()
    _BLOCKS[-1].append((mask, rows))
    return rows
