"""Pretrain one method on one benchmark and keep its checkpoint."""

from __future__ import annotations

import argparse
import sys

from sslskel.cli._options import add_run_flags, engine_overrides, hours

TAKES_OVERRIDES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel pretrain``."""
    parser.add_argument("--method", required=True)
    parser.add_argument("--benchmark", default="synthetic")
    parser.add_argument("--seed", default=0, type=int)
    add_run_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Pretrain, then print the folder of checkpoints."""
    from sslskel.engine.progress import Reporter
    from sslskel.harness import pretrain

    with Reporter() as reporter:
        folder, trained = pretrain(
            options.method,
            benchmark=options.benchmark,
            seed=options.seed,
            split=options.split,
            backbone=options.backbone,
            preset=options.preset,
            overrides=engine_overrides(options),
            init=options.init,
            output=options.output,
            say=reporter.say,
            advance=reporter.advance,
        )
    print(folder)
    print(f"{trained.steps} steps in {hours(trained.seconds)}", file=sys.stderr)
    return 0
