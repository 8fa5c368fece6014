"""Whether layers are computed as released code writes them; only what speed is measured against asks for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch

_FORCED: ContextVar[bool] = ContextVar("explicit layers", default=False)


@contextmanager
def explicit() -> Iterator[None]:
    """Within, attention is written out, graph convolutions are convolutions and stepped GRUs step frame by frame."""
    token = _FORCED.set(True)
    try:
        yield
    finally:
        _FORCED.reset(token)


def is_explicit() -> bool:
    """Whether the code that asks runs within :func:`explicit`."""
    # A compiler cannot follow the variable, and nothing that is measured against is compiled.
    return not torch.compiler.is_compiling() and _FORCED.get()
