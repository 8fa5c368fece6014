"""Judge a checkpoint directory, or a released .pth file, under a protocol, and record the result."""

from __future__ import annotations

import argparse
from pathlib import Path

from sslskel.cli.options import add_engine_flags, engine_overrides, names

TAKES_OVERRIDES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel evaluate``."""
    parser.add_argument("--checkpoint", required=True, type=Path)
    parser.add_argument("--protocol", default="linear", help="protocol or comma list (default: linear)")
    parser.add_argument("--benchmark", help="default: the one it was pretrained on")
    parser.add_argument("--split", help="default: the one it was pretrained on")
    parser.add_argument("--seed", type=int, help="default: the seed it was pretrained with")
    parser.add_argument("--heads", default=8, type=int, help="attention heads of a released file (default: 8)")
    parser.add_argument("--output", default="runs", type=Path, help="results folder (default: runs)")
    add_engine_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate and print the board of the records that were asked for."""
    from sslskel.api.distributed import is_first
    from sslskel.cli.console import ConsoleReporter
    from sslskel.grid.run import evaluate
    from sslskel.leaderboard import print_board
    from sslskel.leaderboard.build import build_board

    with ConsoleReporter() as reporter:
        records = [
            evaluate(
                options.checkpoint,
                protocol,
                benchmark=options.benchmark,
                split=options.split,
                seed=options.seed,
                output=options.output,
                overrides=engine_overrides(options),
                num_heads=options.heads,
                reporter=reporter,
            )
            for protocol in names(options.protocol)
        ]
    if is_first():
        print_board(build_board(records))
    return 0
