"""Run the contract tests of a method, backbone, protocol or benchmark; exit 1 where one fails."""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel check``."""
    parser.add_argument("kind", choices=("method", "backbone", "protocol", "dataset"))
    parser.add_argument("name")


def run(options: argparse.Namespace) -> int:
    """Print a line per check."""
    from sslskel import checks

    results = getattr(checks, f"check_{options.kind}")(options.name)
    width = max(len(result.name) for result in results)
    for result in results:
        state = "skip" if result.skipped else ("ok" if result.passed else "FAIL")
        print(f"  {result.name:<{width}}  {state:<4}  {result.detail}".rstrip())
    failed = [result for result in results if not (result.passed or result.skipped)]
    print(f"{options.name}: {len(results) - len(failed)} of {len(results)} checks without fault")
    return 1 if failed else 0
