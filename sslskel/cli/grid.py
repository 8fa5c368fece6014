"""What ``bench`` and ``sweep`` share: the flags that name a grid and say where it runs, and handing it to SLURM."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from sslskel.cli.options import JOBS_HELP, add_process_flags, add_run_flags, grid_arguments, words
from sslskel.errors import UsageError

Grid = tuple[list[str], list[str], list[str], tuple[int, ...]]


def add_grid_flags(parser: argparse.ArgumentParser, dry_run: str) -> None:
    """Methods, protocols, benchmarks, seeds, and where their jobs run."""
    parser.add_argument("--method", required=True, help="method or comma list, for instance mamp,random_init")
    parser.add_argument("--protocol", default="linear", help="protocol or comma list (default: linear)")
    parser.add_argument("--benchmark", default="synthetic", help="benchmark or comma list (default: synthetic)")
    parser.add_argument("--seeds", default="1", help="how many seeds (3 means 0,1,2) or a comma list (default: 1)")
    parser.add_argument(
        "--pretrain-on",
        metavar="NAME[/SPLIT]",
        help="pretrain on this benchmark and judge on --benchmark (default: the same)",
    )
    parser.add_argument("--dry-run", action="store_true", help=dry_run)
    parser.add_argument("--jobs", type=int, help=JOBS_HELP)
    parser.add_argument(
        "--launcher",
        choices=("local", "slurm"),
        default="local",
        help="where jobs run (slurm: queued, launcher.* says how)",
    )
    add_run_flags(parser)
    add_process_flags(parser)


def grid_of(options: argparse.Namespace) -> Grid:
    """Methods, protocols, benchmarks and seeds of a command; refuses flags that exclude each other."""
    from sslskel.grid.cell import parse_seeds

    if options.jobs is not None and options.processes > 1:
        raise UsageError("--jobs and --processes share out the same cores; give one of them")
    return words(options.method), words(options.protocol), words(options.benchmark), parse_seeds(options.seeds)


def where_of(options: argparse.Namespace) -> dict[str, Any]:
    """Keyword arguments that ``bench``, ``bench_in_jobs`` and ``plan`` share."""
    return grid_arguments(options) | {"pretrain_on": options.pretrain_on}


def submit_grid(grid: Grid, options: argparse.Namespace, variants: Sequence[Sequence[str]] = ((),)) -> int:
    """Hand a grid, or all variants of one, to SLURM and say what was handed over."""
    from sslskel.grid.jobs import Given
    from sslskel.grid.slurm import split_overrides, submit
    from sslskel.progress import Reporter

    arguments = where_of(options)
    arguments["overrides"], config = split_overrides(arguments["overrides"], options.preset or "")
    if options.jobs is not None:
        config.tasks_at_once = options.jobs
    with Reporter() as reporter:
        handed = submit(Given(*grid, **arguments, variants=variants), config, say=reporter.say)
    print(
        f"{len(handed.jobs)} tasks handed to SLURM, {handed.waiting} already there, {handed.reused} cells have a"
        f" record; `sslskel leaderboard --results {options.output}` shows what has ended"
    )
    return 0
