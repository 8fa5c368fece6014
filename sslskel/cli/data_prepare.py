"""``sslskel data prepare``: import a benchmark, and print what became of its files. Holds no logic."""

from __future__ import annotations

import argparse
import sys

from sslskel.paths import user_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``prepare``."""
    parser.add_argument("name", help="a benchmark (`sslskel list benchmarks`)")
    parser.add_argument(
        "--source",
        nargs="+",
        action="extend",
        default=[],
        type=user_path,
        help="directories or archives of original files",
    )
    parser.add_argument(
        "--strict", action="store_true", help="stop at the first damaged file, and where clips are missing"
    )
    parser.add_argument("--workers", type=int, help="processes that import in parallel (default: all cores)")


def run(options: argparse.Namespace) -> int:
    """Prepare; the folder goes to stdout, what was imported to stderr."""
    from sslskel.cli.console import ConsoleReporter
    from sslskel.data.card import copy_lines, import_lines
    from sslskel.data.prepare import prepare
    from sslskel.data.store.store import open_dataset
    from sslskel.errors import UsageError
    from sslskel.plugins.registry import BENCHMARKS

    if options.workers is not None and options.workers < 1:
        raise UsageError(f"--workers is {options.workers}; it must be at least 1")
    benchmark = BENCHMARKS.get(options.name)
    with ConsoleReporter() as reporter:
        path = prepare(benchmark, options.source, reporter=reporter, strict=options.strict, workers=options.workers)
        dataset = open_dataset(path)
        for line in (*import_lines(dataset.report()), *copy_lines(benchmark, dataset)):
            print(line, file=sys.stderr)
    print(path)
    return 0
