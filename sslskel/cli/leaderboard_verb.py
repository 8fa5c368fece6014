"""Make the board of a results folder; the same records always give the same bytes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sslskel.cli._options import words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel leaderboard``."""
    parser.add_argument("--results", default="runs", type=Path, help="results folder (default: runs)")
    parser.add_argument("--benchmark", help="only these benchmarks (comma list)")
    parser.add_argument(
        "--protocol", help="only these protocols, columns in this order; the first one ranks (comma list)"
    )
    parser.add_argument("--format", default="table", help="table, markdown, csv, json or latex (default: table)")
    parser.add_argument("--output", type=Path, help="file to write (default: print)")


def run(options: argparse.Namespace) -> int:
    """Build and write the board; broken record files are named and left out."""
    from sslskel.leaderboard import print_board, render, write_board
    from sslskel.leaderboard.folder import board_of

    board = board_of(
        options.results,
        words(options.benchmark) if options.benchmark else None,
        say=lambda text: print(f"sslskel: {text}", file=sys.stderr),
        protocols=words(options.protocol) if options.protocol else None,
    )
    if options.output:
        write_board(board, options.format, options.output)
        print(options.output)
    elif options.format == "table":
        print_board(board)
    else:
        sys.stdout.write(render(board, options.format))
    return 0
