"""Measure the parts of a run: samples/s, stages of a step, memory, share of the device's peak; or ratios."""

from __future__ import annotations

import argparse

from sslskel.cli.options import OVERRIDES_HELP, add_engine_flags, add_mode_flag, engine_overrides, names
from sslskel.paths import user_path
from sslskel.plugins.registry import DEFAULT_BENCHMARK

OVERRIDES = OVERRIDES_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel speed``."""
    parser.add_argument("--method", required=True)
    parser.add_argument("--benchmark", default=DEFAULT_BENCHMARK)
    parser.add_argument("--backbone")
    parser.add_argument("--preset")
    parser.add_argument("--steps", default=10, type=int, help="timed steps after two warm-up steps (default: 10)")
    parser.add_argument(
        "--against",
        help="as_released: ratios to our plainest configuration; encoders: a step over its encoders' passes alone;"
        " frame_loop: a loop over frames against a backbone that steps from frame to frame;"
        " where both sides compute the same, that is checked first",
    )
    parser.add_argument("--pairs", default=5, type=int, help="bracketed pairs (A B B A) per ratio (default: 5)")
    parser.add_argument("--output", type=user_path, help="JSON file to write")
    add_mode_flag(parser)
    add_engine_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Measure, print a table, and write JSON where asked."""
    import json

    from sslskel.errors import UsageError
    from sslskel.files import require_output, write_output
    from sslskel.grid.request import GridRequest
    from sslskel.speed import measure_speed, speed_against, text

    if options.steps < 1:
        raise UsageError(f"--steps is {options.steps}; it must be at least 1")
    if options.output:
        require_output(options.output)
    request = GridRequest(
        methods=names(options.method),
        protocols=(),
        benchmarks=names(options.benchmark),
        backbone=options.backbone,
        preset=options.preset,
        overrides=tuple(engine_overrides(options)),
    )
    if options.against:
        report = speed_against(request, options.against, pairs=options.pairs)
    else:
        report = measure_speed(request, steps=options.steps)
    print(text(report))
    if options.output:
        write_output(options.output, (json.dumps(report, indent=2) + "\n").encode())
        print(options.output)
    return 0
