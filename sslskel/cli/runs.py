"""List pretraining runs with their size and state, or remove those that no record needs."""

from __future__ import annotations

import argparse
from pathlib import Path

from sslskel.text import mebibytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel runs``."""
    parser.add_argument("action", choices=("list", "prune"))
    parser.add_argument("--output", default="runs", type=Path, help="results folder (default: runs)")
    parser.add_argument(
        "--yes", action="store_true", help="remove them; without it, prune only lists what it would remove"
    )


def run(options: argparse.Namespace) -> int:
    """Print a line per run."""
    from sslskel.grid.runs import list_runs, prune

    if options.action == "list":
        for kept in list_runs(options.output):
            state = "finished" if kept.finished else "unfinished"
            note = f"; {kept.note}" if kept.note else ""
            size = mebibytes(kept.bytes)
            print(f"{kept.folder.name}  {state}, step {kept.step}, {kept.records} records, {size}{note}")
        return 0
    removed = prune(options.output, really=options.yes)
    verb = "removed" if options.yes else "would remove"
    for kept in removed:
        print(f"{verb} {kept.folder} ({mebibytes(kept.bytes)})")
    if removed and not options.yes:
        print("give --yes to remove them")
    return 0
