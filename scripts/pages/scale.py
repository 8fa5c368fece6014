"""Times what a grid of 10,000 cells costs besides its training: to list, to resume, to report.

Usage: python scripts/pages/scale.py [CELLS]. Prints a Markdown table; docs/measured/scale.md keeps one.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import sslskel.data.prepare
from sslskel.grid.jobs import find_jobs
from sslskel.grid.request import GridRequest
from sslskel.leaderboard.folder import board_of
from sslskel.leaderboard.formats import render
from sslskel.plugins.registry import BENCHMARKS
from sslskel.results.store import ResultStore

METHODS = ("mamp", "random_init")
PROTOCOLS = ("linear", "knn")
SWEPT = 100

T = TypeVar("T")


def fill(store: ResultStore, identities: list[str], titles: list[tuple[str, str, int]]) -> None:
    """Write a record per cell, all made from one that an earlier version stored."""
    old = json.loads((Path(__file__).resolve().parents[2] / "tests" / "results" / "record_v1.json").read_text())
    (store.folder / "records").mkdir(parents=True)
    for identity, (method, protocol, seed) in zip(identities, titles, strict=True):
        record = json.loads(json.dumps(old))
        record["identity"], record["seed"] = identity, seed
        record["method"]["name"], record["protocol"]["name"] = method, protocol
        record["predictions"] = None
        store.path(identity).write_text(json.dumps(record))


def main() -> None:
    """Time each step once, in CPU seconds of one core, which other work on the machine hardly changes.

    Files are in the page cache, as they are at the second access.
    """
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seeds = tuple(range(cells // (len(METHODS) * len(PROTOCOLS))))
    rows: list[tuple[str, float]] = []

    def timed(what: str, work: Callable[[], T]) -> T:
        start = time.process_time()
        result = work()
        rows.append((what, time.process_time() - start))
        return result

    with tempfile.TemporaryDirectory() as folder:
        sslskel.data.prepare.open_benchmark(BENCHMARKS.get("synthetic"))
        request = GridRequest(methods=METHODS, protocols=PROTOCOLS, seeds=seeds, output=Path(folder))
        listed = timed("list, nothing done", lambda: find_jobs(request))
        titles = [(cell.method, str(cell.protocol), cell.seed) for cell in listed.cells]
        fill(ResultStore(folder), listed.identities, titles)
        again = timed("resume, all done", lambda: find_jobs(request))
        assert not again.jobs
        board = timed("make the board", lambda: board_of(Path(folder), (), lambda _: None))
        timed("write it as Markdown", lambda: render(board, "markdown"))
        pairs = tuple((f"train.lr={1 + number}e-5", "train.epochs=1") for number in range(SWEPT))
        swept = replace(request, methods=("mamp",), protocols=("knn",), seeds=(0,), variants=pairs)
        timed(f"list a sweep of {SWEPT} combinations", lambda: find_jobs(swept))
    print(f"| {len(titles):,} cells | CPU seconds |\n|---|---|")
    for what, seconds in rows:
        print(f"| {what} | {seconds:.1f} |")


if __name__ == "__main__":
    main()
