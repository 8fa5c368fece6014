"""Make the board of a results folder, always the same bytes from the same records, or join several folders."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from sslskel.cli.options import add_details_flag, add_results_flag, names
from sslskel.cli.parser import Actions
from sslskel.errors import UsageError
from sslskel.paths import user_path

if TYPE_CHECKING:
    from sslskel.leaderboard.model import Board, FeatureMap
    from sslskel.leaderboard.suite import SuiteRules


FORMATS = ("table", "markdown", "latex", "csv", "json", "html")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of ``sslskel leaderboard``, and of ``merge``."""
    merged = Actions(parser, required=False).add("merge", "join results folders into the one of --results")
    merged.add_argument("folders", nargs="+", type=user_path, metavar="DIR", help="folders to join")
    # Without a default, which would take the place of what stands before `merge`.
    merged.add_argument(
        "--results", type=user_path, default=argparse.SUPPRESS, help="folder to join them into (default: runs)"
    )
    add_results_flag(parser)
    parser.add_argument("--benchmark", help="only these benchmarks (comma list)")
    parser.add_argument(
        "--protocol", help="only these protocols, columns in this order; the first one ranks (comma list)"
    )
    parser.add_argument("--suite", metavar="NAME", help="the board of a suite (`sslskel list suites`)")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        metavar="FORMAT",
        help="table, markdown, csv, json, latex or html (default: as --output ends, else table)",
    )
    parser.add_argument(
        "--intervals",
        nargs="?",
        choices=("pretrainings", "clips"),
        const="pretrainings",
        help="show intervals behind the scores: over pretrainings on these test clips (default), or over test clips"
        " too",
    )
    add_details_flag(parser)
    parser.add_argument(
        "--ladder", action="store_true", help="cost of every method beside its scores under the first protocol"
    )
    parser.add_argument(
        "--features",
        metavar="FILE,...",
        help="files of `sslskel embed` that an HTML board draws in two dimensions (comma list)",
    )
    parser.add_argument("--no-published", action="store_true", help="leave out published numbers")
    parser.add_argument(
        "--output", type=user_path, help="file to write: .txt, .md, .csv, .json, .tex or .html (default: print)"
    )


def run(options: argparse.Namespace) -> int:
    """Build and write the board; broken record files are named and left out."""
    if options.action == "merge":
        return _merge(options)
    from sslskel.cli.console import ConsoleReporter
    from sslskel.leaderboard import form_of, print_board, render, write_board
    from sslskel.leaderboard.folder import board_of, with_curves

    if options.suite and (options.benchmark or options.protocol):
        raise UsageError("a suite names its benchmarks and protocols; leave out --benchmark and --protocol")
    form = options.format or (form_of(options.output) if options.output else "table")
    maps = _maps(options.features, form) if options.features else ()
    with ConsoleReporter():
        board = board_of(
            options.results,
            names(options.benchmark) if options.benchmark else None,
            report=lambda text: print(f"sslskel: {text}", file=sys.stderr),
            protocols=names(options.protocol) if options.protocol else None,
            details=form == "html",
            published=not options.no_published,
            over_clips=options.intervals == "clips",
            suite=_rules(options.suite) if options.suite else None,
            required=True,
        )
    if maps:
        from sslskel.leaderboard.feature_map import require_encoders_of

        require_encoders_of(maps, board.records)
    board = replace(board, maps=maps)
    if options.details and form != "html":
        board = with_curves(board, options.results)
    if options.ladder:
        return _ladder(board, form, options)
    intervals = options.intervals is not None
    if options.output:
        write_board(board, form, options.output, details=options.details, intervals=intervals)
        print(options.output)
    elif form == "table":
        print_board(board, details=options.details, intervals=intervals)
    else:
        sys.stdout.write(render(board, form, details=options.details, intervals=intervals))
    return 0


def _maps(files: str, form: str) -> tuple[FeatureMap, ...]:
    from sslskel.leaderboard.feature_map import feature_map

    if form != "html":
        raise UsageError(f"--features are drawn on an HTML board alone, not as {form}; give --output board.html")
    return tuple(feature_map(user_path(name)) for name in names(files))


def _ladder(board: Board, form: str, options: argparse.Namespace) -> int:
    """Print or write the ladder of a board."""
    from sslskel.cli.console import ConsoleReporter
    from sslskel.files import write_output
    from sslskel.leaderboard.formats.ladder import FORMS, render_ladder
    from sslskel.leaderboard.ladder import ladder_of

    if form not in FORMS:
        raise UsageError(f"the ladder has no format '{form}'; take {', '.join(FORMS)}")
    if not board.records:
        raise UsageError("a ladder is made from records, and there are none for these benchmarks and protocols")
    from sslskel.speed.effort import NOTE, Efforts, unscored

    with ConsoleReporter() as reporter:
        efforts = Efforts(reporter)
        others = unscored(efforts, board.records)
        text = render_ladder(ladder_of(board, efforts.of_record, others, [NOTE]), form)
    if options.output:
        write_output(options.output, text.encode())
        print(options.output)
    else:
        sys.stdout.write(text)
    return 0


def _rules(name: str) -> SuiteRules:
    from sslskel.config.suites import read_suite
    from sslskel.grid.suite import rules_of

    return rules_of(read_suite(name))


def _merge(options: argparse.Namespace) -> int:
    """Exit code 1 where records contradict each other or are broken: the joined folder is then not all there is."""
    from sslskel.results.merge import merge

    merged = merge(options.folders, options.results)
    for sentence in (*merged.conflicts, *(f"left out {problem}" for problem in merged.problems)):
        print(f"sslskel: {sentence}", file=sys.stderr)
    print(f"{merged.added} records added to {options.results}, {merged.present} were there already")
    return 1 if merged.conflicts or merged.problems else 0
