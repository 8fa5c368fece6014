"""Several processes that begin at the same moment."""

from __future__ import annotations

import multiprocessing
from typing import Any

PROCESSES = multiprocessing.get_context("fork")


def run_together(target: Any, count: int, *arguments: Any) -> None:
    barrier = PROCESSES.Barrier(count)
    workers = [PROCESSES.Process(target=target, args=(barrier, number, *arguments)) for number in range(count)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * count
