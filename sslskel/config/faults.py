"""What Hydra and OmegaConf have against a value, in own words: the option, what it takes, what it was given."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sslskel.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from omegaconf import Node

TAKEN = {
    "IntegerNode": "a whole number",
    "FloatNode": "a number",
    "BooleanNode": "true or false",
    "StringNode": "text",
    "ListConfig": "a list, [A,B]",
}
"""OmegaConf's kinds of values as people call them."""
LONGEST = 60
"""Letters of a value that a sentence repeats."""


@contextlib.contextmanager
def in_words(begin: str) -> Iterator[None]:
    """What OmegaConf has against a value is a ``UsageError`` of one sentence, which begins so."""
    from omegaconf.errors import OmegaConfBaseException

    try:
        yield
    # Of a whole number beyond the largest float Python's own error comes through.
    except (OmegaConfBaseException, OverflowError) as fault:
        raise UsageError(f"{begin}{one_line(fault)}") from fault


def one_line(fault: BaseException) -> str:
    """One line that begins with the option where the fault names one."""
    from omegaconf.errors import ValidationError

    if isinstance(fault, ValidationError) and fault.child_node is not None and fault.full_key:
        taken = _taken(fault.child_node)
        if taken:
            return f"{fault.full_key} takes {taken}, not {_written(fault.value)}{_near(fault.value, fault.child_node)}"
    lines = [line.strip() for line in str(fault).splitlines() if line.strip()]
    key = next((line.partition(":")[2].strip() for line in lines if line.startswith("full_key")), "")
    return f"{key}: {lines[0]}" if key and lines else (lines[0] if lines else type(fault).__name__)


def _taken(node: Node) -> str:
    choices = _choices(node)
    return f"one of {', '.join(choices)}" if choices else TAKEN.get(type(node).__name__, "")


def _choices(node: Node) -> list[str]:
    from omegaconf import EnumNode

    return [member.name for member in node.enum_type] if isinstance(node, EnumNode) else []


def _near(value: object, node: Node) -> str:
    return did_you_mean(value, _choices(node)) if isinstance(value, str) else ""


def _written(value: object) -> str:
    """A value as it is written in an override."""
    words = {None: "null", True: "true", False: "false"}
    text = words[value] if value is None or isinstance(value, bool) else str(value)
    return "an empty value" if text == "" else f"'{text if len(text) <= LONGEST else f'{text[:LONGEST]}...'}'"
