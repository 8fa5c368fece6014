"""Compare two rows of a board over the same pretrainings and clips, and say if they differ by more than noise."""

from __future__ import annotations

import argparse
import functools
import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from sslskel.cli.options import add_results_flag, names

if TYPE_CHECKING:
    from sslskel.leaderboard.compare import Comparison, Skipped


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel compare``."""
    parser.add_argument("first", help="a row's label or method, or a record's identity")
    parser.add_argument("second")
    add_results_flag(parser)
    parser.add_argument("--benchmark", help="only these benchmarks (comma list)")
    parser.add_argument("--protocol", help="only these protocols (comma list)")
    parser.add_argument(
        "--clusters", choices=("subjects",), help="what varies besides pretrainings (default: the test clips)"
    )
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(options: argparse.Namespace) -> int:
    """Print a few lines per column, or all of it as JSON."""
    from sslskel.cli.console import ConsoleReporter
    from sslskel.grid.subjects import subjects_of
    from sslskel.leaderboard.compare import compare
    from sslskel.leaderboard.folder import board_of
    from sslskel.results.store import ResultStore

    asked = names(options.benchmark) if options.benchmark else ()
    with ConsoleReporter():
        board = board_of(
            options.results,
            asked or None,
            report=lambda text: print(f"sslskel: {text}", file=sys.stderr),
            protocols=names(options.protocol) if options.protocol else None,
            required=True,
        )
        clusters = functools.partial(subjects_of, asked=asked) if options.clusters else None
        results = compare(board, ResultStore(options.results), options.first, options.second, clusters)
    if options.format == "json":
        print(json.dumps(list(map(_json, results)), indent=1))
    else:
        print("\n\n".join(map(_text, results)))
    return 0


def _json(one: Comparison | Skipped) -> dict[str, object]:
    from sslskel.leaderboard.compare import Comparison

    facts = {"words": one.words(), "skipped": not isinstance(one, Comparison)}
    if isinstance(one, Comparison):
        facts |= {"difference": one.difference, "p": one.p, "sure": one.sure}
    return asdict(one) | facts


def _text(one: Comparison | Skipped) -> str:
    from sslskel.leaderboard.compare import Comparison
    from sslskel.text import percent, plain

    head = one.column
    if isinstance(one, Comparison):
        head += f": {one.first} {percent(one.scores[0])} %, {one.second} {percent(one.scores[1])} %"
    return "\n".join(map(plain, (head, f"  {one.words()}")))
