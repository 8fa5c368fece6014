"""Run the contract tests of a method, backbone, protocol or benchmark; exit 1 where one fails."""

from __future__ import annotations

import argparse
from collections import Counter
from typing import TYPE_CHECKING

from sslskel.cli.parser import Actions
from sslskel.errors import UsageError

if TYPE_CHECKING:
    from sslskel.checks import CheckResult

KINDS = {
    "method": "the contract of a method, trained for a few steps",
    "backbone": "the contract of a backbone",
    "protocol": "the contract of a protocol",
    "dataset": "the contract of a benchmark and of its prepared data",
}
LISTED = {"method": "methods", "backbone": "backbones", "protocol": "protocols", "dataset": "benchmarks"}
OVERRIDES = "GROUP.KEY=VALUE sets an option for the checks, for instance of the method (`sslskel show NAME` lists them)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The kinds that ``sslskel check`` knows, and their flags."""
    kinds = Actions(parser, of="kind")
    for kind, text in KINDS.items():
        one = kinds.add(kind, text, OVERRIDES)
        one.add_argument("name", help=f"its name (`sslskel list {LISTED[kind]}`)")
        one.add_argument(
            "--format", choices=("table", "json"), default="table", help="what is printed (default: table)"
        )


def run(options: argparse.Namespace) -> int:
    """Print a line per check, then how many passed, were skipped and failed."""
    results = _results(options)
    counts = {"passed": 0, "skipped": 0, "failed": 0} | Counter(map(_state, results))
    if options.format == "json":
        import json

        checks = [{"name": one.name, "state": _state(one), "detail": one.detail} for one in results]
        print(json.dumps({"kind": options.kind, "name": options.name, **counts, "checks": checks}, indent=1))
    else:
        width = max(len(result.name) for result in results)
        shown = {"passed": "ok", "skipped": "skip", "failed": "FAIL"}
        for result in results:
            print(f"  {result.name:<{width}}  {shown[_state(result)]:<4}  {result.detail}".rstrip())
        print(f"{options.name}: {', '.join(f'{count} {state}' for state, count in counts.items())}")
    return 1 if counts["failed"] else 0


def _results(options: argparse.Namespace) -> list[CheckResult]:
    from sslskel import checks

    overrides = options.overrides
    if options.kind == "method":
        return checks.check_method(options.name, overrides=overrides)
    if options.kind == "backbone":
        return checks.check_backbone(options.name, overrides=overrides)
    if options.kind == "protocol":
        return checks.check_protocol(options.name, overrides=overrides)
    if overrides:
        raise UsageError(f"a dataset has no options, so {' '.join(overrides)} sets nothing; leave it out")
    return checks.check_dataset(options.name)


def _state(result: CheckResult) -> str:
    return "skipped" if result.skipped else "passed" if result.passed else "failed"
