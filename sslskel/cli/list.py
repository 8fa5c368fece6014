"""List what is there, with its origin; nothing is imported unless --check is given."""

from __future__ import annotations

import argparse

from sslskel.errors import UsageError
from sslskel.text import plain

FILES = {"presets": "preset", "suites": "suite"}
"""Kinds of which each is a file and no code, and their folders."""
KINDS = ("methods", "backbones", "benchmarks", "protocols", "presets", "suites", "encoders")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel list``."""
    parser.add_argument("kind", nargs="?", choices=KINDS, help="what to list (default: everything)")
    parser.add_argument("--check", action="store_true", help="import each one and show what is wrong with it")
    parser.add_argument(
        "--table",
        action="store_true",
        help="methods only: a Markdown table with paper, family, backbone, lines of code",
    )

    parser.add_argument(
        "--benchmark", metavar="NAME", help="methods only: which of them run on a benchmark, and why the others do not"
    )


def run(options: argparse.Namespace) -> int:
    """Print names and origins; with ``--check`` 1 where one is broken."""
    if options.benchmark:
        if options.kind not in (None, "methods"):
            raise UsageError("--benchmark is of methods; write `sslskel list methods --benchmark NAME`")
        return _fitting(options.benchmark)
    if options.table:
        if options.kind != "methods":
            raise UsageError("--table is made of methods; write `sslskel list methods --table`")
        from sslskel.checks.catalogue import method_table

        print(method_table(), end="")
        return 0
    from sslskel.plugins.registry import REGISTRIES

    broken = 0
    for kind in [options.kind] if options.kind else KINDS:
        if not options.kind:
            print(f"{kind}:")
        rows = _rows(kind)
        width = max((len(name) for name, _ in rows), default=0)
        if not rows:
            print("  none")
        for name, origin in rows:
            verdict = ""
            if options.check and kind in REGISTRIES:
                fault = _fault(kind, name)
                verdict, broken = f"  {fault or 'ok'}", broken + bool(fault)
            print(f"  {name:<{width}}  {origin}{verdict}")
    return 1 if broken else 0


def _rows(kind: str) -> list[tuple[str, str]]:
    """Name and origin of each of a kind."""
    from sslskel.plugins.encoders import encoder_folders
    from sslskel.plugins.registry import REGISTRIES, config_files, origin_of

    if kind in FILES:
        return [(file.stem, origin_of(file)) for file in config_files(FILES[kind])]
    if kind in REGISTRIES:
        return [(entry.name, entry.origin) for entry in REGISTRIES[kind].entries()]
    return [(plain(folder.name), plain(folder)) for folder in encoder_folders()]


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
