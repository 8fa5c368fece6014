"""Pack a pretrained encoder with its configuration, records and a card into a folder to share."""

from __future__ import annotations

import argparse
from pathlib import Path

from sslskel.paths import user_path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel export``."""
    parser.add_argument(
        "checkpoint", type=user_path, help="a run's folder below RESULTS/pretrain, or one step's directory"
    )
    parser.add_argument("--output", type=user_path, help="folder to make (default: export/NAME OF THE RUN)")
    parser.add_argument(
        "--results", type=user_path, help="results folder with its records (default: the one around it)"
    )


def run(options: argparse.Namespace) -> int:
    """Write the folder and print what is in it."""
    from sslskel.cli.console import ConsoleReporter

    run_name = options.checkpoint.resolve()
    name = run_name.parent.name if run_name.name.startswith("step-") else run_name.name
    with ConsoleReporter():
        from sslskel.encoders.export import export

        target, records = export(options.checkpoint, options.output or Path("export") / name, results=options.results)
    print(f"{target}: encoder, card and {records} records; `sslskel evaluate --checkpoint {target}` evaluates it")
    return 0
