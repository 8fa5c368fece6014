"""List what is there, with its origin; nothing is imported unless --check is given."""

from __future__ import annotations

import argparse
from textwrap import shorten

from sslskel.cli.parser import Actions
from sslskel.errors import UsageError
from sslskel.text import plain

FILES = {"presets": "preset", "suites": "suite"}
"""Kinds of which each is a file and no code, and their folders."""
KINDS = {
    "methods": "pretext methods",
    "backbones": "networks that methods train",
    "benchmarks": "datasets with their official splits",
    "protocols": "ways to evaluate an encoder",
    "presets": "named sizes and schedules",
    "suites": "fixed sets of benchmarks, protocols and seeds",
    "encoders": "exported encoders below sslskel_plugins/encoders",
}


COLUMNS = 80
CHECK_HELP = "import each one and show what is wrong with it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The kinds that ``sslskel list`` knows, and their flags."""
    parser.add_argument("--check", action="store_true", help=CHECK_HELP)
    kinds = Actions(parser, of="kind", required=False, text="what to list (default: everything)")
    parsers = {kind: kinds.add(kind, text) for kind, text in KINDS.items()}
    for kind in ("methods", "backbones", "benchmarks", "protocols"):
        # Without a default, which would take the place of what stands before the kind.
        parsers[kind].add_argument("--check", action="store_true", default=argparse.SUPPRESS, help=CHECK_HELP)
    parsers["methods"].add_argument(
        "--table", action="store_true", help="a Markdown table with paper, family, backbone, lines of code"
    )
    parsers["methods"].add_argument(
        "--benchmark", metavar="NAME", help="which of them run on a benchmark, and why the others do not"
    )


def run(options: argparse.Namespace) -> int:
    """Print names and origins; with ``--check`` 1 where one is broken."""
    if options.kind == "methods" and options.benchmark:
        return _fitting(options.benchmark)
    if options.kind == "methods" and options.table:
        from sslskel.checks.catalogue import method_table

        print(method_table(), end="")
        return 0
    from sslskel.plugins.registry import REGISTRIES

    broken = 0
    for kind in [options.kind] if options.kind else KINDS:
        if not options.kind:
            print(f"{kind}:")
        rows = _rows(kind, described=options.kind == "methods")
        width = max((len(name) for name, *_ in rows), default=0)
        if not rows:
            print("  none")
        for name, origin, line in rows:
            verdict = ""
            if options.check and kind in REGISTRIES:
                fault = _fault(kind, name)
                verdict, broken = f"  {fault or 'ok'}", broken + bool(fault)
            print(f"  {name:<{width}}  {origin}{verdict}")
            if line:
                print(f"    {shorten(plain(line), COLUMNS - 4, placeholder=' ...')}")
    return 1 if broken else 0


def _rows(kind: str, *, described: bool = False) -> list[tuple[str, str, str]]:
    """Name and origin of each of a kind, and where it is to be ``described`` what it is, in one line."""
    from sslskel.plugins.encoders import encoder_folders
    from sslskel.plugins.first_line import first_line
    from sslskel.plugins.registry import REGISTRIES, config_files, origin_of

    if kind in FILES:
        return [(file.stem, origin_of(file), "") for file in config_files(FILES[kind])]
    if kind in REGISTRIES:
        entries = REGISTRIES[kind].entries()
        return [(entry.name, entry.origin, first_line(entry) if described else "") for entry in entries]
    return [(plain(folder.name), plain(folder), "") for folder in encoder_folders()]


def _fitting(benchmark: str) -> int:
    """Print which methods can be pretrained on a benchmark with their default options."""
    from sslskel.grid.buildable import misfit
    from sslskel.plugins.registry import METHODS

    names = [entry.name for entry in METHODS.entries()]
    width = max(map(len, names), default=0)
    for name in names:
        print(f"  {name:<{width}}  {misfit(name, benchmark) or 'runs'}")
    return 0


def _fault(kind: str, name: str) -> str:
    from sslskel.plugins.registry import REGISTRIES

    try:
        REGISTRIES[kind].get(name)
    except UsageError as fault:
        return f"BROKEN: {fault}"
    return ""
