"""Compare two rows of a board over the same clips and seeds, and say whether they differ by more than noise."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from sslskel.cli.options import names

if TYPE_CHECKING:
    from sslskel.leaderboard.compare import Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel compare``."""
    parser.add_argument("first", help="a row's label or method, or a record's identity")
    parser.add_argument("second")
    parser.add_argument("--results", default="runs", type=Path, help="results folder (default: runs)")
    parser.add_argument("--benchmark", help="only these benchmarks (comma list)")
    parser.add_argument("--protocol", help="only these protocols (comma list)")
    parser.add_argument("--format", choices=("table", "json"), default="table")


def run(options: argparse.Namespace) -> int:
    """Print a few lines per column, or all of it as JSON."""
    from sslskel.leaderboard.compare import compare
    from sslskel.leaderboard.folder import board_of
    from sslskel.results.store import ResultStore

    board = board_of(
        options.results,
        names(options.benchmark) if options.benchmark else None,
        protocols=names(options.protocol) if options.protocol else None,
    )
    comparisons = compare(board, ResultStore(options.results), options.first, options.second)
    if options.format == "json":
        print(json.dumps([asdict(one) | {"sure": one.sure, "words": one.words()} for one in comparisons], indent=1))
    else:
        print("\n\n".join(map(_text, comparisons)))
    return 0


def _text(one: Comparison) -> str:
    from sslskel.text import percent, plain

    lines = [
        f"{one.column}: {one.first} {percent(one.scores[0])} %, {one.second} {percent(one.scores[1])} %",
        f"  {one.words()}",
        *(
            f"  seed {s.seed}: {s.only_first} clips right for {one.first} alone, {s.only_second} for {one.second} alone"
            f" (McNemar, exact: p = {s.p:.2g})"
            for s in one.seeds
        ),
    ]
    return "\n".join(map(plain, lines))
