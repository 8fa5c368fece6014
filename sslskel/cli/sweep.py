"""Run a grid for every combination of option values, GROUP.KEY=A,B, or search among them with --trials.

Rows of the board are told apart by the options that differ.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sslskel.cli.grid import Grid, add_grid_flags, grid_of, submit_grid, where_of
from sslskel.cli.options import started_ranks
from sslskel.errors import UsageError

if TYPE_CHECKING:
    from sslskel.grid.run import BenchResult
    from sslskel.grid.search import Found

TAKES_OVERRIDES = True
SHOWN_TRIALS = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel sweep``."""
    add_grid_flags(parser, "list the combinations, or what a search would choose from")
    parser.add_argument(
        "--trials",
        type=int,
        help="search with that many trials instead of running all, judged on held-out training subjects",
    )
    parser.add_argument("--search-seed", type=int, default=0, help="another search of the same space (default: 0)")


def run(options: argparse.Namespace) -> int:
    """Run all combinations and print the board, or search and print the best; 1 where a cell failed."""
    grid = grid_of(options)
    if options.trials is not None:
        return _search(grid, options)
    from sslskel.config.grammar import combinations

    own = [word for word in options.overrides if options.launcher == "slurm" and word.startswith("launcher.")]
    every = combinations([word for word in options.overrides if word not in own])
    if options.dry_run:
        print("\n".join(" ".join(one) for one in every))
        return 0
    options.overrides = own
    if options.launcher == "slurm":
        return submit_grid(grid, options, every)
    if started_ranks(options):
        return 0
    result = _run_all(grid, options, every)
    from sslskel.api.distributed import is_first
    from sslskel.leaderboard import print_board

    if is_first():
        print_board(result.board)
        for failure in result.failures:
            print(f"sslskel: failed: {failure}", file=sys.stderr)
    return 1 if result.failures else 0


def _run_all(grid: Grid, options: argparse.Namespace, every: Sequence[Sequence[str]]) -> BenchResult:
    from sslskel.progress import Reporter

    arguments, failures = where_of(options), []
    with Reporter() as reporter:
        if options.jobs is not None:
            from sslskel.grid.jobs import bench_in_jobs

            return bench_in_jobs(*grid, jobs=options.jobs, **arguments, variants=every, say=reporter.say)
        from sslskel.grid.run import bench

        common = arguments.pop("overrides")
        for number, words in enumerate(every, 1):
            reporter.say(f"combination {number} of {len(every)}: {' '.join(words)}")
            overrides = [*common, *words]
            result = bench(*grid, **arguments, overrides=overrides, say=reporter.say, advance=reporter.advance)
            failures += result.failures
    result.failures = failures
    return result


def _search(grid: Grid, options: argparse.Namespace) -> int:
    methods, protocols, benchmarks, seeds = grid
    for flag, names in (("method", methods), ("protocol", protocols), ("benchmark", benchmarks)):
        if len(names) > 1:
            raise UsageError(f"--trials searches for one {flag} at a time, but --{flag} names {len(names)}")
    if options.launcher == "slurm":
        raise UsageError(
            "--trials chooses each trial by the scores of those before it, which an array of --launcher slurm cannot;"
            " leave it out and give the command in a job of its own, with --jobs for several trials side by side"
        )
    where = where_of(options)
    if options.dry_run:
        from sslskel.config.grammar import dimensions

        fixed, space = dimensions(where["overrides"])
        for word in fixed:
            print(word)
        for one in space:
            print(f"{one.key}: {', '.join(one.values) or f'{one.low} to {one.high}'}{', by logarithm' * one.log}")
        return 0
    if started_ranks(options):
        return 0
    from sslskel.api.distributed import is_first
    from sslskel.grid.search import search
    from sslskel.progress import Reporter

    with Reporter() as reporter:
        found = search(
            *(methods[0], protocols[0], benchmarks[0], where.pop("overrides"), seeds),
            **where,
            trials=options.trials,
            search_seed=options.search_seed,
            jobs=options.jobs,
            say=reporter.say,
            advance=reporter.advance,
        )
    return _print_found(found, options) if is_first() else 0


def _print_found(found: Found, options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    table = Table("trial", f"{found.primary} on {found.split}, %", "options")
    ranked = sorted(enumerate(found.trials, 1), key=lambda one: -1.0 if one[1].score is None else one[1].score)
    for number, trial in ranked[::-1][:SHOWN_TRIALS]:
        score = "diverged" if trial.score is None else f"{100 * trial.score:.1f}"
        table.add_row(str(number), score, " ".join(trial.options))
    Console().print(table)
    print(f"{len(found.trials)} trials, all in {found.file}")
    if found.best is None:
        print("sslskel: failed: every trial diverged; choose another space", file=sys.stderr)
        return 1
    words = [f"--method {options.method} --protocol {options.protocol} --benchmark {options.benchmark}"]
    fixed = [word for word in options.overrides if word.partition("=")[0] not in found.best.drawn]
    print(f"best, now to be judged once: sslskel bench {' '.join([*words, *fixed, *found.best.options])}")
    return 0
