"""Draws the board of a results folder as a terminal shows it, for the README.

Usage: python scripts/pages/picture.py RESULTS --output docs/board.svg [--width 92] [COMMAND]. Nothing is computed.
"""

from __future__ import annotations

import argparse
import io
import re
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from sslskel.leaderboard import print_board
from sslskel.leaderboard.folder import board_of


def main() -> None:
    """Write the picture, an SVG whose text can be selected and read aloud."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("command", nargs="?", default="sslskel leaderboard", help="the line above the board")
    parser.add_argument("--output", type=Path, required=True, metavar="PICTURE")
    parser.add_argument("--width", type=int, default=92, help="columns (default: 92)")
    options = parser.parse_args()
    console = Console(record=True, width=options.width, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ {options.command}", style="bold"))
    print_board(board_of(options.results), console)
    # Ids that Rich derives from the content alone, so that the same board is the same file.
    picture = console.export_svg(title="sslskel", theme=MONOKAI, unique_id="board")
    options.output.write_text(re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE), encoding="utf-8")
    print(options.output)


if __name__ == "__main__":
    main()
