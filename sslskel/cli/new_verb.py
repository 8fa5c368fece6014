"""Write a working first version of a method, and its test; nothing else needs an edit."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel new``."""
    parser.add_argument("kind", choices=("method",))
    parser.add_argument("name", help="small letters, digits and _, for instance my_idea")


def run(options: argparse.Namespace) -> int:
    """Write the files and say what to type next."""
    from sslskel.scaffold import new_method

    for file in new_method(options.name):
        print(f"wrote {file}")
    print(f"next: sslskel check method {options.name} && sslskel bench --method {options.name}")
    return 0
