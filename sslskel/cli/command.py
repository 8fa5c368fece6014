"""The ``sslskel`` command: finds the verb, parses its arguments, and prints errors as one sentence."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

from sslskel.cli.parser import nearest, new_parser, require_flags
from sslskel.cli.streams import clean_streams
from sslskel.engine.elastic import tell_launcher
from sslskel.engine.interpreter import guard_children
from sslskel.engine.signals import stop_at_once
from sslskel.errors import SslskelError, UsageError
from sslskel.paths import working_folder
from sslskel.text import is_unicode, plain
from sslskel.version import __version__

VERBS = {
    "bench": "pretrain (or reuse), evaluate, record and rank: the main command",
    "sweep": "run a grid for every combination of option values, or search among them",
    "pretrain": "pretrain one method and keep its checkpoint",
    "evaluate": "evaluate a checkpoint, a released .pth file or any torch module",
    "embed": "write the features of a benchmark's clips to an .npz or .parquet file",
    "export": "pack an encoder, its records and a card to share",
    "push": "put an exported encoder on a model hub",
    "leaderboard": "make the board of a results folder",
    "ensemble": "fuse joint, bone and motion records of a method",
    "compare": "test whether two rows of a board differ by more than noise",
    "reproduce": "run a paper's table and print it next to the published one",
    "list": "list methods, backbones, benchmarks, protocols or presets",
    "show": "show a plugin: origin, version, options with defaults",
    "check": "run the contract tests of a plugin",
    "errata": "show where released code and its paper part",
    "data": "prepare, describe and verify datasets",
    "new": "write the first version of a plugin",
    "runs": "list and prune pretraining runs",
    "doctor": "show what this installation runs on, and test it",
    "speed": "measure samples/s, step time and peak memory",
    "completion": "print the script that completes commands in bash, zsh or fish",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code: 0, 1 failed, 2 wrong use, 75 or 130 interrupted."""
    _let_threads_sleep()
    guard_children()
    with clean_streams():
        return _main(sys.argv[1:] if argv is None else argv)


def _main(argv: Sequence[str]) -> int:
    try:
        with stop_at_once():
            try:
                code = _dispatch(argv)
            except SystemExit as ended:  # argparse has printed a help text
                code = int(ended.code or 0)
            sys.stdout.flush()
            return code
    except SslskelError as fault:
        if not tell_launcher(fault):
            print(f"sslskel: {_one_line(str(fault))}", file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        print("sslskel: interrupted; the same command continues", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1


def _let_threads_sleep() -> None:
    """Threads that wait for each other sleep instead of spinning, unless the user chose how they wait.

    On a machine whose cores are taken, one spinning thread holds up all that wait for a
    sleeping one. It must be set before torch is loaded.
    """
    if not any(name in os.environ for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"


def _dispatch(argv: Sequence[str]) -> int:
    for number, argument in enumerate(argv, 1):
        if not is_unicode(argument):
            raise UsageError(
                f"argument {number}, '{plain(argument)}', holds bytes that are no {sys.getfilesystemencoding()} text;"
                " rename that file or folder"
            )
    if not argv or argv[0] in ("-h", "--help"):
        print(overview())
        return 0
    if argv[0] == "--version":
        print(f"sslskel {__version__}")
        return 0
    options = parse(argv)
    working_folder()
    code: int = _module(argv[0]).run(options)
    return code


def parser_of(verb: str) -> argparse.ArgumentParser:
    """The parser of a command; its epilog says what may follow as ``KEY=VALUE``. ``UsageError`` for no command."""
    if verb not in VERBS:
        raise UsageError(f"there is no command '{verb}'{nearest(verb, VERBS)} (`sslskel --help` lists them)")
    module = _module(verb)
    overrides = getattr(module, "OVERRIDES", None)
    parser = new_parser(f"sslskel {verb}", module.__doc__, overrides)
    module.add_arguments(parser)
    return parser


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Options of a command, its verb first, with ``overrides``, and all arguments as ``argv``.

    Raises ``UsageError`` for a verb, flag or argument that is not known.
    """
    parser = parser_of(argv[0])
    require_flags(parser, argv[1:])
    options, rest = parser.parse_known_args(argv[1:])
    overrides = parser.epilog
    for argument in rest:
        if argument.startswith("-") or not overrides or "=" not in argument:
            hint = f"; {overrides}" if overrides else ""
            parser.error(f"unexpected argument '{argument}'{hint}")
    options.argv, options.overrides = list(argv), rest
    return options


def _module(verb: str) -> Any:
    return importlib.import_module(f"sslskel.cli.{verb}")


def overview() -> str:
    """The text of ``sslskel --help``."""
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(
        [
            "usage: sslskel COMMAND [OPTIONS] [GROUP.KEY=VALUE ...]",
            "",
            "A benchmark framework for self-supervised learning on 3D human skeletons.",
            "",
            "commands:",
            *lines,
            "",
            "Start with: sslskel bench --method METHOD (`sslskel list methods` shows the methods)",
            "`sslskel COMMAND --help` shows a command's options.",
        ]
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
