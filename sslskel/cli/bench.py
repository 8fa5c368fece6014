"""Pretrain (or reuse), evaluate, record and rank; comma lists make a grid."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sslskel.cli.grid import Grid, add_grid_flags, grid_of, submit_grid, where_of
from sslskel.cli.options import started_ranks
from sslskel.text import duration, mebibytes, short_duration

if TYPE_CHECKING:
    from sslskel.results.record import Record
    from sslskel.speed.estimate import Planned

TAKES_OVERRIDES = True
ESTIMATED_CELLS = 24
"""A grid of so many cells or more says first what it will cost, which takes some timed steps."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel bench``."""
    add_grid_flags(parser, "list the cells with estimated hours and disk")


def run(options: argparse.Namespace) -> int:
    """Run the grid, print its board and what each protocol cost; 1 where a cell failed."""
    chosen = grid_of(options)
    if options.dry_run:
        return _dry_run(chosen, options)
    if options.launcher == "slurm":
        return submit_grid(chosen, options)
    if started_ranks(options):
        return 0
    from sslskel.api.distributed import is_first
    from sslskel.leaderboard import print_board
    from sslskel.progress import Reporter

    if len(chosen[0]) * len(chosen[1]) * len(chosen[2]) * len(chosen[3]) >= ESTIMATED_CELLS and is_first():
        print(f"estimated: {_due(_planned(chosen, options))}", flush=True)
    with Reporter() as reporter:
        where = where_of(options)
        if options.jobs is None:
            from sslskel.grid.run import bench

            result = bench(*chosen, **where, say=reporter.say, advance=reporter.advance)
        else:
            from sslskel.grid.jobs import bench_in_jobs

            result = bench_in_jobs(*chosen, jobs=options.jobs, **where, say=reporter.say)
    if not is_first():
        return 1 if result.failures else 0
    print_board(result.board)
    _print_costs(result.records)
    print(f"{result.ran} cells run, {result.reused} already there; records in {options.output}/records")
    for failure in result.failures:
        print(f"sslskel: failed: {failure}", file=sys.stderr)
    return 1 if result.failures else 0


def _print_costs(records: Sequence[Record]) -> None:
    from rich.console import Console
    from rich.table import Table

    from sslskel.leaderboard.costs import costs

    table = Table("cost of", "cells", "median", "encoding", "clips encoded", "reused", "memory")
    for row in costs(records):
        times = (short_duration(row.seconds), short_duration(row.encode_seconds))
        clips = (f"{row.encoded:,}", f"{row.reused:,}")
        table.add_row(f"{row.protocol} on {row.benchmark}", str(row.cells), *times, *clips, mebibytes(row.peak_bytes))
    if table.rows:
        Console().print(table)


def _dry_run(chosen: Grid, options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    planned = _planned(chosen, options)
    table = Table("cell", "state", "time", "disk")
    for row in planned:
        table.add_row(row.title, "done" if row.done else "due", duration(row.seconds), mebibytes(row.bytes))
    Console().print(table)
    print(_due(planned))
    return 0


def _planned(chosen: Grid, options: argparse.Namespace) -> list[Planned]:
    from sslskel.speed.estimate import plan

    return plan(*chosen, **where_of(options))


def _due(planned: Sequence[Planned]) -> str:
    due = [row for row in planned if not row.done]
    total = duration(sum(row.seconds for row in due))
    return f"{len(due)} of {len(planned)} cells due: about {total}, {mebibytes(sum(row.bytes for row in due))}"
