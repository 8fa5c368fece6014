"""The board of a suite: records that keep its rules, means by task, ranks over benchmarks, gains over no learning."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from sslskel.config.compose import shaping
from sslskel.config.suites import Suite
from sslskel.leaderboard.build import build_board
from sslskel.leaderboard.cells import PerClip
from sslskel.leaderboard.findings import across_findings, rank_findings
from sslskel.leaderboard.labels import names_of
from sslskel.leaderboard.means import across_of, means_of_row
from sslskel.leaderboard.model import Board, Column, Mean, Row
from sslskel.leaderboard.places import without_training
from sslskel.results.record import Record
from sslskel.results.statistics import mean_ranks
from sslskel.text import percent


class Training(Enum):
    """How a record's encoder was trained, by the rules of a suite."""

    own = "as the suite says"
    none = "without learning"
    other = "with other options of clips or training than the suite's"
    unknown = "by a plugin that is not imported to look"


@dataclass(frozen=True)
class ColumnRule:
    """What a record must be of to stand in a column of the suite."""

    benchmark_version: int
    protocol_version: int
    options: Mapping[str, object]
    """Those of the protocol that shape numbers."""


@dataclass(frozen=True)
class SuiteRules:
    """A suite, and what only those who can compose a configuration know of it."""

    suite: Suite
    columns: Mapping[tuple[str, str], ColumnRule]
    """By ``NAME/SPLIT`` and protocol."""
    training: Callable[[Record], Training]

    def broken_by(self, record: Record) -> str:
        """Why a record does not belong on the board; empty where it does."""
        protocol = record.protocol["name"]
        rule = self.columns.get((_place(record), protocol))
        if rule is None:
            return "of other benchmarks or protocols"
        if self.suite.references.get(protocol, record.method["name"]) != record.method["name"]:
            return "of other methods than a reference's"
        if record.preset != self.suite.preset:
            return f"of other presets than {self.suite.preset}"
        versions = record.benchmark["version"], record.protocol["version"]
        if versions != (rule.benchmark_version, rule.protocol_version):
            return "of other versions of a benchmark or protocol than are installed"
        if shaping("protocol", record.config.get("protocol", {})) != rule.options:
            return "with other options of a protocol"
        return Training.other.value if self.training(record) is Training.other else ""


def suite_board(rules: SuiteRules, records: Sequence[Record], per_clip: PerClip | None = None) -> Board:
    """The board of those records that keep the suite's rules; what was left out, and why, stands in its warnings.

    Rows are ranked by their mean rank over the suite's ranked benchmarks, by its first protocol; those that lack a
    number there come last, and none is ranked where a benchmark has no number at all.
    """
    suite = rules.suite
    reasons = [rules.broken_by(record) for record in records]
    whole = [record for record, reason in zip(records, reasons, strict=True) if not reason]
    kept = [record for record in whole if record.protocol["name"] in suite.protocols]
    still = [record for record in kept if rules.training(record) is Training.none]
    learnt = [record for record in kept if rules.training(record) is not Training.none]
    board = build_board(
        learnt, benchmarks=suite.benchmarks, protocols=suite.protocols, per_clip=per_clip, unlearnt=still
    )
    floor = build_board(still, benchmarks=suite.benchmarks, protocols=suite.protocols)
    labelled = [record for record in whole if record.protocol["name"] in suite.references]
    reference = build_board(labelled, benchmarks=suite.benchmarks, protocols=tuple(suite.references))
    means, overall = _means(suite, board.columns)
    gained = overall if suite.untrained else {}
    gains = [replace(mean, title=f"{protocol} gain over no learning") for protocol, mean in gained.items()]
    untrained = {without_training(row.key): row for row in floor.rows}
    rows = [
        _with_means(row, untrained.get(without_training(row.key)), board, floor, means, gains) for row in board.rows
    ]
    ranking = overall.get(suite.protocols[0])
    ranked = _ranked(rows, ranking.columns) if ranking else tuple(replace(row, rank=None) for row in rows)
    across = across_of(board.columns, list(overall.values()), ranked, names_of(ranked))
    return replace(
        board,
        title=f"{suite.title} ({suite.words})",
        rows=ranked,
        means=(*means, *gains),
        across=across,
        findings=(*board.findings, *across_findings(across)),
        highlights=(*rank_findings(across), *board.highlights),
        warnings=(*board.warnings, *_left_out(reasons), *_unfinished(suite, ranked), *_unknown(rules, learnt)),
        notes=(*_notes(suite, floor), *_references(suite, reference), *board.notes),
        commands=tuple(sorted({*board.commands, *floor.commands, *reference.commands})),
    )


def _place(record: Record) -> str:
    return f"{record.benchmark['name']}/{record.benchmark['split']}"


def _means(suite: Suite, columns: Sequence[Column]) -> tuple[tuple[Mean, ...], dict[str, Mean]]:
    """Per protocol the means over ranked benchmarks and over each task of several; the first kind also by protocol.

    Only of groups that have all their columns.
    """
    means, overall = [], {}
    for protocol in suite.protocols:
        at = {f"{one.benchmark}/{one.split}": n for n, one in enumerate(columns) if one.protocol == protocol}
        if at.keys() >= set(suite.ranked):
            overall[protocol] = Mean(f"{protocol} mean", tuple(at[one] for one in suite.ranked))
            means.append(overall[protocol])
        means += [
            Mean(f"{protocol} {task}", tuple(at[one] for one in group))
            for task, group in suite.tasks.items()
            if len(group) > 1 and at.keys() >= set(group)
        ]
    return tuple(means), overall


def _with_means(
    row: Row, untrained: Row | None, board: Board, floor: Board, means: Sequence[Mean], gains: Sequence[Mean]
) -> Row:
    cells = untrained.cells if untrained else ()
    before = {_data(column): cell for column, cell in zip(floor.columns, cells, strict=False)}
    differences = []
    for gain in gains:
        pairs = [(row.cells[at], before.get(_data(board.columns[at]))) for at in gain.columns]
        own = [cell.summary.mean - other.summary.mean for cell, other in pairs if cell and other]
        differences.append(sum(own) / len(own) if len(own) == len(pairs) else None)
    return replace(row, means=(*means_of_row(row.cells, means), *differences))


def _data(column: Column) -> Column:
    return replace(column, title="")


def _ranked(rows: Sequence[Row], places: Sequence[int]) -> tuple[Row, ...]:
    """By mean rank over these columns; the others keep their order, without a rank."""
    whole = [row for row in rows if all(row.cells[at] is not None for at in places)]
    scores = [[cell.summary.mean for at in places if (cell := row.cells[at])] for row in whole]
    ranks = dict(zip((row.key for row in whole), mean_ranks(scores), strict=True)) if whole else {}
    ordered = sorted(whole, key=lambda row: (ranks[row.key], row.key))
    firsts = [ranks[row.key] for row in ordered]
    return (
        *(replace(row, rank=firsts.index(ranks[row.key]) + 1) for row in ordered),
        *(replace(row, rank=None) for row in rows if row.key not in ranks),
    )


def _left_out(reasons: Sequence[str]) -> list[str]:
    counts = sorted(Counter(filter(None, reasons)).items())
    return [f"{count} record{'s' if count > 1 else ''} left out: {reason}" for reason, count in counts]


def _unfinished(suite: Suite, rows: Sequence[Row]) -> list[str]:
    """Rows with fewer pretrainings than the suite asks for; an encoder without chance has one for all seeds."""
    lacking = []
    for row in rows:
        counts = [cell.summary.n for cell in row.cells if cell and not cell.fixed and row.trained]
        fewest = min(counts, default=suite.seeds)
        if fewest < suite.seeds:
            lacking.append(f"{row.label} ({fewest})")
    return [f"fewer than the suite's {suite.seeds} pretrainings: {', '.join(lacking)}"] if lacking else []


def _references(suite: Suite, board: Board) -> list[str]:
    """What a network that starts from new weights and sees every label reaches, per protocol and row."""
    notes = []
    for protocol in suite.references:
        columns = [at for at, column in enumerate(board.columns) if column.protocol == protocol]
        for row in board.rows:
            cells = {f"{board.columns[at].benchmark}/{board.columns[at].split}": row.cells[at] for at in columns}
            known = {place: cell.summary.mean for place, cell in cells.items() if cell}
            shown = [f"{place} {percent(score)}" for place, score in known.items()]
            if known.keys() >= set(suite.ranked):
                shown.append(f"mean {percent(sum(known[place] for place in suite.ranked) / len(suite.ranked))}")
            if shown:
                notes.append(f"supervised reference, not ranked: {row.label} by {protocol}, %: {', '.join(shown)}")
    return notes


def _notes(suite: Suite, floor: Board) -> list[str]:
    """What each task is of, and what stands behind gains."""
    tasks = "; ".join(f"{task}: {', '.join(group)}" for task, group in suite.tasks.items())
    notes = [f"suite {suite.words}: {tasks}; ranks and means over {', '.join(suite.ranked)}"]
    for mean in _means(suite, floor.columns)[1].values():
        known = [(row.label, means_of_row(row.cells, [mean])[0]) for row in floor.rows]
        shown = [f"{label} {percent(value)}" for label, value in known if value is not None]
        if shown:
            notes.append(f"{mean.title} without learning ({' '.join(suite.untrained)}), %: {', '.join(shown)}")
    return notes


def _unknown(rules: SuiteRules, records: Sequence[Record]) -> list[str]:
    """Whose training nobody compared with the suite's."""
    unknown = sorted({record.method["name"] for record in records if rules.training(record) is Training.unknown})
    if not unknown:
        return []
    return [f"not compared with the suite's clips and training, {Training.unknown.value}: {', '.join(unknown)}"]
