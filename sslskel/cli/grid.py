"""What ``bench`` and ``sweep`` share: the flags of a grid and of where it runs, and handing it to SLURM."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from sslskel.cli.options import JOBS_HELP, add_details_flag, add_process_flags, add_run_flags
from sslskel.errors import UsageError
from sslskel.plugins.registry import DEFAULT_BENCHMARK, DEFAULT_PROTOCOL

if TYPE_CHECKING:
    from sslskel.grid.request import GridRequest


def add_grid_flags(parser: argparse.ArgumentParser, dry_run: str) -> None:
    """Methods, protocols, benchmarks, seeds, and where their jobs run."""
    parser.add_argument("--method", required=True, help="method or comma list (`sslskel list methods` shows them)")
    parser.add_argument("--protocol", help=f"protocol or comma list (default: {DEFAULT_PROTOCOL})")
    parser.add_argument(
        "--benchmark", help=f"benchmark, NAME or NAME/SPLIT, or comma list (default: {DEFAULT_BENCHMARK})"
    )
    parser.add_argument("--seeds", help="how many seeds (3 means 0,1,2) or a comma list (default: 1)")
    parser.add_argument(
        "--pretrain-on",
        metavar="NAME[/SPLIT]",
        help="pretrain on this benchmark, or on a suite (suite:NAME), and evaluate on --benchmark (default: the same)",
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
    add_details_flag(parser)
    parser.add_argument("--intervals", action="store_true", help="show intervals behind the scores")


def check_processes_or_jobs(options: argparse.Namespace) -> None:
    """Refuse ``--jobs`` together with ``--processes``."""
    if options.jobs is not None and options.processes > 1:
        raise UsageError("--jobs and --processes share out the same cores; give one of them")


def submit_grid(request: GridRequest, options: argparse.Namespace) -> int:
    """Submit a grid to SLURM and print what was submitted."""
    from sslskel.cli.console import ConsoleReporter
    from sslskel.grid.slurm import split_overrides, submit

    rest, config = split_overrides(request.overrides, request.preset or "")
    if options.jobs is not None:
        config.tasks_at_once = options.jobs
    with ConsoleReporter() as reporter:
        handed = submit(replace(request, overrides=tuple(rest)), config, reporter=reporter)
    print(
        f"{len(handed.jobs)} tasks handed to SLURM, {handed.waiting} already there, {handed.reused} cells have a"
        f" record; `sslskel leaderboard --results {request.output}` shows what has ended"
    )
    return 0
