"""Pretrain one method on one benchmark, or on a suite, and keep its checkpoint."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from sslskel.cli.options import OVERRIDES_HELP, add_process_flags, add_run_flags, request_of, started_processes
from sslskel.errors import UsageError
from sslskel.plugins.registry import DEFAULT_BENCHMARK
from sslskel.text import duration

if TYPE_CHECKING:
    from sslskel.grid.request import GridRequest

OVERRIDES = OVERRIDES_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel pretrain``."""
    parser.add_argument("--method", required=True)
    parser.add_argument("--benchmark", help=f"benchmark, NAME or NAME/SPLIT (default: {DEFAULT_BENCHMARK})")
    parser.add_argument(
        "--pretrain-on", metavar="suite:NAME", help="pretrain on all datasets of a suite instead of one benchmark"
    )
    parser.add_argument("--seed", default=0, type=int)
    add_run_flags(parser)
    add_process_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Pretrain, then print the folder of checkpoints."""
    if started_processes(options):
        return 0
    from sslskel.cli.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        from sslskel.api.distributed import is_first
        from sslskel.grid.run import pretrain

        folder, trained = pretrain(_request(options), reporter)
    if not is_first():
        return 0
    print(folder)
    print(f"{trained.steps} steps in {duration(trained.seconds)}", file=sys.stderr)
    return 0


def _request(options: argparse.Namespace) -> GridRequest:
    """One pretraining; a suite's stands under the benchmark and split that its runs are named after."""
    from sslskel.grid.suite_data import PREFIX, read_suite_data

    request = request_of(options)
    if request.pretrain_on is None:
        return request
    if not request.pretrain_on.startswith(PREFIX):
        raise UsageError(
            f"--pretrain-on {request.pretrain_on} names no suite; give {PREFIX}NAME, or --benchmark for one benchmark"
        )
    if options.benchmark or options.split:
        raise UsageError("--pretrain-on names what is trained on; leave out --benchmark and --split")
    home = read_suite_data(request.pretrain_on.removeprefix(PREFIX)).home
    return replace(request, benchmarks=("/".join(home),))
