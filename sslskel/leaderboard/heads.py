"""How well linear heads were trained, by record: a score of one that has not converged is of its schedule too.

Every sentence is a function of the records; nothing here changes a number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sslskel.leaderboard.model import Column, Row, RowKey
from sslskel.results.record import Record
from sslskel.text import percent


@dataclass(frozen=True)
class Head:
    """How the training of a record's head, or of its streams' heads, ended."""

    train_top1: float
    """Accuracy on the training clips, 0 to 1."""
    steps: int
    converged: bool


def head_note(
    position: int, column: Column, records: Sequence[Record], rows: Sequence[Row], names: Mapping[RowKey, str]
) -> str:
    """Training accuracy, steps, and heads that have not converged in a column; empty where no record says so."""
    heads = {record.identity: head for record in records if (head := head_of(record)) is not None}
    parts = []
    for row in rows:
        cell = row.cells[position]
        own = [heads[one] for one in cell.records if one in heads] if cell else []
        if own:
            parts.append(f"{names[row.key]} {_text(own)}")
    return f"{column.title}: heads, accuracy on training clips: {'; '.join(parts)}" if parts else ""


def head_of(record: Record) -> Head | None:
    """What a record says of its head; None where that is nothing, or cannot be read."""
    details = record.extra.get("details")
    if not isinstance(details, dict):
        return None
    share, steps, converged = (details.get(name) for name in ("train_top1", "steps", "converged"))
    if not (isinstance(share, (int, float)) and isinstance(steps, int) and isinstance(converged, bool)):
        return None
    return Head(float(share), steps, converged) if 0 <= share <= 1 and steps >= 0 else None


def _text(heads: Sequence[Head]) -> str:
    steps = sorted({head.steps for head in heads})
    span = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
    text = f"{percent(sum(head.train_top1 for head in heads) / len(heads))} in {span} steps"
    early = sum(not head.converged for head in heads)
    if early:
        text += ", not converged" if early == len(heads) else f", {early} of {len(heads)} not converged"
    return text
