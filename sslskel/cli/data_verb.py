"""Prepare a dataset from its original files, say what is in it, verify every byte of it, or write its card."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel data``."""
    parser.add_argument("action", choices=("prepare", "info", "verify", "card"))
    parser.add_argument("name", help="a benchmark (`sslskel list benchmarks`)")
    parser.add_argument("--source", nargs="+", default=[], type=Path, help="directories or archives of original files")
    parser.add_argument("--output", type=Path, help="file to write the card to (default: print it)")


def run(options: argparse.Namespace) -> int:
    """Do one of the four."""
    from sslskel.data.prepare import open_benchmark, prepare
    from sslskel.registry import BENCHMARKS

    benchmark = BENCHMARKS.get(options.name)
    if options.action == "prepare":
        from sslskel.engine.progress import Reporter

        with Reporter() as reporter:
            path = prepare(benchmark, options.source, advance=reporter.advance)
        print(path)
        return 0
    dataset = open_benchmark(benchmark)
    if options.action == "verify":
        dataset.verify()
        print(f"{dataset.path}: every file is as it was written; fingerprint {dataset.fingerprint}")
        return 0
    from sslskel.dataset_card import card, info_lines, write_card

    if options.action == "info":
        print("\n".join(info_lines(benchmark, dataset)))
    elif options.output is None:
        print(card(benchmark, dataset), end="")
    else:
        write_card(benchmark, dataset, options.output)
        print(options.output)
    return 0
