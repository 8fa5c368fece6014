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
    """What its author wrote below it, else of what it chooses from; empty where that is nothing."""


def options_of(config: type, values: Mapping[str, object] | None = None) -> list[Option]:
    """The options of a dataclass, in its order; ``values`` take the place of defaults."""
    known, hints, meanings = {**to_plain(config()), **(values or {})}, _hints(config), _meanings(config)
    return [
        Option(name, kind_of(hint), known[name], meanings.get(name) or _of_choices(hint))
        for name, hint in hints.items()
    ]


def _hints(config: type) -> dict[str, object]:
    try:
        hints = typing.get_type_hints(config)
    except (NameError, TypeError):
        # Names that its author imports for type checkers alone.
        hints = {}
    return {one.name: hints.get(one.name, one.type) for one in fields(config)}


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


def _of_choices(hint: object) -> str:
    """What is written of the choices of an option, and of each of them that needs words."""
    for one in (hint, *typing.get_args(hint)):
        if isinstance(one, type) and issubclass(one, Enum):
            source = _source(one)
            whole = " ".join(((source and ast.get_docstring(source)) or "").split())
            each = [f"{name}: {text}" for name, text in _written_below(one).items()]
            return " ".join(filter(None, [whole, *each]))
    return ""


def _source(owner: type) -> ast.ClassDef | None:
    try:
        [made] = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    return made if isinstance(made, ast.ClassDef) else None


def _written_below(owner: type) -> dict[str, str]:
    """The string below each name that a class binds."""
    source, texts = _source(owner), {}
    for one, behind in pairwise(source.body if source else []):
        text = behind.value if isinstance(behind, ast.Expr) else None
        targets = [one.target] if isinstance(one, ast.AnnAssign) else one.targets if isinstance(one, ast.Assign) else []
        if isinstance(text, ast.Constant) and isinstance(text.value, str):
            texts.update({name.id: " ".join(text.value.split()) for name in targets if isinstance(name, ast.Name)})
    return texts
