"""Rows and sums over all processes of a run; on one process every function is the identity.

For methods whose clips see each other (queues, batch statistics, mixing partners) and for
the engine. Process r holds the r-th consecutive part of the global batch, so gathered rows
are in global order. The engine starts and ends processes.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
import torch.distributed as dist
from torch import Tensor

from sslskel.errors import RunError, UsageError

_questions = itertools.count()
POLL_SECONDS = 0.05
_CLIPS: list[tuple[int, ...]] = []


def world_size() -> int:
    """Number of processes of this run; 1 where none were started."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Index of this process, from 0."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def is_first() -> bool:
    """True for the one process that writes records and prints; known before processes have joined."""
    return os.environ.get("RANK", "0") == "0"


class SharedStore(Protocol):
    """A key-value store of the run, shared by all processes."""

    def set(self, key: str, value: str, /) -> None:
        """Store a value."""
        ...

    def get(self, key: str, /) -> bytes:
        """The value; waits until it is set."""
        ...

    def check(self, keys: list[str], /) -> bool:
        """Whether all these keys have values."""
        ...

    def add(self, key: str, amount: int, /) -> int:
        """Add to a counter, which starts at 0; returns the sum."""
        ...


def shared_store(name: str) -> SharedStore:
    """A key-value store that all processes of the run see, with a namespace ``name``."""
    torch_names: Any = dist
    # Private, but the only handle on the store that the launcher made; there since torch 1.
    store: SharedStore = torch_names.PrefixStore(f"sslskel/{name}", torch_names.distributed_c10d._get_default_store())
    return store


def of_first(work: Callable[[], str]) -> str:
    """The result of ``work`` on the first process, sent to all; the others wait without a time limit. Every process
    must call it, in the same order. Collectives have time limits, and the first process may be evaluating for hours.
    Raises what ``work`` raises, and ``RunError`` on the others.
    """
    if world_size() == 1:
        return work()
    store = shared_store("first")
    key = str(next(_questions))
    if rank() == 0:
        try:
            answer = work()
        except BaseException:
            store.set(key, "!")
            raise
        store.set(key, f"={answer}")
        return answer
    while not store.check([key]):
        time.sleep(POLL_SECONDS)
    reply = store.get(key).decode()
    if reply == "!":
        raise RunError("the first process of the run failed; see its error")
    return reply[1:]


def sum_over_processes(value: Tensor) -> Tensor:
    """The sum of a tensor of equal shape on every process, same dtype; differentiable.

    The gradient is summed over processes too, so each process may use the sum in its own part of the loss.
    """
    if world_size() == 1:
        return value
    result: Tensor = _Sum.apply(value)  # type: ignore[no-untyped-call]
    return result


def of_all(value: Tensor) -> Tensor:
    """A tensor of equal shape on every process -> (number of processes, *shape), in order of rank; no gradients."""
    if world_size() == 1:
        return value[None]
    every = value.new_empty(world_size(), *value.shape)
    dist.all_gather(list(every.unbind()), value.contiguous())
    return every


def row_counts(rows: int, device: torch.device) -> list[int]:
    """How many rows each process holds, in order of rank."""
    if world_size() == 1:
        return [rows]
    counts: list[int] = of_all(torch.full((), rows, dtype=torch.int64, device=device)).tolist()
    return counts


@contextmanager
def clips_known(counts: Sequence[int]) -> Iterator[None]:
    """Inside, process r is known to see ``counts[r]`` clips, so that nobody asks; empty: nothing is known."""
    _CLIPS.append(tuple(counts))
    try:
        yield
    finally:
        _CLIPS.pop()


def clip_counts(clips: int, device: torch.device) -> list[int]:
    """As :func:`row_counts` for rows that are one per clip of the step, which is mostly known.

    Raises ``UsageError`` where this process has another number of clips.
    """
    known = _CLIPS[-1] if _CLIPS else ()
    if world_size() == 1 or not known:
        return row_counts(clips, device)
    _require_own(known, clips)
    return list(known)


def gather_rows(rows: Tensor, counts: Sequence[int] | None = None) -> Tensor:
    """All rows (n_r, ...) of all processes in global order: (sum of n_r, ...); differentiable.

    The processes may hold different numbers of rows, none included. The gradient of a row is the sum over all
    processes. Every process must call it. ``counts`` are the numbers of rows, where they are known: of
    :func:`clip_counts` or :func:`row_counts`; else they are asked for. Raises ``UsageError`` for counts of other rows.
    """
    if world_size() == 1:
        return rows
    counts = row_counts(rows.shape[0], rows.device) if counts is None else list(counts)
    _require_own(counts, rows.shape[0])
    result: Tensor = _Gather.apply(rows, counts)  # type: ignore[no-untyped-call]
    return result


def own_rows(gathered: Tensor, rows: int, counts: Sequence[int] | None = None) -> Tensor:
    """The rows of this process among gathered ones; the inverse of :func:`gather_rows`."""
    if world_size() == 1:
        return gathered
    begin = sum((row_counts(rows, gathered.device) if counts is None else counts)[: rank()])
    return gathered[begin : begin + rows]


def _require_own(counts: Sequence[int], rows: int) -> None:
    if counts[rank()] != rows:
        raise UsageError(
            f"process {rank()} gathers {rows} rows, where {counts[rank()]} are expected (rows of all processes:"
            f" {', '.join(map(str, counts))}); give counts of these very rows, or none"
        )


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.detach().clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: rows.shape[0]] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        begin = sum(ctx.counts[: rank()])
        return total[begin : begin + ctx.counts[rank()]], None
