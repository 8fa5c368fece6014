"""The board of a results folder: reads the records, leaves the arithmetic to ``table.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sslskel.errors import UsageError
from sslskel.leaderboard.table import Board, build
from sslskel.results.store import ResultStore


def board_of(
    output: Path | str,
    benchmarks: Sequence[str] | None = None,
    say: Callable[[str], None] = print,
    *,
    protocols: Sequence[str] | None = None,
) -> Board:
    """Build the board of a folder; broken record files are named through ``say`` and left out.

    Columns follow the order of ``benchmarks`` and ``protocols`` where given. Raises
    ``UsageError`` where the folder holds no results.
    """
    output = Path(output)
    if not (output / "records").is_dir():
        raise UsageError(f"{output} holds no results; give a folder that `sslskel bench --output` wrote")
    records, problems = ResultStore(output).read_all()
    for path, reason in problems:
        say(f"left out {path}: {reason}")
    return build(records, benchmarks=benchmarks, protocols=protocols)
