"""Show versions, devices, memory, disk and plugins, and test them for ten seconds; paste the table into bug reports."""

from __future__ import annotations

import argparse

from sslskel.cli.options import add_results_flag


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel doctor``."""
    add_results_flag(parser, "results folder to look at")
    parser.add_argument("--no-test", action="store_true", help="skip the self-test")


def run(options: argparse.Namespace) -> int:
    """Print a Markdown table line by line; 1 where something is wrong."""
    from itertools import chain

    from sslskel.checks.installation import examine, self_test
    from sslskel.text import plain

    print("| what | found | |\n| --- | --- | --- |")
    faults = 0
    for finding in chain(examine(options.results), () if options.no_test else self_test()):
        verdict = f"WRONG: {finding.fault}" if finding.fault else "ok"
        print(f"| {plain(finding.name)} | {plain(finding.value)} | {plain(verdict)} |", flush=True)
        faults += bool(finding.fault)
    print(f"\n{faults} {'finding needs' if faults == 1 else 'findings need'} attention" if faults else "\nall well")
    return 1 if faults else 0
