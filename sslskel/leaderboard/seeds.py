"""Which seeds stand behind the numbers, and which more there were: nobody can show the best of many unseen."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from sslskel.leaderboard.model import BoardCell, Column, Row, RowKey
from sslskel.results.record import Record
from sslskel.results.statistics import summarise
from sslskel.text import percent

LISTED = 5
"""Names that a sentence lists before it only counts the rest."""
MOST_SEEDS = 1000
"""A command that asks for more is no evidence of so many."""
RUN = re.compile(r".+-s\d+-(?P<identity>[0-9a-f]{10})")
"""Name of a pretraining's folder, behind its method's."""

Place = tuple[RowKey, str, str]
"""A row, and the benchmark and split that it was judged on."""


def seed_notes(columns: Sequence[Column], rows: Sequence[Row], names: Mapping[RowKey, str]) -> list[str]:
    """The seeds of every row, and where a pretraining was evaluated more than once."""
    of_seeds: dict[str, list[str]] = defaultdict(list)
    notes = []
    for row in rows:
        of_columns: dict[str, list[str]] = defaultdict(list)
        for column, cell in zip(columns, row.cells, strict=True):
            if cell is None:
                continue
            of_columns[_seeds(cell)].append(column.title)
            if len(cell.evaluations) > cell.summary.n:
                notes.append(f"{column.title}: {names[row.key]}: {_evaluations(cell)}")
        for seeds, titles in of_columns.items():
            of_seeds[seeds].append(names[row.key] + (f" ({', '.join(titles)})" if len(of_columns) > 1 else ""))
    listed = [f"{seeds}: {', '.join(of_rows)}" for seeds, of_rows in of_seeds.items()]
    return [f"pretrainings: {'; '.join(listed)}", *notes] if listed else []


def _seeds(cell: BoardCell) -> str:
    if cell.fixed:
        return f"one encoder, the same for {numbers(cell.seeds)}"
    return numbers(cell.seeds)


def _evaluations(cell: BoardCell) -> str:
    if cell.fixed:
        spread = summarise(cell.sample).sd
        return (
            f"{len(cell.evaluations)} evaluations of one encoder, s.d. {percent(spread)} points, are averaged; seeds"
            " change none of its weights, so that it counts once"
        )
    several = [one for one in cell.pretrainings if len(one.evaluations) > 1]
    parts = [f"{len(one.evaluations)} evaluations of the pretraining of seed {one.seed}" for one in several]
    return f"{', '.join(parts)} are averaged"


def numbers(seeds: Iterable[int]) -> str:
    """``seed 3``, ``seeds 0, 1, 2``, ``seeds 0 to 19``."""
    listed = sorted(set(seeds))
    if len(listed) == 1:
        return f"seed {listed[0]}"
    if len(listed) > LISTED and listed[-1] - listed[0] == len(listed) - 1:
        return f"seeds {listed[0]} to {listed[-1]}"
    return f"seeds {', '.join(map(str, listed))}"


def unshown_seeds(
    columns: Sequence[Column],
    rows: Sequence[Row],
    names: Mapping[RowKey, str],
    everywhere: Mapping[Place, Sequence[Record]],
) -> list[str]:
    """One sentence per column whose rows were pretrained, or were to be, with more seeds than it shows.

    ``everywhere`` are all records of a row and split, also those of columns that this board leaves out. What a
    record's own command asked for counts, whatever became of it.
    """
    warnings = []
    for at, column in enumerate(columns):
        missing = []
        for row in rows:
            cell, own = row.cells[at], everywhere.get((row.key, column.benchmark, column.split), ())
            if cell is None:
                continue
            there = {seed for one in own for seed in (one.trained_with, *_asked(one, column))}
            counted = set(cell.records)
            more = there - {record.trained_with for record in own if record.identity in counted}
            if more:
                shown = numbers(cell.seeds).partition(" ")[2]
                missing.append(f"{names[row.key]} (shown {shown}, not {numbers(more).partition(' ')[2]})")
        if missing:
            warnings.append(f"{column.title}: more seeds were run or asked for than are shown: {', '.join(missing)}")
    return warnings


def _asked(record: Record, column: Column) -> Iterable[int]:
    """Seeds that the command of a record of this column asked for."""
    return asked_seeds(record.command) if record.protocol["name"] == column.protocol else ()


@lru_cache(maxsize=1024)
def asked_seeds(command: str) -> tuple[int, ...]:
    """What ``--seeds`` of a command says: ``3`` is 0, 1, 2; a comma list is itself; nothing where it says none."""
    try:
        words = [part for word in shlex.split(command) for part in word.split("=", 1)]
        value = words[words.index("--seeds") + 1]
        listed = tuple(int(word) for word in value.split(",") if word.strip())
    except (ValueError, IndexError):
        return ()
    if "," in value or not listed:
        return listed
    return tuple(range(min(listed[0], MOST_SEEDS)))


def unrecorded_runs(folder: Path, shown: Iterable[Record], records: Iterable[Record]) -> list[str]:
    """A sentence on pretrainings of the shown methods in a results folder of which it has no record.

    Earlier stages, and teachers of others, are no result of their own.
    """
    used = {identity[:10] for one in records for identity in (one.pretrain_identity, *_teachers(one))}
    stages = [stage for one in records for stage in one.config.get("stages", {}).values()]
    methods = {one.method["name"] for one in shown} - {stage.get("method") for stage in stages}
    runs = [path.name for path in sorted((folder / "pretrain").glob("*")) if path.is_dir()]
    matches = [match for run in runs if (match := RUN.fullmatch(run)) is not None]
    of_methods = tuple(f"{name}-" for name in methods)
    lost = [match[0] for match in matches if match[0].startswith(of_methods) and match["identity"] not in used]
    if not lost:
        return []
    more = f" and {len(lost) - LISTED} more" if len(lost) > LISTED else ""
    return [f"pretrained but without a record in {folder}: {', '.join(lost[:LISTED])}{more}"]


def _teachers(record: Record) -> Iterable[str]:
    return (origin["identity"] for origin in record.origins if "identity" in origin)
