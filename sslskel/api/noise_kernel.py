"""Draws of keyed noise as one kernel of Triton, for GPUs: the bits of ``noise.py``, in one launch.

``fused.py`` imports it where tensors of a GPU ask for draws. Without Triton there is nothing in it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

BLOCK = 1024
"""Draws that one program of the kernel makes."""

if importlib.util.find_spec("triton") is not None:
    import triton
    import triton.language as tl

    def draws(stirred: Tensor, keys: Sequence[int], count: int, dtype: torch.dtype) -> Tensor:
        """``count`` draws for each stirred item (n,) under each of one or two int64 keys: (keys, n, count).

        float32 and float64 are the upper 24 bits as U[0, 1) on their grid; int64 is all bits.
        """
        made = torch.empty(len(keys), len(stirred), count, dtype=dtype, device=stirred.device)
        if made.numel():
            grid, sizes = (triton.cdiv(made.numel(), BLOCK),), (count, made[0].numel(), made.numel())
            with torch.cuda.device(stirred.device) if stirred.is_cuda else nullcontext():
                draw[grid](stirred.contiguous(), made, keys[0], keys[-1], *sizes, BLOCK)
        return made

    @triton.jit(do_not_specialize=("stirred", "first", "second", "count", "size", "total"))  # type: ignore[untyped-decorator]
    def draw(stirred, made, first, second, count, size, total, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
        """Element ``i`` of ``made`` (total,) is draw ``i % count`` of an item, under ``first`` up to ``size``."""
        # More than 2^31 draws need places of 64 bits.
        at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
        inside = at < total
        within = tl.where(at < size, at, at - size)
        key = tl.where(at < size, first.to(tl.int64), second.to(tl.int64)).to(tl.uint64)
        item = tl.load(stirred + within // count, mask=inside, other=0).to(tl.uint64)
        # Unsigned, so that shifts are logical and sums and products wrap.
        x = key + item
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB
        x = (x ^ (x >> 31)) + (within % count + 1).to(tl.uint64) * 0x9E3779B97F4A7C15
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB
        if made.dtype.element_ty == tl.int64:
            tl.store(made + at, (x ^ (x >> 31)).to(tl.int64), mask=inside)
        else:
            tl.store(made + at, (x >> 40).to(tl.int32).to(made.dtype.element_ty) * (1.0 / (1 << 24)), mask=inside)
