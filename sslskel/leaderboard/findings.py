"""What the numbers of a board show, in sentences: which differences are more than chance, and which are not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sslskel.leaderboard.model import AcrossBenchmarks, BoardCell, Column, RowKey
from sslskel.leaderboard.significance import ALPHA, TestedColumn
from sslskel.results.statistics import FEWEST
from sslskel.text import p_value, percent


def findings(columns: Sequence[Column], tests: Sequence[TestedColumn], names: Mapping[RowKey, str]) -> tuple[str, ...]:
    """Per column: who leads and how surely, and which pretrained rows differ from each one that saw no data."""
    by_column = zip(_leads(columns, tests, names), _comparisons(columns, tests, names), strict=True)
    return tuple(sentence for lead, comparisons in by_column for sentence in (*lead, *comparisons))


def highlights(
    columns: Sequence[Column],
    tests: Sequence[TestedColumn],
    names: Mapping[RowKey, str],
    tables: Sequence[AcrossBenchmarks],
) -> tuple[str, ...]:
    """The findings that tell most, first those that do: ranks over benchmarks, who leads each column, what learning
    gave."""
    of_columns = (*_leads(columns, tests, names), *_comparisons(columns, tests, names))
    return (*rank_findings(tables), *(sentence for own in of_columns for sentence in own))


def _leads(
    columns: Sequence[Column], tests: Sequence[TestedColumn], names: Mapping[RowKey, str]
) -> list[tuple[str, ...]]:
    return [
        (f"{column.title}: {_lead(one, names)}",) if len(one.rows) > 1 else ()
        for column, one in zip(columns, tests, strict=True)
    ]


def _comparisons(
    columns: Sequence[Column], tests: Sequence[TestedColumn], names: Mapping[RowKey, str]
) -> list[tuple[str, ...]]:
    return [
        tuple(f"{column.title}: {sentence}" for sentence in (*_against_own(one, names), *_against_floors(one, names)))
        for column, one in zip(columns, tests, strict=True)
    ]


def _lead(one: TestedColumn, names: Mapping[RowKey, str]) -> str:
    (first, cell), (second, other) = one.rows[:2]
    if cell.summary.mean == other.summary.mean:
        equal = [names[row.key] for row, rest in one.rows if rest.summary.mean == cell.summary.mean]
        return f"{', '.join(equal)} share the highest mean, {_points(cell)}"
    text = f"{names[first.key]} has the highest mean, {_points(cell)}, before {names[second.key]}, {_points(other)}; "
    if one.above_all is not None:
        verdict = "it is" if one.above_all < ALPHA else "it is not shown to be"
        return f"{text}{verdict} above all other rows ({p_value(one.above_all)})"
    if cell.fixed:
        return f"{text}it is one encoder whatever the seed, which claims nothing of other pretrainings"
    if cell.summary.n < FEWEST:
        return f"{text}it has {_pretrainings(cell.summary.n)}, and a claim needs {FEWEST}"
    single = [names[row.key] for row, rest in one.rows if len(rest.sample) < 2]
    if single:
        return f"{text}it cannot be tested against rows of one pretraining: {', '.join(single)}"
    return f"{text}it cannot be tested, for some rows score the same in every pretraining"


def _against_own(one: TestedColumn, names: Mapping[RowKey, str]) -> list[str]:
    """What learning gave each row, beside the same network and views without it."""
    verdicts = _verdicts(one, one.own, names, gains=True)
    return [f"against its own network without learning, in points: {verdicts}"] if one.own else []


def _against_floors(one: TestedColumn, names: Mapping[RowKey, str]) -> list[str]:
    """Only a test over pretrainings lets a row be called better than no pretraining at all."""
    sentences = []
    for floor in sorted({floor for _, floor, _ in one.against}):
        row, cell = one.rows[floor]
        verdicts = _verdicts(one, [(at, cell, p) for at, other, p in one.against if other == floor], names)
        sentences.append(f"against {names[row.key]} ({_points(cell)}), which saw no data: {verdicts}")
    return sentences


def _verdicts(
    one: TestedColumn,
    pairs: Sequence[tuple[int, BoardCell, float | None]],
    names: Mapping[RowKey, str],
    *,
    gains: bool = False,
) -> str:
    """Rows, by how they differ from the other cell of their pair; with ``gains`` also by how much."""
    verdicts: dict[str, list[str]] = {"better": [], "worse": [], "not shown to differ": [], "untested": []}
    for at, other, p in pairs:
        row, cell = one.rows[at]
        gain = cell.summary.mean - other.summary.mean
        kind = "untested"
        if p is not None:
            kind = "not shown to differ" if p >= ALPHA else "better" if gain > 0 else "worse"
        facts = [f"{100 * gain:+.1f}"] if gains else []
        facts.append(_pretrainings(cell.summary.n) if p is None else p_value(p))
        verdicts[kind].append(f"{names[row.key]} ({', '.join(facts)})")
    return "; ".join(f"{kind}: {', '.join(rows)}" for kind, rows in verdicts.items() if rows)


def across_findings(tables: Sequence[AcrossBenchmarks]) -> tuple[str, ...]:
    """Per mean over five benchmarks or more: interquartile means, ranks, and probabilities of improvement."""
    sentences = []
    for table in tables:
        where = _where(table)
        if table.left_out:
            sentences.append(
                f"{where}: left out for a missing number, or for other numbers of pretrainings on other benchmarks:"
                f" {', '.join(table.left_out)}"
            )
        if len(table.rows) < 2:
            continue
        means = ", ".join(f"{row.label} {percent(row.iqm)}{_interval(row.interval)}" for row in table.rows)
        first = table.rows[0]
        chances = ", ".join(
            f"{row.label} {first.improvements[at]:.2f}" for at, row in enumerate(table.rows) if row is not first
        )
        sentences += [
            f"{where}: interquartile mean, % [95 % stratified bootstrap over pretrainings]: {means}",
            *rank_findings([table]),
            f"{where}: probability that a pretraining of {first.label} is above one of: {chances}",
        ]
    return tuple(sentences)


def rank_findings(tables: Sequence[AcrossBenchmarks]) -> tuple[str, ...]:
    """Per mean over five benchmarks or more with two rows or more: their mean ranks."""
    sentences = []
    for table in tables:
        if len(table.rows) < 2:
            continue
        ranks = ", ".join(f"{row.label} {row.rank:.2f}" for row in table.rows)
        first = table.rows[0]
        level = [row.label for row in table.rows[1:] if row.rank - first.rank < table.critical_difference]
        verdict = f"not shown to differ from {', '.join(level)}" if level else "apart from all others"
        sentences.append(
            f"{_where(table)}: mean rank: {ranks}; critical difference {table.critical_difference:.2f} (Nemenyi, 5 %),"
            f" {first.label} is {verdict}"
        )
    return tuple(sentences)


def _where(table: AcrossBenchmarks) -> str:
    return f"{table.title} over {len(table.benchmarks)} benchmarks"


def _interval(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{percent(interval[0])}, {percent(interval[1])}]"


def _pretrainings(count: int) -> str:
    return "one pretraining" if count == 1 else f"{count} pretrainings"


def _points(cell: BoardCell) -> str:
    return f"{percent(cell.summary.mean)} %"
