"""Processes that are not there: what a method says to them is counted, and answered.

Within :func:`alone_among` every other process is taken to hold what this one holds. :func:`in_threads` runs one
function in as many threads, which exchange tensors as processes would.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from torch import Tensor

from sslskel.api import distributed


class Exchange(Protocol):
    """What ``sslskel.api.distributed`` uses of ``torch.distributed``."""

    calls: Counter[str]
    """Collectives, by name."""


class Copies:
    """Every process holds what this one, the first, holds."""

    def __init__(self, count: int) -> None:
        self.count, self.calls = count, Counter[str]()

    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def get_world_size(self) -> int:
        return self.count

    def get_rank(self) -> int:
        return 0

    def all_reduce(self, value: Tensor) -> None:
        self.calls["all_reduce"] += 1
        value.mul_(self.count)

    def all_gather(self, every: Sequence[Tensor], own: Tensor) -> None:
        self.calls["all_gather"] += 1
        for one in every:
            one.copy_(own)


class Threads(Copies):
    """Every thread is a process."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self._barrier, self._place = threading.Barrier(count), threading.local()
        self._held: list[Tensor] = [torch.empty(0)] * count

    def enter(self, rank: int) -> None:
        """The calling thread is this process from now on."""
        self._place.rank = rank

    def get_rank(self) -> int:
        return int(self._place.rank)

    def _exchanged(self, name: str, own: Tensor) -> list[Tensor]:
        self._held[self.get_rank()] = own.clone()
        self._barrier.wait()
        every = [one.clone() for one in self._held]
        self._barrier.wait()
        if self.get_rank() == 0:
            self.calls[name] += 1
        return every

    def all_reduce(self, value: Tensor) -> None:
        value.copy_(torch.stack(self._exchanged("all_reduce", value)).sum(0))

    def all_gather(self, every: Sequence[Tensor], own: Tensor) -> None:
        for one, held in zip(every, self._exchanged("all_gather", own), strict=True):
            one.copy_(held)

    def abort(self) -> None:
        """Let no thread wait for one that has failed."""
        self._barrier.abort()


@contextmanager
def _in_place_of_torch(stand_in: Any) -> Iterator[None]:
    torch_names: Any = distributed
    before = torch_names.dist
    torch_names.dist = stand_in
    try:
        yield
    finally:
        torch_names.dist = before


@contextmanager
def alone_among(count: int) -> Iterator[Counter[str]]:
    """Inside, this is the first of so many processes; gives its collectives, counted by name."""
    copies = Copies(count)
    with _in_place_of_torch(copies):
        yield copies.calls


def in_threads(count: int, work: Callable[[int], Any]) -> tuple[list[Any], Counter[str]]:
    """What ``work(rank)`` gives in each of so many threads, and the collectives that each of them took part in."""
    threads_of = Threads(count)
    results: list[Any] = [None] * count
    faults: list[BaseException] = []

    def one(rank: int) -> None:
        threads_of.enter(rank)
        try:
            results[rank] = work(rank)
        except BaseException as fault:
            faults.append(fault)
            threads_of.abort()

    with _in_place_of_torch(threads_of):
        threads = [threading.Thread(target=one, args=(rank,)) for rank in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if faults:
        raise next((fault for fault in faults if not isinstance(fault, threading.BrokenBarrierError)), faults[0])
    return results, threads_of.calls
