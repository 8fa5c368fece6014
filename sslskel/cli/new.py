"""Write a working first version of a method, backbone or protocol, and its test; nothing else needs an edit."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel new``."""
    parser.add_argument("kind", choices=("method", "backbone", "protocol"))
    parser.add_argument("name", help="lower-case letters, digits and _, for instance my_idea")


def run(options: argparse.Namespace) -> int:
    """Write the files and print what to type next."""
    from sslskel.plugins import scaffold

    writers = {"method": scaffold.new_method, "backbone": scaffold.new_backbone, "protocol": scaffold.new_protocol}
    write = writers[options.kind]
    for file in write(options.name):
        print(f"wrote {file}")
    bench = "" if options.kind == "method" else "--method METHOD "
    print(f"next: sslskel check {options.kind} {options.name} && sslskel bench {bench}--{options.kind} {options.name}")
    return 0
