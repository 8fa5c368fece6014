"""Run a grid for every combination of option values: GROUP.KEY=A,B; rows of the board are told apart by them."""

from __future__ import annotations

import argparse
import sys

from sslskel.cli._options import add_run_flags, grid_arguments, words

TAKES_OVERRIDES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel sweep``."""
    parser.add_argument("--method", required=True, help="method or comma list")
    parser.add_argument("--protocol", default="linear", help="protocol or comma list (default: linear)")
    parser.add_argument("--benchmark", default="synthetic", help="benchmark or comma list (default: synthetic)")
    parser.add_argument("--seeds", default="1", help="how many seeds (3 means 0,1,2) or a comma list (default: 1)")
    parser.add_argument("--dry-run", action="store_true", help="list the combinations")
    add_run_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Run all combinations and print the board of the results folder; 1 where a cell failed."""
    from sslskel.cell import parse_seeds
    from sslskel.sweep import combinations

    arguments = grid_arguments(options)
    chosen = (words(options.method), words(options.protocol), words(options.benchmark), parse_seeds(options.seeds))
    every = combinations(arguments.pop("overrides"))
    if options.dry_run:
        print("\n".join(" ".join(one) for one in every))
        return 0
    from sslskel.engine.progress import Reporter
    from sslskel.harness import bench
    from sslskel.leaderboard import print_board

    failures, result = [], None
    with Reporter() as reporter:
        for number, overrides in enumerate(every, 1):
            reporter.say(f"combination {number} of {len(every)}: {' '.join(overrides)}")
            result = bench(*chosen, **arguments, overrides=overrides, say=reporter.say, advance=reporter.advance)
            failures += result.failures
    assert result is not None
    print_board(result.board)
    for failure in failures:
        print(f"sslskel: failed: {failure}", file=sys.stderr)
    return 1 if failures else 0
