"""Parsers of commands and of their actions: what is wrong with a word is one sentence, with the word that is near."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from sslskel.errors import UsageError, did_you_mean

OTHER_WORDS = {
    "--output": ("--results",),
    "--write": ("--output",),
    "--out": ("--output", "--results"),
    "--folder": ("--results", "--output"),
    "--file": ("--output",),
    "md": ("markdown",),
    "tex": ("latex",),
    "txt": ("table",),
    "text": ("table",),
    "htm": ("html",),
    "dataset": ("benchmark", "benchmarks"),
    "datasets": ("benchmarks",),
    "benchmark": ("dataset", "benchmarks"),
    "remove": ("prune",),
}
"""What people write for a flag or value that is called otherwise here, where no letters tell that it is meant."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one sentence."""

    def error(self, message: str) -> NoReturn:
        """Raise ``UsageError``."""
        raise UsageError(f"{message} (`{self.prog} --help` shows the options)")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(one) for one in action.choices]
        near, listed = nearest(str(value), choices), ", ".join(choices)
        if action.option_strings:
            raise UsageError(f"{action.option_strings[-1]} is one of {listed}, not '{value}'{near}")
        raise UsageError(f"`{self.prog}` has no {_title(action)} '{value}'{near} (there are: {listed})")


class Actions:
    """What a command can do, each with flags of its own."""

    def __init__(
        self, parser: argparse.ArgumentParser, *, of: str = "action", required: bool = True, text: str | None = None
    ) -> None:
        """``of`` is what an action is called, and where its name is put; ``text`` is the help of all of them."""
        title = of.upper() if required else f"[{of.upper()}]"
        self._add = parser.add_subparsers(dest=of, required=required, metavar=title, help=text).add_parser

    def add(self, name: str, text: str, overrides: str | None = None) -> argparse.ArgumentParser:
        """The parser of one; ``text`` says what it does, ``overrides`` what may follow as ``KEY=VALUE``."""
        made: argparse.ArgumentParser = self._add(
            name, help=text, description=text, epilog=overrides, allow_abbrev=False
        )
        return in_our_words(made)


def new_parser(prog: str, description: str | None, epilog: str | None) -> argparse.ArgumentParser:
    """The parser of a command."""
    return in_our_words(Parser(prog=prog, description=description, epilog=epilog, allow_abbrev=False))


def in_our_words(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The same parser, which says what a number is instead of naming Python's type."""
    parser.register("type", int, _whole_number)
    parser.register("type", float, _number)
    return parser


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the known word that is meant by another one or nearly written so, or ``""``."""
    known = list(known)
    meant = [one for one in OTHER_WORDS.get(word, ()) if one in known]
    return f"; did you mean '{meant[0]}'?" if meant else did_you_mean(word, known)


def arguments_of(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Every argument of a parser; argparse itself tells nobody."""
    arguments: list[argparse.Action] = vars(parser)["_actions"]
    return arguments


def actions_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of a command's actions by name; none for a command without."""
    parsers: dict[str, argparse.ArgumentParser] = {}
    for argument in arguments_of(parser):
        parsers.update(argument.choices if isinstance(argument.choices, dict) else {})
    return parsers


def require_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Raise ``UsageError`` for a flag that the command or its action lacks, before what is missing is named."""
    asked, before = [], None
    for word in argv[: argv.index("--") if "--" in argv else None]:
        flag, equals, _ = word.partition("=")
        if flag.startswith("--") and len(flag) > 2:
            asked.append(flag)
            before = None if equals else _flags(parser).get(flag)
            continue
        takes_value, before = before is not None and before.nargs != 0, None
        if not takes_value:
            parser = actions_of(parser).get(word, parser)
    for flag in asked:
        known = _flags(parser)
        if flag not in known:
            near = nearest(flag, known)
            others = [inner.prog for inner in actions_of(parser).values() if flag in _flags(inner)]
            parser.error(f"there is no flag '{flag}'{near or (f'; `{others[0]}` has it' if others else '')}")


def _flags(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    return {flag: argument for argument in arguments_of(parser) for flag in argument.option_strings}


def _title(action: argparse.Action) -> str:
    name = action.metavar if isinstance(action.metavar, str) else action.dest
    return name.strip("[]").lower()


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no whole number") from None


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no number") from None
