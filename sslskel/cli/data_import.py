"""Flags of ``sslskel data import``, and what it prints at its end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from sslskel.cli.options import names
from sslskel.paths import user_path

SHOWN = 10
"""Left-out clips that are named on the terminal; all of them are in the report stored with the data."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel data import``."""
    parser.add_argument("name", help="name of the new benchmark")
    parser.add_argument(
        "--clips",
        type=user_path,
        nargs="+",
        action="extend",
        metavar="TABLE",
        help="CSV table with the columns file and label, and optionally name, key, index, subject, camera, setup,"
        " begin, end, split or split:NAME; or the files of a whole set (.npz, label .pkl, label .json)",
    )
    parser.add_argument(
        "--pyskl",
        type=user_path,
        nargs="+",
        action="extend",
        metavar="FILE",
        help="pickles in pyskl's form, instead of a table",
    )
    parser.add_argument(
        "--layout",
        type=lambda text: str(user_path(text)),
        help="layout file (YAML), or a known body (coco17, ntu25, body_25 ...); BVH files bring their own; keys of the"
        " file may follow as KEY=VALUE",
    )
    parser.add_argument(
        "--source", type=user_path, metavar="FOLDER", help="folder of the table's files (default: the table's own)"
    )
    parser.add_argument("--fps", type=float, help="frames per second (default: the layout file's, else 30)")
    parser.add_argument("--unit", help="unit of the coordinates (default: the layout file's, else metre, in 2D pixel)")
    rule = parser.add_argument_group("splits, if the clips do not state any")
    rule.add_argument("--split-by", default="subject", choices=("subject", "camera", "setup"), help="default: subject")
    rule.add_argument(
        "--train", metavar="A,B", help="its values that are in the training part (default: every other one)"
    )
    rule.add_argument("--validation", metavar="A,B", help="training subjects of the validation part (default: a fifth)")
    parser.add_argument(
        "--name-pattern",
        metavar="REGEX",
        help="takes label, subject, camera, setup from clip names, as (?P<subject>...)",
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first clip that cannot be read")


def run(options: argparse.Namespace) -> int:
    """Import a set and print a summary."""
    from sslskel.cli.console import ConsoleReporter
    from sslskel.data.card import copy_lines
    from sslskel.data.own.importing import import_dataset
    from sslskel.data.prepare import open_benchmark
    from sslskel.plugins.registry import BENCHMARKS

    clips, more = _without_overrides(options.clips)
    pyskl, others = _without_overrides(options.pyskl)
    with ConsoleReporter() as reporter:
        path = import_dataset(
            options.name,
            clips=clips,
            layout=options.layout,
            pyskl=pyskl,
            source=options.source,
            fps=options.fps,
            unit=options.unit,
            split_by=options.split_by,
            train=names(options.train) if options.train else None,
            validation=names(options.validation) if options.validation else None,
            name_pattern=options.name_pattern,
            strict=options.strict,
            overrides=[*options.overrides, *more, *others],
            reporter=reporter,
        )
    benchmark = BENCHMARKS.get(options.name)
    dataset = open_benchmark(benchmark)
    report = dataset.report()
    print(path)
    print(f"{len(dataset)} clips kept, {len(report['dropped'])} left out; fingerprint {dataset.fingerprint}")
    for reason in list(report["dropped"].values())[:SHOWN]:
        print(f"left out, {reason}")
    if len(report["dropped"]) > SHOWN:
        print(f"left out: {len(report['dropped']) - SHOWN} more, all in {path / 'report.json'}")
    for note in (*report["notes"], *copy_lines(benchmark, dataset)):
        print(f"note: {note}")
    print(f"`sslskel data info {options.name}` says what is in it")
    return 0


def _without_overrides(files: Sequence[Path] | None) -> tuple[list[Path] | None, list[str]]:
    """Files, and what follows them as ``KEY=VALUE``, which a flag of several files takes along."""
    overrides = [str(file) for file in files or () if "=" in str(file) and not file.exists()]
    return None if files is None else [file for file in files if str(file) not in overrides], overrides
