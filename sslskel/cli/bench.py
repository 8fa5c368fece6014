"""Pretrain (or reuse), evaluate, record and rank; comma lists make a grid."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sslskel.cli.grid import add_grid_flags, check_processes_or_jobs, submit_grid
from sslskel.cli.options import OVERRIDES_HELP, request_of, started_processes
from sslskel.text import counted, duration, mebibytes, plain, short_duration

if TYPE_CHECKING:
    from sslskel.grid.request import GridRequest
    from sslskel.grid.run import BenchResult
    from sslskel.progress import Reporter
    from sslskel.results.record import Record
    from sslskel.speed.estimate import Planned

OVERRIDES = OVERRIDES_HELP
ESTIMATED_CELLS = 24
"""A grid of so many cells or more prints first what it will cost, which takes some timed steps."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel bench``."""
    add_grid_flags(parser, "list the cells with estimated hours and disk")
    parser.add_argument(
        "--cfg", action="store_true", help="print every option with its value and what set it, and run nothing"
    )
    parser.add_argument(
        "--suite",
        metavar="NAME",
        help="what a suite asks for (`sslskel list suites`); --benchmark, --protocol and --seeds choose a part of it",
    )


def run(options: argparse.Namespace) -> int:
    """Run the grid, print its board and what each protocol cost; 1 where a cell failed."""
    check_processes_or_jobs(options)
    requests = _requests(options)
    if options.cfg:
        return _print_configuration(requests)
    if options.dry_run:
        return dry_run(requests, options.processes)
    if options.launcher == "slurm":
        return max(submit_grid(request, options) for request in requests)
    if started_processes(options):
        return 0
    from sslskel.cli.console import ConsoleReporter
    from sslskel.leaderboard import print_board

    with ConsoleReporter() as reporter:
        # Torch takes a few seconds to be loaded, which must not pass in silence.
        from sslskel.api.distributed import is_first

        if sum(map(_size, requests)) >= ESTIMATED_CELLS and is_first():
            reporter.line(f"estimated: {cost_of(planned_cells(requests, reporter))}")
        result = _result(requests, options, reporter)
    if not is_first():
        return 1 if result.failures else 0
    print_board(result.board, details=options.details, intervals=options.intervals)
    if options.details:
        _print_costs(result.records)
    print(f"{counted(result.ran, 'cell')} run, {result.reused} already there; records in {options.results}/records")
    for failure in result.failures:
        print(f"sslskel: failed: {failure}", file=sys.stderr)
    return 1 if result.failures else 0


def _requests(options: argparse.Namespace) -> list[GridRequest]:
    """One for a grid, several for a suite."""
    if options.suite is None:
        return [request_of(options)]
    from sslskel.config.suites import read_suite
    from sslskel.grid.suite import requests_of_suite

    suite = read_suite(options.suite)
    options.benchmark = options.benchmark or ",".join(suite.benchmarks)
    options.protocol = options.protocol or ",".join(suite.judged)
    options.seeds = options.seeds or str(suite.seeds)
    return requests_of_suite(suite, request_of(options))


def _result(requests: Sequence[GridRequest], options: argparse.Namespace, reporter: Reporter) -> BenchResult:
    from sslskel.grid.jobs import bench_in_jobs
    from sslskel.grid.run import run_grid

    if options.suite is not None:
        from sslskel.config.suites import read_suite
        from sslskel.grid.suite import bench_suite

        return bench_suite(read_suite(options.suite), requests, options.results, jobs=options.jobs, reporter=reporter)
    [request] = requests
    if options.jobs is not None:
        return bench_in_jobs(request, options.jobs, reporter)
    return run_grid(request, reporter)


def _size(request: GridRequest) -> int:
    cells = len(request.methods) * len(request.protocols) * len(request.benchmarks) * len(request.seeds)
    return cells * len(request.variants)


def _print_costs(records: Sequence[Record]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sslskel.leaderboard.costs import costs

    table = Table("cost of", "cells", "median", "encoding", "clips encoded", "reused", "memory")
    for row in costs(records):
        times = (short_duration(row.seconds), short_duration(row.encode_seconds))
        clips = (f"{row.encoded:,}", f"{row.reused:,}")
        what = Text(plain(f"{row.protocol} on {row.benchmark}"))
        table.add_row(what, str(row.cells), *times, *clips, mebibytes(row.peak_bytes))
    if table.rows:
        Console().print(table)


def _print_configuration(requests: Sequence[GridRequest]) -> int:
    """The options of every cell but its seed, as they may be given again, each with what set it."""
    from sslskel.engine.device import check_precision, resolve_device

    every = [cell for request in requests for each in request.each_variant() for cell in each.cells()]
    for device, precision in {(cell.resolved.engine.device, cell.resolved.engine.precision) for cell in every}:
        check_precision(resolve_device(device), precision)
    texts = []
    for cell in every:
        place = "/".join(cell.judged_on)
        title = f"# {cell.method} on {cell.backbone}, preset {cell.preset}, {place}, {cell.protocol or 'no protocol'}"
        lines = [f"{name}={value}  # {source}" for name, value, source in cell.resolved.settings()]
        texts.append("\n".join([title, *lines]))
    print("\n\n".join(dict.fromkeys(texts)))
    return 0


def dry_run(requests: Sequence[GridRequest], processes: int = 1) -> int:
    """Print the cells of these grids with estimated hours and disk; runs nothing."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sslskel.cli.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        planned = planned_cells(requests, reporter, processes)
    table = Table("cell", "state", "time", "disk")
    for row in (row for row in planned if row.fits):
        state = "done" if row.done else "refused" if row.refused else "due"
        time = "unknown" if row.untimed else duration(row.seconds)
        table.add_row(Text(plain(row.title)), state, time, mebibytes(row.bytes))
    Console().print(table)
    print(cost_of(planned))
    for row in planned:
        if not row.fits:
            print(f"left out: {row.title}")
        elif row.refused:
            print(f"refused: {row.title}: {row.refused}")
        elif row.untimed:
            print(f"unknown time: {row.title}: {row.untimed}")
        if row.left:
            print(f"interrupted: {row.title}: {'; '.join(row.left)}")
    for advice in dict.fromkeys(line for row in planned if not row.done for line in row.advice):
        print(advice)
    for expected in dict.fromkeys(line for row in planned if not row.done for line in row.expected):
        print(expected)
    return 0


def planned_cells(requests: Sequence[GridRequest], reporter: Reporter, processes: int = 1) -> list[Planned]:
    """The cells of several grids, each with what it would cost."""
    from sslskel.speed.estimate import SECONDS_IN_ALL, plan

    every = [each for request in requests for each in request.each_variant()]
    limit = SECONDS_IN_ALL / len(every)
    return [row for each in every for row in plan(each, reporter, limit=limit, processes=processes)]


def cost_of(planned: Sequence[Planned]) -> str:
    """How many of these cells are to be run, and what they cost in all."""
    cells = [row for row in planned if row.fits]
    due = [row for row in cells if not row.done and not row.refused]
    total = duration(sum(row.seconds for row in due))
    unknown = sum(bool(row.untimed) for row in due)
    more = f", and {counted(unknown, 'cell')} of unknown time" if unknown else ""
    disk = mebibytes(sum(row.bytes for row in due))
    return f"{len(due)} of {counted(len(cells), 'cell')} to run: about {total}, {disk}{more}"
