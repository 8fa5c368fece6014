"""Run a grid for every combination of option values, GROUP.KEY=A,B, or search among them with --trials.

Rows of the board are labelled with the options that differ.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from sslskel.cli.grid import add_grid_flags, check_processes_or_jobs, submit_grid
from sslskel.cli.options import request_of, started_processes
from sslskel.errors import UsageError

if TYPE_CHECKING:
    from sslskel.grid.request import GridRequest
    from sslskel.grid.run import BenchResult
    from sslskel.grid.search import SearchState

OVERRIDES = "GROUP.KEY=A,B gives an option several values, GROUP.KEY=VALUE one (`sslskel show NAME` lists options)"
SHOWN_TRIALS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel sweep``."""
    add_grid_flags(parser, "list the combinations, or what a search would choose from")
    parser.add_argument(
        "--trials",
        type=int,
        help="search with that many trials instead of running all, evaluated on held-out training subjects",
    )
    parser.add_argument("--search-seed", type=int, default=0, help="seed of the search (default: 0)")


def run(options: argparse.Namespace) -> int:
    """Run all combinations and print the board, or search and print the best; 1 where a cell failed."""
    check_processes_or_jobs(options)
    if options.trials is not None:
        return _search(options)
    from sslskel.config.grammar import combinations

    own = [one for one in options.overrides if options.launcher == "slurm" and one.startswith("launcher.")]
    every = combinations([one for one in options.overrides if one not in own])
    if options.dry_run:
        print("\n".join(" ".join(one) for one in every))
        return 0
    options.overrides = own
    request = request_of(options, every)
    if options.launcher == "slurm":
        return submit_grid(request, options)
    if started_processes(options):
        return 0
    result = _run_all(request, options.jobs)
    from sslskel.api.distributed import is_first
    from sslskel.leaderboard import print_board

    if is_first():
        print_board(result.board, details=options.details, intervals=options.intervals)
        for failure in result.failures:
            print(f"sslskel: failed: {failure}", file=sys.stderr)
    return 1 if result.failures else 0


def _run_all(request: GridRequest, jobs: int | None) -> BenchResult:
    from sslskel.cli.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        from sslskel.grid.jobs import bench_in_jobs
        from sslskel.grid.run import run_each

        if jobs is not None:
            return bench_in_jobs(request, jobs, reporter)
        # A value that an option does not take stops the sweep before its first combination runs.
        request.cells()
        total = len(request.variants)
        titles = [f"combination {at} of {total}: {' '.join(one)}" for at, one in enumerate(request.variants, 1)]
        return run_each(request.each_variant(), reporter, titles)


def _search(options: argparse.Namespace) -> int:
    from sslskel.config.grammar import dimensions
    from sslskel.grid.search import check_single, search

    request = request_of(options)
    check_single(request)
    if options.launcher == "slurm":
        raise UsageError(
            "--trials chooses each trial by the scores of those before it, which an array of --launcher slurm cannot;"
            " leave it out and give the command in a job of its own, with --jobs for several trials side by side"
        )
    if options.dry_run:
        fixed, space = dimensions(request.overrides)
        for option in fixed:
            print(option)
        for one in space:
            print(f"{one.key}: {', '.join(one.values) or f'{one.low} to {one.high}'}{', log scale' * one.log}")
        return 0
    if started_processes(options):
        return 0
    from sslskel.api.distributed import is_first
    from sslskel.cli.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        state = search(request, options.trials, search_seed=options.search_seed, jobs=options.jobs, reporter=reporter)
    return _print_trials(state, request, options) if is_first() else 0


def _print_trials(state: SearchState, request: GridRequest, options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from sslskel.text import plain

    table = Table("trial", f"{state.primary} on {state.split}, %", "options")
    ranked = sorted(enumerate(state.trials, 1), key=lambda one: -1.0 if one[1].score is None else one[1].score)
    for number, trial in ranked[::-1][:SHOWN_TRIALS]:
        score = "diverged" if trial.score is None else f"{100 * trial.score:.1f}"
        table.add_row(str(number), score, Text(plain(" ".join(trial.options))))
    Console().print(table)
    print(f"{len(state.trials)} trials, all in {state.file}")
    if state.best is None:
        print("sslskel: failed: every trial diverged; choose another space", file=sys.stderr)
        return 1
    [method], [protocol], [benchmark] = request.methods, request.protocols, request.benchmarks
    named = [f"--method {method} --protocol {protocol} --benchmark {benchmark}"]
    fixed = [one for one in options.overrides if one.partition("=")[0] not in state.best.drawn]
    print(f"best, to be evaluated once: sslskel bench {' '.join([*named, *fixed, *state.best.options])}")
    return 0
