"""What a measured table does otherwise than the scripts that made the printed one, and these otherwise than the paper.

Options are compared one by one: what ran, and what the preset and mode of the scripts give on the
data of each printed column. The rest is in the file of the scripts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sslskel.config.compose import UNHASHED, to_plain
from sslskel.errors import UsageError
from sslskel.grid.cell import Cell
from sslskel.grid.request import GridRequest
from sslskel.grid.tables import Script, Table, TableRow, request_of_row
from sslskel.plugins.registry import METHODS, looked_up_once

Options = Mapping[str, Any]
"""``group.key`` -> value, the backbone by name included."""


@looked_up_once()
def deviations(table: Table, request: GridRequest, mode: str | None) -> tuple[str, ...]:
    """Sentences on everything in which ``request``, run for the table, departs from scripts and paper."""
    script = table.script
    if script is None:
        return ("what scripts made the printed numbers is not known, so differences from them are not listed",)
    listed = [*_data(table, script, request), *_options(table, script, request, mode)]
    listed += [f"scripts and here: {one.says}" for one in script.here if one.meets(table)]
    return (*listed, *(f"paper and scripts: {one.says}" for one in script.paper if one.meets(table)))


def other_setting(table: Table, request: GridRequest) -> str:
    """A sentence where ``request`` is on other data than every printed column, or of another preset than the scripts'.

    Empty where it is not.
    """
    cell, script = _cell(table.runs[0], table, request, None), table.script
    measured, known = (*cell.judged_on, cell.benchmark), [_column(script, column) for column in table.published]
    printed = [(name, split, home or name) for name, split, home in known]
    preset = cell.preset if script is None else script.preset
    if (measured in printed or not printed) and preset == cell.preset:
        return ""
    theirs = " and ".join(_data_words(*one) for one in printed) or "data that are not named"
    return (
        f"the printed numbers are of {theirs} with preset {preset}, those measured here of {_data_words(*measured)}"
        f" with preset {cell.preset}: the order of rows may agree, the numbers will not"
    )


def _place(script: Script | None, name: str) -> str:
    """A benchmark as columns name it -> the one that the scripts had."""
    return name if script is None else script.data.get(name, name)


def _column(script: Script | None, column: str) -> tuple[str, str, str | None]:
    """Benchmark, split and what was pretrained on, of a column, as the scripts had them."""
    where, _, home = column.partition(" from ")
    name, _, split = where.partition("/")
    return _place(script, name), split, _place(script, home) if home else None


def _data(table: Table, script: Script, request: GridRequest) -> list[str]:
    cell = _cell(table.runs[0], table, request, None)
    measured = (*cell.judged_on, cell.benchmark)
    sentences = []
    for column in table.published:
        name, split, home = _column(script, column)
        printed = (name, split, home or name)
        if printed != measured:
            ours, theirs = (_data_words(*one) for one in (measured, printed))
            sentences.append(f"data: what is printed for {column} is of {theirs}, what is measured of {ours}")
    return sentences


def _data_words(name: str, split: str, home: str) -> str:
    return f"{name}/{split}" + (f", pretrained on {home}" if home != name else "")


def _cell(row: TableRow, table: Table, request: GridRequest, mode: str | None) -> Cell:
    """The row's cell of one seed, and of its first stream: options of the others are the same but for the stream."""
    asked = request_of_row(row, table, replace(request, seeds=request.seeds[:1], init=None), mode)
    [cell] = replace(asked, variants=asked.variants[:1]).cells()
    return cell


def _options(table: Table, script: Script, request: GridRequest, mode: str | None) -> list[str]:
    """Differing options, those that differ alike for the same columns and rows in one sentence."""
    columns = table.published or (f"{request.benchmarks[0]}/{request.split or ''}",)
    ours = {row.name: _options_of(_cell(row, table, request, mode), row) for row in table.runs}
    places: dict[str, list[tuple[str, str]]] = {}
    unknown = []
    for column in columns:
        for row in table.runs:
            try:
                theirs = _options_of(_as_scripts(row, table, script, column, request), row)
            except UsageError as fault:
                unknown.append(f"options for {column}, {row.name}: the scripts' are not known here: {fault}")
                continue
            for words in _differing(ours[row.name], theirs):
                places.setdefault(words, []).append((column, row.name))
    scopes: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for words, where in places.items():
        scopes.setdefault(tuple(where), []).append(words)
    sentences = [f"options{_scope(where, table, columns)}: {', '.join(words)}" for where, words in scopes.items()]
    if not sentences and not unknown:
        sentences = [f"options: none differs from the scripts' ({script.code})"]
    return [*sentences, *unknown]


def _as_scripts(row: TableRow, table: Table, script: Script, column: str, request: GridRequest) -> Cell:
    """The cell that does with the row what the scripts did for a column."""
    name, split, home = _column(script, column)
    asked = GridRequest(
        benchmarks=(name,), split=split or None, pretrain_on=home, preset=script.preset, output=request.output
    )
    return _cell(row, table, asked, script.mode)


def _options_of(cell: Cell, row: TableRow) -> Options:
    groups = {group: to_plain(config) for group, config in cell.resolved.groups().items()}
    method = METHODS.get(row.method)
    idle = {"train": not method.trains, "backbone": not method.uses_backbone}
    options = {
        f"{group}.{key}": value
        for group, values in groups.items()
        for key, value in values.items()
        if not idle.get(group) and key not in UNHASHED.get(group, ())
    }
    return {"backbone": cell.backbone, **options}


def _differing(ours: Options, theirs: Options) -> list[str]:
    names = [*ours, *(name for name in theirs if name not in ours)]
    return [
        f"{name} {_shown(ours.get(name))} (scripts: {_shown(theirs.get(name))})"
        for name in names
        if ours.get(name) != theirs.get(name)
    ]


def _shown(value: object) -> str:
    return "not there" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _scope(where: Sequence[tuple[str, str]], table: Table, columns: Sequence[str]) -> str:
    """Which columns and rows a sentence is about; nothing where it is about all."""
    places = set(where)
    named = [one for one in columns if any(column == one for column, _ in places)]
    rows = [row.name for row in table.runs if any(name == row.name for _, name in places)]
    if len(places) < len(named) * len(rows):
        return " for " + "; ".join(f"{column}, {name}" for column, name in where)
    parts = [", ".join(named)] if len(named) < len(columns) else []
    parts += [f"rows {'; '.join(rows)}"] if len(rows) < len(table.runs) else []
    return f" for {', '.join(parts)}" if parts else ""
