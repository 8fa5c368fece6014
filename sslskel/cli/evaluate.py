"""Evaluate a checkpoint directory, a released .pth file or any torch module under a protocol, and record the result."""

from __future__ import annotations

import argparse

from sslskel.cli.options import OVERRIDES_HELP, add_engine_flags, add_results_flag, engine_overrides, names
from sslskel.errors import UsageError
from sslskel.paths import user_path
from sslskel.plugins.registry import DEFAULT_PROTOCOL

OVERRIDES = OVERRIDES_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel evaluate``."""
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--checkpoint", type=user_path)
    subject.add_argument(
        "--encoder",
        metavar="PACKAGE.MODULE:CALLABLE",
        help="a callable that returns a module mapping clips (N, C, T, V, M) to features (N, D)",
    )
    parser.add_argument("--seen", help="what a module was pretrained on: NAME/SPLIT, a comma list, or none")
    parser.add_argument("--protocol", default=DEFAULT_PROTOCOL, help="protocol or comma list (default: %(default)s)")
    parser.add_argument("--benchmark", help="default: the one it was pretrained on")
    parser.add_argument("--split", help="default: the one it was pretrained on")
    parser.add_argument("--preset", help="sizes and schedules for --encoder (default: the benchmark's own)")
    parser.add_argument("--seed", type=int, help="default: the seed it was pretrained with")
    parser.add_argument("--heads", default=8, type=int, help="attention heads of a released file (default: 8)")
    add_results_flag(parser)
    add_engine_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluate and print the board of the records that were asked for."""
    if options.preset and not options.encoder:
        raise UsageError(
            "a checkpoint is evaluated with the preset that it was pretrained with; leave out --preset"
            f" {options.preset}"
        )
    from sslskel.cli.console import ConsoleReporter
    from sslskel.leaderboard import print_board
    from sslskel.leaderboard.build import build_board

    with ConsoleReporter() as reporter:
        from sslskel.api.distributed import is_first
        from sslskel.encoders.foreign import build_module
        from sslskel.encoders.open import open_encoders
        from sslskel.grid.run import evaluate

        foreign = build_module(options.encoder, options.preset) if options.encoder else None
        records = [
            evaluate(
                foreign or open_encoders(options.checkpoint, num_heads=options.heads),
                protocol,
                seen=options.seen,
                benchmark=options.benchmark,
                split=options.split,
                seed=options.seed,
                output=options.results,
                overrides=engine_overrides(options),
                reporter=reporter,
            )
            for protocol in names(options.protocol)
        ]
    if is_first():
        print_board(build_board(records))
    return 0
