"""A YAML file as plain values with line numbers: mappings, lists and scalars, read without building objects.

What the keys of a layout file mean is in ``layout_file.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from sslskel.errors import DataError

LARGEST = 1 << 20
"""Bytes; a layout of a thousand joints has less."""


Place = Callable[[int], str]
"""Line of a YAML text -> how errors call it."""


class Node:
    """One value of a YAML file, which knows its file and line for errors."""

    def __init__(self, node: yaml.Node, place: Place, what: str) -> None:
        self._node, self._place, self._what = node, place, what

    @property
    def line(self) -> int:
        """Line in the file, from 1."""
        return int(self._node.start_mark.line) + 1

    def fault(self, what: str) -> DataError:
        """The error for this place of the file."""
        return DataError(f"{self._place(self.line)}: {what}")

    def items(self) -> Iterator[tuple[str, Node]]:
        """Keys and values of a mapping in their order; a key that occurs twice is an error."""
        if not isinstance(self._node, yaml.MappingNode):
            raise self.fault(f"{self._what} must be a mapping, one 'name: value' per line")
        seen = set()
        for key, value in self._node.value:
            name = Node(key, self._place, f"a key of {self._what}")
            word = name.text()
            if word in seen:
                raise name.fault(f"{self._what} has '{word}' twice; keep one of them")
            seen.add(word)
            yield word, Node(value, self._place, f"'{word}'")

    def texts(self) -> Sequence[str]:
        """A scalar, or a list of them."""
        if isinstance(self._node, yaml.SequenceNode):
            return [element.text() for element in self.list()]
        return [self.text()]

    def list(self) -> list[Node]:
        """The elements of a list."""
        if not isinstance(self._node, yaml.SequenceNode):
            raise self.fault(f"{self._what} must be a list, for instance [a, b]")
        return [Node(value, self._place, f"an element of {self._what}") for value in self._node.value]

    def is_mapping(self) -> bool:
        """Whether keys and values stand here."""
        return isinstance(self._node, yaml.MappingNode)

    def empty(self) -> bool:
        """Whether nothing stands here (or ``null``)."""
        return isinstance(self._node, yaml.ScalarNode) and self._node.tag.endswith(":null")

    def text(self) -> str:
        """A scalar as it is written, numbers and ``yes`` too."""
        if not isinstance(self._node, yaml.ScalarNode) or self.empty():
            raise self.fault(f"{self._what} must be a name or text")
        return str(self._node.value).strip()

    def number(self) -> float:
        """A finite number above 0."""
        word = self.text()
        try:
            value = float(word)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise self.fault(f"{self._what} is '{word}'; it must be a number above 0")
        return value


def read_yaml(path: Path) -> Node:
    """The root of a YAML file; raises ``DataError`` naming file and line where it is not readable."""
    try:
        if path.stat().st_size > LARGEST:
            raise DataError(f"'{path}' has {path.stat().st_size:,} bytes; a layout file has less than {LARGEST:,}")
        text = path.read_text(encoding="utf-8-sig")
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except OSError as fault:
        raise DataError(f"layout file '{path}' cannot be read ({fault.strerror}); check the path") from fault
    except UnicodeDecodeError as fault:
        raise DataError(f"layout file '{path}' is not UTF-8 text (byte {fault.start}); save it as UTF-8") from fault
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        what = getattr(fault, "problem", None) or str(fault).splitlines()[0]
        raise DataError(f"'{path}'{line}: this is not YAML ({what}); correct the line") from fault
    except RecursionError as fault:
        raise DataError(
            f"'{path}' is nested deeper than any layout file; start from the one in docs/guide/your-own-data.md"
        ) from fault
    if node is None:
        raise DataError(f"layout file '{path}' is empty; it says at least 'joints:', one 'joint: parent' per line")
    return Node(node, lambda line: f"'{path}', line {line}", "the layout file")


def read_override(key: str, value: str) -> Node:
    """The value of ``KEY=VALUE`` of a command line, as if it stood in the file; raises ``DataError``."""
    try:
        node = yaml.compose(value, Loader=yaml.SafeLoader)
    except yaml.YAMLError as fault:
        raise DataError(f"'{key}={value}' is not readable ({getattr(fault, 'problem', fault)}); correct it") from fault
    node = yaml.ScalarNode("tag:yaml.org,2002:null", "") if node is None else node
    return Node(node, lambda _: f"'{key}={value}'", f"'{key}'")
