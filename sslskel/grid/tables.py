"""The files of papers' tables and scripts, and what each row of a table asks for.

A table is a file of ``configs/table``, the scripts that made its numbers a file of ``configs/script``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sslskel.config.compose import option_names
from sslskel.config.groups import Stream
from sslskel.config.interpolation import refuse_interpolations
from sslskel.config.modes import mode_overrides
from sslskel.errors import UsageError
from sslskel.grid.request import GridRequest
from sslskel.plugins.registry import METHODS, config_names, only_file
from sslskel.plugins.yaml_file import read_yaml


@dataclass(frozen=True)
class TableRow:
    """One line of a paper's table."""

    name: str
    method: str
    """Empty for a row that does not run here."""
    backbone: str | None = None
    """None for the method's own."""
    overrides: tuple[str, ...] = ()
    scaled: Mapping[str, float] = field(default_factory=dict)
    """Option -> factor on the value that the preset gives it."""
    published: tuple[float | None, ...] = ()
    """In %, one per column of the table; None where the paper prints none."""
    printed_of: str = ""
    """What model the printed numbers are of, where that is not the row's own."""
    streams: Mapping[str, float] = field(default_factory=dict)
    """Stream -> weight of its answers: a network is trained on each, and their logits are added. Empty for one."""
    absent: str = ""
    """Why the row does not run here, as the end of a sentence; empty for one that does."""
    protocol: str | None = None
    """None for the table's."""


@dataclass(frozen=True)
class Difference:
    """Something that two of paper, script and this project do differently, and that no option tells."""

    says: str
    benchmarks: tuple[str, ...] = ()
    """Those, as columns name them, that it is about; all where there are none."""
    protocols: tuple[str, ...] = ()
    """Those that it is about; all where there are none."""

    def meets(self, table: Table) -> bool:
        """Whether it is about a protocol and a column of the table."""
        columns = {part.partition("/")[0] for column in table.published for part in column.split(" from ")}
        under = not self.protocols or table.protocol in self.protocols
        return under and (not self.benchmarks or bool(columns & set(self.benchmarks)))


@dataclass(frozen=True)
class Script:
    """The released scripts that made a table's numbers."""

    name: str
    code: str
    """Repository and commit."""
    preset: str
    mode: str
    """Preset and mode in which runs here have the options of the scripts."""
    data: Mapping[str, str]
    """Benchmark of a column -> the benchmark that is prepared as the scripts had it, where that is another one."""
    here: tuple[Difference, ...]
    """What is done otherwise here than in the scripts."""
    paper: tuple[Difference, ...]
    """What the scripts do otherwise than the paper says."""


@dataclass(frozen=True)
class Table:
    """A paper's table: what it varies, and what it printed for which benchmark."""

    name: str
    title: str
    paper: str
    note: str
    protocol: str
    published: tuple[str, ...]
    """Columns as BENCHMARK/SPLIT, in transfers with what was pretrained on: BENCHMARK/SPLIT from BENCHMARK."""
    rows: tuple[TableRow, ...]
    score: str | None = None
    """Which score of the protocol is compared; None for the one that ranks."""
    condition: str | None = None
    """Which condition's predictions are paired, where the protocol has several."""
    script: Script | None = None

    @property
    def runs(self) -> tuple[TableRow, ...]:
        """The rows that run here; there is one at least."""
        return tuple(row for row in self.rows if not row.absent)


def tables() -> list[str]:
    """Names of the tables."""
    return config_names("table")


def scripts() -> list[str]:
    """Names of the papers' scripts."""
    return config_names("script")


def read_table(name: str) -> Table:
    """A table by name. Raises ``UsageError`` for one that is unknown or cannot be read."""
    content = _content("table", name)
    try:
        columns = _texts(content, "published")
        rows = tuple(_row(row, len(columns)) for row in content["rows"])
        options = {name: content[name] for name in ("score", "condition") if name in content}
        _require_texts(content, ("title", "paper", "note", "protocol", "score", "condition", "script"))
        twice = [one for one, count in Counter(row.name for row in rows).items() if count > 1]
        if twice:
            raise ValueError(f"two rows are named '{twice[0]}'; give each a name of its own")
        if all(row.absent for row in rows):
            raise ValueError("no row has a method, so that nothing would run")
        script = read_script(content["script"]) if "script" in content else None
        note = content.get("note", "")
        made = Table(name, content["title"], content["paper"], note, content["protocol"], columns, rows, **options)
        return replace(made, script=script)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise UsageError(f"table {only_file('table', name)} cannot be read: {str(fault).splitlines()[0]}") from fault


def read_script(name: str) -> Script:
    """A paper's scripts by name. Raises ``UsageError`` for what is unknown or cannot be read."""
    content = _content("script", name)
    try:
        _require_texts(content, ("code", "preset", "mode"))
        here, paper = (tuple(map(_difference, content.get(group, ()))) for group in ("here", "paper"))
        data = {str(column): str(benchmark) for column, benchmark in content.get("data", {}).items()}
        return Script(name, content["code"], content["preset"], content["mode"], data, here, paper)
    except (KeyError, TypeError, ValueError, AttributeError) as fault:
        raise UsageError(f"script {only_file('script', name)} cannot be read: {str(fault).splitlines()[0]}") from fault


def _content(what: str, name: str) -> Mapping[str, Any]:
    file = only_file(what, name)
    where = f"{what} {file}"
    content = read_yaml(file, where)
    refuse_interpolations(content, where)
    if not isinstance(content, dict):
        raise UsageError(f"{where} cannot be read: it must be a mapping")
    return content


def _require_texts(content: Mapping[str, Any], names: Iterable[str]) -> None:
    """Raise ``ValueError`` where one of these is there and no text."""
    odd = [name for name in names if name in content and not isinstance(content[name], str)]
    if odd:
        raise ValueError(f"'{odd[0]}' is {content[odd[0]]!r:.40}; give it text")


def _texts(content: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """A list of texts; none where it is not there. Raises ``ValueError`` for anything else."""
    values = content.get(name, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"'{name}' is {values!r:.60}; give it a list of texts")
    return tuple(values)


def _difference(content: str | Mapping[str, Any]) -> Difference:
    if isinstance(content, str):
        return Difference(content)
    unknown = sorted(map(str, set(content) - {"says", "benchmarks", "protocols"}))
    if unknown:
        raise ValueError(f"a difference has {', '.join(unknown)}; it takes says, benchmarks and protocols")
    _require_texts(content, ("says",))
    return Difference(content["says"], tuple(content.get("benchmarks", ())), tuple(content.get("protocols", ())))


def _row(content: Mapping[str, Any], columns: int) -> TableRow:
    _require_texts(content, ("name", "method", "printed_of", "absent", "protocol"))
    if ("method" in content) == bool(content.get("absent")):
        raise ValueError(f"row '{content['name']}' needs a method, or in 'absent' why it does not run here")
    factors = dict(content.get("scaled", {}))
    wrong = next((option for option, factor in factors.items() if not _is_number(factor)), None)
    if wrong is not None:
        raise ValueError(f"row '{content['name']}' scales {wrong} by {factors[wrong]!r:.40}; give a number")
    published = tuple(content.get("published", (None,) * columns))
    odd = [value for value in published if value is not None and not _is_number(value)]
    if odd:
        raise ValueError(f"row '{content['name']}' has the published number {odd[0]!r:.40}; give a number, or null")
    if len(published) != columns:
        raise ValueError(f"row '{content['name']}' has {len(published)} published numbers, the table {columns} columns")
    return TableRow(
        content["name"],
        content.get("method", ""),
        content.get("backbone"),
        _texts(content, "overrides"),
        factors,
        published,
        content.get("printed_of", ""),
        _streams(content),
        content.get("absent", ""),
        content.get("protocol"),
    )


def _streams(content: Mapping[str, Any]) -> dict[str, float]:
    """The weights of a row's streams. Raises ``ValueError`` where they are not two or more, each with a weight."""
    weights, known = dict(content.get("streams", {})), [stream.value for stream in Stream]
    odd = next((name for name, weight in weights.items() if name not in known or not _is_weight(weight)), None)
    if odd is not None or len(weights) == 1:
        raise ValueError(
            f"row '{content['name']}' has the streams {weights!r:.60}; give two or more of {', '.join(known)}, each"
            " with a positive weight"
        )
    return weights


def _is_weight(value: object) -> bool:
    return _is_number(value) and float(str(value)) > 0


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9


def request_of_row(row: TableRow, table: Table, request: GridRequest, mode: str | None = None) -> GridRequest:
    """What one row that runs here asks for, in one of ``sslskel.config.modes``; a variant for each of its streams.

    Raises ``UsageError`` where a multiplied option is not a whole number, or no row has the mode.
    """
    judge = row.protocol or table.protocol
    plain = replace(request, methods=(row.method,), protocols=(judge,), backbone=row.backbone, overrides=())
    scaled = _scaled(row, table, replace(plain, seeds=(0,), init=None))
    moded = _moded(row, table, mode) if mode else []
    # As variants, so that titles and logs of jobs say what tells a row, and a stream, from the others.
    streams = [[f"clip.stream={stream}"] for stream in row.streams] or [[]]
    variants = tuple((*row.overrides, *scaled, *moded, *stream, *request.overrides) for stream in streams)
    return replace(plain, variants=variants)


def _moded(row: TableRow, table: Table, mode: str) -> list[str]:
    """Those overrides of a mode whose options the row has: rows that train nothing have no bodies to leave out."""
    every = mode_overrides(mode, [one.method for one in table.runs])
    own = option_names(row.method, row.backbone or METHODS.get(row.method).default_backbone, None)
    return [override for override in every if override.partition("=")[0] in own]


def _scaled(row: TableRow, table: Table, request: GridRequest) -> list[str]:
    """Overrides that multiply what the preset says; ``UsageError`` where that is not a whole number."""
    if not row.scaled:
        return []
    [cell] = request.cells()
    plain, overrides = cell.resolved.plain(), []
    for option, factor in row.scaled.items():
        group, key = option.split(".")
        value = plain[group][key] * factor
        if value != round(value) or value < 1:
            raise UsageError(
                f"{table.name}, row '{row.name}' needs {option} = {plain[group][key]} x {factor:g}, which is not a"
                " whole number; choose another --preset"
            )
        overrides.append(f"{option}={round(value)}")
    return overrides
