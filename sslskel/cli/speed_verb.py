"""Measure pretraining and encoding of one method: samples/s, step time, peak memory."""

from __future__ import annotations

import argparse
from pathlib import Path

from sslskel.cli._options import add_engine_flags, engine_overrides, mebibytes

TAKES_OVERRIDES = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel speed``."""
    parser.add_argument("--method", required=True)
    parser.add_argument("--benchmark", default="synthetic")
    parser.add_argument("--backbone")
    parser.add_argument("--preset")
    parser.add_argument("--steps", default=10, type=int, help="timed steps after two warm-up steps (default: 10)")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    add_engine_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Measure, print a table, and write JSON where asked."""
    import json

    from sslskel.speed import speed

    report = speed(
        options.method,
        benchmark=options.benchmark,
        backbone=options.backbone,
        preset=options.preset,
        steps=options.steps,
        overrides=engine_overrides(options),
    )
    print(f"{report['method']} on {report['benchmark']}, preset {report['preset']}, {report['device']}")
    for name in ("pretraining", "encoding"):
        part = report[name]
        if part is None:
            print(f"  {name}: this method does not train")
            continue
        split = ", ".join(f"{stage} {share * 1e3:.1f} ms" for stage, share in part["seconds"].items())
        print(f"  {name}: {part['samples_per_second']:.1f} samples/s; median step: {split}")
    print(f"  peak memory {mebibytes(report['peak_memory_bytes'])}")
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(options.output)
    return 0
