"""Pretrain one method on one benchmark and keep its checkpoint."""

from __future__ import annotations

import argparse
import sys

from sslskel.cli.options import OVERRIDES_HELP, add_process_flags, add_run_flags, request_of, started_processes
from sslskel.plugins.registry import DEFAULT_BENCHMARK
from sslskel.text import duration

OVERRIDES = OVERRIDES_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel pretrain``."""
    parser.add_argument("--method", required=True)
    parser.add_argument("--benchmark", default=DEFAULT_BENCHMARK)
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

        folder, trained = pretrain(request_of(options), reporter)
    if not is_first():
        return 0
    print(folder)
    print(f"{trained.steps} steps in {duration(trained.seconds)}", file=sys.stderr)
    return 0
