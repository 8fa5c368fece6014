"""Small YAML files that somebody else may have written, such as presets and tables: read within bounds, never run."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from sslskel.errors import UsageError
from sslskel.files import read_regular

if TYPE_CHECKING:
    import yaml

MOST_BYTES = 2**18
MOST_VALUES = 100_000
"""Values of a file with what its aliases stand for written out."""


def read_yaml(path: Path, what: str) -> object:
    """What a YAML file holds; raises ``UsageError`` that begins with ``what`` where it is not readable."""
    import yaml

    try:
        loader = yaml.SafeLoader(read_regular(path, MOST_BYTES).decode("utf-8-sig"))
        node = loader.get_single_node()
        # Counted before anything is built: mappings that are merged into each other are written out while that is done.
        if _values(node, {}) > MOST_VALUES:
            raise ValueError(f"its aliases stand for more than {MOST_VALUES:,} values")
        content: object = None if node is None else loader.construct_document(node)
    except UnicodeDecodeError as fault:
        raise UsageError(f"{what} is not UTF-8 text (byte {fault.start}); save it as UTF-8") from fault
    except OSError as fault:
        raise UsageError(f"{what} cannot be read: {fault.strerror}") from fault
    except RecursionError as fault:
        raise UsageError(f"{what} is not readable YAML: it is nested too deep") from fault
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, yaml.YAMLError) as fault:
        reason = next(filter(None, map(str.strip, str(fault).splitlines())), type(fault).__name__)
        raise UsageError(f"{what} is not readable YAML: {reason}") from fault
    return content


def _values(node: yaml.Node | None, known: dict[int, int]) -> int:
    """Number of values in all; ``known`` holds those of lists and mappings, 0 for one that is not through."""
    if node is None or not isinstance(node.value, list):
        return 1
    if known.get(id(node)) == 0:
        raise ValueError("an alias stands for itself")
    if id(node) not in known:
        known[id(node)] = 0
        pairs = node.id == "mapping"
        inner = itertools.chain.from_iterable(node.value) if pairs else node.value
        known[id(node)] = 1 + sum(_values(one, known) for one in inner)
    return known[id(node)]
