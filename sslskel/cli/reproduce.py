"""Run a paper's table and print the measured numbers next to the published ones; without a name, list the tables.

``recipes`` is no table: it evaluates the same encoders by the recipe of their own paper and by those that all share.
"""

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
RECIPES = "recipes"
"""What stands for a table's name where the evaluation recipes of methods are compared."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel reproduce``."""
    parser.add_argument("table", nargs="?", help=f"name of the table, or {RECIPES} (default: list them)")
    parser.add_argument("--method", help=f"of {RECIPES}: method or comma list; the rows of a table name their own")
    parser.add_argument("--benchmark", default=DEFAULT_BENCHMARK, help="benchmark to run on (default: %(default)s)")
    parser.add_argument(
        "--pretrain-on", metavar="NAME[/SPLIT]", help="pretrain on this benchmark (default: --benchmark)"
    )
    parser.add_argument("--seeds", default="3", help="how many seeds (3 means 0,1,2) or a comma list (default: 3)")
    parser.add_argument("--dry-run", action="store_true", help="list the cells with estimated hours and disk")
    parser.add_argument("--output", type=user_path, help="Markdown file to write (default: print)")
    parser.add_argument("--split", help="official split (default: the benchmark's own)")
    parser.add_argument("--preset", help="named sizes and schedules (default: the benchmark's own)")
    add_results_flag(parser)
    parser.add_argument("--jobs", type=int, help=JOBS_HELP)
    add_keep_flag(parser)
    add_mode_flag(parser)
    add_engine_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Run what is due and show the page; 1 where cells of recipes failed or were left out."""
    if options.table is None:
        return _list()
    if options.method and options.table != RECIPES:
        raise UsageError(
            f"--method is of `sslskel reproduce {RECIPES}`; the rows of {options.table} name their methods"
        )
    from sslskel.files import require_output

    if options.output:
        require_output(options.output)
        if options.output.suffix in (".tex", ".html", ".csv", ".json"):
            raise UsageError(f"--output {options.output}: a reproduced table is Markdown; give a name ending in .md")
    return _recipes(options) if options.table == RECIPES else _table(options)


def _table(options: argparse.Namespace) -> int:
    from sslskel.cli.bench import dry_run
    from sslskel.cli.console import ConsoleReporter
    from sslskel.grid.tables import read_table

    table = read_table(options.table)
    if options.dry_run:
        from sslskel.grid.deviations import other_setting
        from sslskel.grid.reproduce import requests_of_table

        request = request_of(options)
        # Two rows may be of one pretraining.
        dry_run(list(dict.fromkeys(requests_of_table(table, request, options.mode))))
        if other := other_setting(table, request):
            print(f"warning: {other}")
        return 0
    with ConsoleReporter() as reporter:
        from sslskel.grid.reproduce import reproduce

        request = request_of(options)
        _announce(table, request, options.mode, reporter)
        made = reproduce(options.table, request, mode=options.mode, jobs=options.jobs, reporter=reporter)
    return _shown(made.markdown(), options)


def _recipes(options: argparse.Namespace) -> int:
    from sslskel.cli.bench import cost_of, dry_run, planned_cells
    from sslskel.cli.console import ConsoleReporter

    if options.dry_run:
        from sslskel.grid.recipes import requests_of_recipes

        return dry_run(requests_of_recipes(request_of(options)))
    with ConsoleReporter() as reporter:
        from sslskel.grid.recipes import compare_recipes, requests_of_recipes

        request = request_of(options)
        reporter.line(f"{RECIPES}: {cost_of(planned_cells(requests_of_recipes(request), reporter))}")
        made = compare_recipes(request, jobs=options.jobs, reporter=reporter)
    _shown(made.markdown(), options)
    for failure in made.failures:
        print(f"sslskel: failed: {failure}", file=sys.stderr)
    return 1 if made.failures else 0


def _shown(page: str, options: argparse.Namespace) -> int:
    """Print the page, or write it where ``--output`` says."""
    from sslskel.files import write_output

    if options.output:
        write_output(options.output, page.encode())
        print(options.output)
    else:
        print(page, end="")
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
    print(f"{RECIPES}  the same encoders under the recipe of their own paper and shared ones (--method names them)")
    return broken


def _announce(table: Table, request: GridRequest, mode: str | None, reporter: Reporter) -> None:
    """Say what is about to run, where, at what cost, and whether that is the paper's own setting."""
    from sslskel.cli.bench import cost_of, planned_cells
    from sslskel.grid.deviations import other_setting
    from sslskel.grid.reproduce import requests_of_table

    requests = requests_of_table(table, request, mode)
    [cell, *_] = requests[0].cells()
    place = "/".join(cell.judged_on) + (f", pretrained on {cell.benchmark}/{cell.split}" if cell.target else "")
    protocols = ", ".join(dict.fromkeys(row.protocol or table.protocol for row in table.runs))
    grid = f"{len(table.runs)} rows x {len(request.seeds)} seeds under {protocols} on {place}, preset {cell.preset}"
    reporter.line(f"{table.name}: {grid}")
    for row in table.rows:
        if row.absent:
            reporter.line(f"  {row.name} does not run here: {row.absent}")
    reporter.line(f"  {cost_of(planned_cells(list(dict.fromkeys(requests)), reporter))}")
    if other := other_setting(table, request):
        reporter.line(f"  warning: {other}")
