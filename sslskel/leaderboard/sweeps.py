"""Which scores are of option values that a sweep ran on test clips: the highest of them is chosen on test data.

Known from the command that a record names, also where the other values are not shown.
"""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Mapping, Sequence

from sslskel.api.benchmark import HELD_OUT
from sslskel.config.grammar import combinations
from sslskel.errors import UsageError
from sslskel.leaderboard.model import Column, Row, RowKey
from sslskel.results.record import Record

OPTION = re.compile(r"(?!launcher\.)[A-Za-z_]\w*\.\w+=")
"""What an override begins with; where a cluster runs it is none."""


@functools.lru_cache(maxsize=1024)
def swept_values(command: str) -> int:
    """How many combinations of option values a command ran on its split; 1 where it is no sweep, or searched on
    held-out training subjects.
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return 1
    if "sweep" not in words[1:2] or any(word.partition("=")[0] == "--trials" for word in words):
        return 1
    try:
        return len(combinations([word for word in words if OPTION.match(word)]))
    except UsageError:
        return 1


def swept(record: Record) -> bool:
    """Whether a score is of one of several option values that were judged on test clips."""
    return not record.benchmark["split"].endswith(HELD_OUT) and swept_values(record.command) > 1


def sweep_warnings(columns: Sequence[Column], rows: Sequence[Row], names: Mapping[RowKey, str]) -> list[str]:
    """One sentence per column with such scores."""
    warnings = []
    for at, column in enumerate(columns):
        marked = [names[row.key] for row in rows if (cell := row.cells[at]) is not None and cell.swept]
        if marked:
            warnings.append(
                f"{column.title}: option values were swept on the test part, so that the best of them is chosen on test"
                f" data, marked §: {', '.join(marked)}; choose on --split {column.split}{HELD_OUT}, or with --trials"
            )
    return warnings
