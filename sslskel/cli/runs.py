"""List pretraining runs with their size and state, or remove those that nothing needs."""

from __future__ import annotations

import argparse

from sslskel.cli.options import add_results_flag
from sslskel.cli.parser import Actions
from sslskel.text import mebibytes, plain


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What ``sslskel runs`` can do, and the flags of it."""
    actions = Actions(parser)
    add_results_flag(actions.add("list", "list pretraining runs with their size and state"))
    prune = actions.add("prune", "remove runs that nothing needs")
    add_results_flag(prune)
    prune.add_argument("--yes", action="store_true", help="remove them; without it, they are only listed")
    prune.add_argument(
        "--unfinished", action="store_true", help="also those that interrupted or failed commands would continue from"
    )


def run(options: argparse.Namespace) -> int:
    """Print a line per run."""
    from sslskel.grid.runs import list_runs, prune

    if options.action == "list":
        for one in list_runs(options.results):
            state = "finished" if one.finished else "unfinished"
            note = f"; {one.note}" if one.note else ""
            size = mebibytes(one.bytes)
            print(f"{plain(one.folder.name)}  {state}, step {one.step}, {one.records} records, {size}{note}")
        return 0
    for one in list_runs(options.results, unfinished=options.unfinished):
        if one.kept and not one.records:
            print(f"kept {plain(one.folder)} ({mebibytes(one.bytes)}): {plain(one.kept)}")
    removed = prune(options.results, really=options.yes, unfinished=options.unfinished)
    verb = "removed" if options.yes else "would remove"
    for one in removed:
        print(f"{verb} {plain(one.folder)} ({mebibytes(one.bytes)}): {plain(one.why)}")
    if removed and not options.yes:
        print("give --yes to remove them")
    return 0
