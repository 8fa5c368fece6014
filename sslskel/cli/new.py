"""Write a working first version of a method, backbone or protocol, and its test; nothing else needs an edit."""

from __future__ import annotations

import argparse

from sslskel.cli.parser import Actions

KINDS = {
    "method": "a pretext method that trains as it is",
    "backbone": "a backbone that works as it is",
    "protocol": "a protocol that works as it is",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The kinds that ``sslskel new`` knows."""
    kinds = Actions(parser, of="kind")
    for kind, text in KINDS.items():
        kinds.add(kind, text).add_argument("name", help="lower-case letters, digits and _, for instance my_idea")


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
