"""Show where released code and its paper part: list the places, or run the demonstrations of one system."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel errata``."""
    parser.add_argument(
        "name", nargs="?", help="a system, or SYSTEM/ENTRY, whose demonstrations are run (default: list all)"
    )


def run(options: argparse.Namespace) -> int:
    """Print all places, or those of one system with what is shown of them."""
    from sslskel.plugins.errata import errata_names, errata_of, written

    if options.name is None:
        for name in errata_names():
            errata = errata_of(name)
            print(f"{name}: {errata.title}")
            for entry in errata.entries:
                print(f"  {name}/{entry.name}: {entry.what}")
        return 0
    errata = errata_of(options.name)
    system = options.name.partition("/")[0]
    print(f"{errata.title}; {errata.code}; as of {errata.dated}" if errata.code else f"{errata.title}; {errata.dated}")
    for entry in errata.entries:
        print(f"\n{system}/{entry.name}: {entry.what}")
        print(f"  evidence: {entry.evidence}")
        print(f"  numbers: {entry.numbers}")
        print(f"  here: {entry.here}")
        print("  shown:")
        for line in written(entry.demonstrate(), 6):
            print(f"    {line}")
    return 0
