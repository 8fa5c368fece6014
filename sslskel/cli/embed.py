"""Write one feature per clip of a benchmark to an .npz or .parquet file, with names, labels, subjects and parts."""

from __future__ import annotations

import argparse

from sslskel.cli.options import OVERRIDES_HELP, add_engine_flags, engine_overrides
from sslskel.paths import user_path

OVERRIDES = OVERRIDES_HELP


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel embed``."""
    parser.add_argument("--checkpoint", required=True, type=user_path)
    parser.add_argument("--benchmark", help="default: the one it was pretrained on")
    parser.add_argument("--split", help="split whose parts are named in the file")
    parser.add_argument("--heads", default=8, type=int, help="attention heads of a released file (default: 8)")
    parser.add_argument("--output", required=True, type=user_path, help="the .npz or .parquet file to write")
    add_engine_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Write the file and print what is in it."""
    from sslskel.cli.console import ConsoleReporter

    with ConsoleReporter() as reporter:
        from sslskel.api.distributed import is_first
        from sslskel.encoders.embed import embed

        clips, dim = embed(
            options.checkpoint,
            options.output,
            benchmark=options.benchmark,
            split=options.split,
            num_heads=options.heads,
            overrides=engine_overrides(options),
            reporter=reporter,
        )
    if is_first():
        print(f"{options.output}: {clips} clips, {dim} features each")
    return 0
