"""What a cell's number is of: records of the same weights are one pretraining, evaluated several times."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sslskel.leaderboard.clip_scores import ClipScores
from sslskel.leaderboard.model import BoardCell, Column, Evaluation, Pretraining
from sslskel.results.record import Record
from sslskel.results.statistics import Summary, over_clips, summarise

PerClip = Mapping[str, ClipScores]
"""By the identity of a record."""


def same_weights(records: Sequence[Record]) -> list[list[Record]]:
    """Records in groups that share their weights or their pretraining, each sorted by the evaluation's seed.

    Weights alone do not do: a pretraining that was run again on a GPU has others. Nor does the
    pretraining's identity: methods without chance have one per seed, and the same weights.
    """
    groups: dict[int, list[Record]] = {}
    homes: dict[str, int] = {}
    ordered = sorted(records, key=lambda one: (one.seed, one.identity))
    for number, record in enumerate(ordered):
        met = sorted({homes[name] for name in _names(record) if name in homes})
        groups[number] = [*(one for group in met for one in groups.pop(group)), record]
        homes |= dict.fromkeys((name for one in groups[number] for name in _names(one)), number)
    return [sorted(group, key=lambda one: (one.seed, one.identity)) for group in groups.values()]


def _names(record: Record) -> set[str]:
    return {record.weights_sha256, record.pretrain_identity}


def seed_of(group: Sequence[Record]) -> int:
    """What a group was pretrained with; the lowest seed where it was more than one."""
    return min(record.trained_with for record in group)


def is_fixed(groups: Sequence[Sequence[Record]]) -> bool:
    """True where pretrainings of several seeds gave the same weights: nothing in them is up to chance."""
    names = {(record.pretrain_identity, record.trained_with) for group in groups for record in group}
    return len(groups) == 1 and min(len(set(values)) for values in zip(*names, strict=True)) > 1


def run_twice(groups: Sequence[Sequence[Record]]) -> list[Record]:
    """Records of which no more than one can count: the same seed, judged twice or pretrained twice."""
    for group in groups:
        for one, other in itertools.pairwise(group):
            if one.seed == other.seed:
                return [record for record in group if record.seed == one.seed]
    counts = Counter(map(seed_of, groups))
    twice = next((seed for seed, count in counts.items() if count > 1), None)
    return [group[0] for group in groups if seed_of(group) == twice]


def cell_of(
    column: Column,
    groups: Sequence[Sequence[Record]],
    *,
    leak: bool,
    unproven: bool = False,
    swept: bool = False,
    per_clip: PerClip | None = None,
) -> BoardCell:
    """The number of a row in a column from its groups of records, of which there is one or more."""
    pretrainings = tuple(
        Pretraining(
            seed_of(group),
            tuple(Evaluation(one.seed, one.identity, float(one.scores[column.score])) for one in group),
        )
        for group in sorted(groups, key=seed_of)
    )
    fixed = is_fixed(groups)
    summary = summarise([one.score for one in pretrainings])
    if per_clip is not None:
        summary = _with_clips(summary, pretrainings, per_clip, fixed=fixed)
    return BoardCell(summary, pretrainings, leak, unproven, swept, fixed)


def _with_clips(summary: Summary, pretrainings: Sequence[Pretraining], per_clip: PerClip, *, fixed: bool) -> Summary:
    """The summary with an interval for other test clips too; without one where a score is no mean over clips."""
    tables = [[per_clip.get(one.record) for one in pretraining.evaluations] for pretraining in pretrainings]
    scored = [[one for one in table if one is not None] for table in tables]
    first = next((one for table in scored for one in table), None)
    same = first is not None and all(np.array_equal(one.keys, first.keys) for table in scored for one in table)
    # What another pretraining would change is unknown of a single one, unless all pretrainings are the same.
    if not same or list(map(len, scored)) != list(map(len, tables)) or (len(pretrainings) == 1 and not fixed):
        return replace(summary, interval=None)
    values = np.stack([np.mean([one.values for one in table], axis=0) for table in scored])
    return replace(summary, interval=over_clips(values).interval)
