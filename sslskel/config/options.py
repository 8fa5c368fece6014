"""What the options of a configuration dataclass are: type, choices, default, and what is written below each."""

from __future__ import annotations

import ast
import inspect
import textwrap
import typing
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from itertools import pairwise

from sslskel.config.compose import to_plain

WORDS = {"bool": "true or false", "str": "text", "int": "whole number", "float": "number"}
"""Python's types as people call them."""


@dataclass(frozen=True)
class Option:
    """One option of a group."""

    name: str
    kind: str
    """Its type, or what it chooses from."""
    default: object
    meaning: str
    """Empty where its author wrote nothing below it."""


def options_of(config: type, values: Mapping[str, object] | None = None) -> list[Option]:
    """The options of a dataclass, in its order; ``values`` take the place of defaults."""
    known, kinds, meanings = to_plain(config()), _kinds(config), _meanings(config)
    return [
        Option(one.name, kinds[one.name], {**known, **(values or {})}[one.name], meanings.get(one.name, ""))
        for one in fields(config)
    ]


def _kinds(config: type) -> dict[str, str]:
    try:
        hints = typing.get_type_hints(config)
    except (NameError, TypeError):
        # Names that its author imports for type checkers alone.
        hints = {}
    return {one.name: kind_of(hints.get(one.name, one.type)) for one in fields(config)}


def kind_of(hint: object) -> str:
    """A type in words: ``whole number``, ``one of: a, b``, ``list of text``, ``number or none``."""
    if isinstance(hint, type) and issubclass(hint, Enum):
        return f"one of: {', '.join(member.name for member in hint)}"
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is list and arguments:
        return f"list of {kind_of(arguments[0])}"
    if arguments and type(None) in arguments:
        return " or ".join([*(kind_of(one) for one in arguments if one is not type(None)), "none"])
    if isinstance(hint, type):
        return "options" if is_dataclass(hint) else WORDS.get(hint.__name__, hint.__name__)
    return str(hint)


def _meanings(config: type) -> dict[str, str]:
    """The string below each field, of the class and of those that it extends; none where its source is not at hand."""
    texts: dict[str, str] = {}
    for owner in reversed(config.__mro__):
        if is_dataclass(owner):
            texts.update(_written_below(owner))
    return texts


def _written_below(owner: type) -> dict[str, str]:
    try:
        [made] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    body = made.body if isinstance(made, ast.ClassDef) else []
    texts = {}
    for one, behind in pairwise(body):
        text = behind.value if isinstance(behind, ast.Expr) else None
        if not (isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)):
            continue
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            texts[one.target.id] = " ".join(text.value.split())
    return texts
