"""Run a paper's table and print the measured numbers next to the published ones; without a name, list the tables."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sslskel.cli.options import (
    JOBS_HELP,
    OVERRIDES_HELP,
    add_engine_flags,
    add_keep_flag,
    add_mode_flag,
    add_results_flag,
    request_of,
)
from sslskel.errors import UsageError
from sslskel.paths import user_path
from sslskel.plugins.registry import DEFAULT_BENCHMARK

if TYPE_CHECKING:
    from sslskel.grid.request import GridRequest
    from sslskel.grid.tables import Table
    from sslskel.progress import Reporter

OVERRIDES = OVERRIDES_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel reproduce``."""
    parser.add_argument("table", nargs="?", help="name of the table (default: list them)")
    parser.add_argument("--benchmark", default=DEFAULT_BENCHMARK, help="benchmark to run on (default: %(default)s)")
    parser.add_argument(
        "--pretrain-on", metavar="NAME[/SPLIT]", help="pretrain on this benchmark (default: --benchmark)"
    )
    parser.add_argument("--seeds", default="3", help="how many seeds (3 means 0,1,2) or a comma list (default: 3)")
    parser.add_argument("--output", type=user_path, help="Markdown file to write (default: print)")
    parser.add_argument("--split", help="official split (default: the benchmark's own)")
    parser.add_argument("--preset", help="named sizes and schedules (default: the benchmark's own)")
    add_results_flag(parser)
    parser.add_argument("--jobs", type=int, help=JOBS_HELP)
    add_keep_flag(parser)
    add_mode_flag(parser)
    add_engine_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Run what is due and show the table."""
    if options.table is None:
        return _list()
    from sslskel.cli.console import ConsoleReporter
    from sslskel.files import require_output, write_output
    from sslskel.grid.tables import read_table

    if options.output:
        require_output(options.output)
    with ConsoleReporter() as reporter:
        from sslskel.grid.reproduce import reproduce

        request = request_of(options)
        _announce(read_table(options.table), request, options.mode, reporter)
        table = reproduce(options.table, request, mode=options.mode, jobs=options.jobs, reporter=reporter)
    if options.output:
        write_output(options.output, table.markdown().encode())
        print(options.output)
    else:
        print(table.markdown(), end="")
    return 0


def _list() -> int:
    """Print every table; one that cannot be read is named and hides no other."""
    from sslskel.grid.tables import read_table, tables

    broken = 0
    for name in tables():
        try:
            one = read_table(name)
        except UsageError as fault:
            broken = 1
            print(f"sslskel: {fault}", file=sys.stderr)
        else:
            print(f"{name}  {one.title} ({one.protocol}, {len(one.rows)} rows)")
    return broken


def _announce(table: Table, request: GridRequest, mode: str | None, reporter: Reporter) -> None:
    """Say what is about to run, where, at what cost, and whether that is the paper's own setting."""
    from sslskel.cli.bench import cost_of, planned_cells
    from sslskel.grid.deviations import other_setting
    from sslskel.grid.reproduce import requests_of_table

    requests = requests_of_table(table, request, mode)
    [cell, *_] = requests[0].cells()
    place = "/".join(cell.judged_on) + (f", pretrained on {cell.benchmark}/{cell.split}" if cell.target else "")
    grid = (
        f"{len(table.rows)} rows x {len(request.seeds)} seeds under {table.protocol} on {place}, preset {cell.preset}"
    )
    reporter.line(f"{table.name}: {grid}")
    reporter.line(f"  {cost_of(planned_cells(requests, reporter))}")
    if other := other_setting(table, request):
        reporter.line(f"  warning: {other}")
