"""One pretraining under several evaluation recipes, as Markdown: scores, what differs, what the recipe changes.

Made from records alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sslskel.leaderboard.cells import same_weights
from sslskel.leaderboard.compare import Comparison
from sslskel.leaderboard.model import Board, mean_words
from sslskel.leaderboard.notes import CHOSEN, best_on_test
from sslskel.leaderboard.recipe_words import ASPECTS, other_options, recipe_words
from sslskel.results.record import CHOSEN_ON_TEST, Record
from sslskel.results.statistics import Summary, summarise
from sslskel.text import EMPTY, escape, fenced, percent, table

OWN, SHARED, BOTH = "its own", "shared by all", "its own, and shared by all"
"""Whose a recipe is."""


@dataclass(frozen=True)
class RecipeRow:
    """The records of one method under one protocol, of at least one seed."""

    protocol: str
    whose: str
    trains: str
    """As of the protocol: nothing, head, or all."""
    records: Sequence[Record]
    width: str = ""
    """How many numbers the head reads of a clip, such as ``6400``; empty where that is not known."""

    @property
    def options(self) -> Mapping[str, object]:
        """Those of the protocol."""
        options: Mapping[str, object] = self.records[0].config["protocol"]
        return options

    @property
    def summary(self) -> Summary:
        """Of the score that ranks, over pretrainings."""
        return _summary([[one.scores[one.primary] for one in group] for group in same_weights(self.records)])


@dataclass(frozen=True)
class MethodRecipes:
    """One method: its recipes and what every one of its own changes beside each that is shared."""

    method: str
    paper: str
    rows: Sequence[RecipeRow]
    """Its own first."""
    sentences: Sequence[str] = ()
    """Comparisons that could not be made."""
    comparisons: Sequence[Comparison] = ()


def own_beside_shared(rows: Sequence[RecipeRow]) -> list[tuple[RecipeRow, RecipeRow]]:
    """Each recipe of the method's own with each shared one; two that are both meet once."""
    pairs = []
    for at, own in enumerate(rows):
        for place, other in enumerate(rows):
            again = own.whose == other.whose == BOTH and place < at
            if own.whose != SHARED and other.whose != OWN and place != at and not again:
                pairs.append((own, other))
    return pairs


def recipe_page(methods: Sequence[MethodRecipes], left_out: Sequence[str], board: Board) -> str:
    """The page. ``board`` is that of all records; it lends its notes, warnings and commands."""
    blocks = [
        "# The same encoders under several evaluation recipes",
        f"{_place(methods)}Each method was pretrained once per seed, and the same encoders were judged by the recipe of"
        " its own paper or code and by those that all methods share. Values: mean ± standard deviation over"
        " pretrainings (how many), in %. What differs inside a table is the recipe and nothing else.",
        *(block for one in methods for block in _method(one)),
        *_orders(methods),
        *(_listed("Left out:", left_out) if left_out else ()),
        *(_listed("Beware:", board.warnings) if board.warnings else ()),
        *_listed("Made:", board.notes),
        f"By:\n\n{fenced(board.commands)}",
    ]
    return "\n\n".join(blocks) + "\n"


def _place(methods: Sequence[MethodRecipes]) -> str:
    """What was judged on and at which sizes; nothing without a record."""
    records = [record for one in methods for row in one.rows for record in row.records]
    places = dict.fromkeys(f"{one.benchmark['name']}/{one.benchmark['split']}, preset {one.preset}" for one in records)
    return f"On {escape('; '.join(places))}. " if places else ""


def _method(one: MethodRecipes) -> list[str]:
    """A section: the table, what differs option by option, and what the recipe changes."""
    head = ["recipe", "whose", "numbers of a clip", *ASPECTS, "score", "value"]
    tested = [_best_on_test(row) for row in one.rows]
    more = [f"best, {CHOSEN_ON_TEST}"] if any(tested) else []
    lines = [
        [
            row.protocol,
            row.whose,
            row.width or EMPTY,
            *recipe_words(row.options, row.trains).values(),
            row.records[0].primary,
            mean_words(row.summary),
            *([best or EMPTY] if more else []),
        ]
        for row, best in zip(one.rows, tested, strict=True)
    ]
    pairs = own_beside_shared(one.rows)
    blocks = [f"## {escape(one.method)}", *([escape(one.paper)] if one.paper else [])]
    if all(row.whose == SHARED for row in one.rows):
        blocks.append("No recipe of its own is known here.")
    blocks.append(table([*head, *more], [[*map(escape, line)] for line in lines], range(len(head) - 1, len(head) + 1)))
    differences = [
        f"{row.protocol}, beside {other.protocol}: {'; '.join(other_options(row.options, other.options))}"
        for row, other in pairs
        if _family(row) == _family(other)
    ]
    blocks += (
        _listed("Options that differ, those of the shared recipe in brackets:", differences) if differences else []
    )
    changes = [*_range(one.rows), *(comparison.words() for comparison in one.comparisons), *one.sentences]
    return [*blocks, *(_listed("What the recipe changes:", changes) if changes else [])]


def _family(row: RecipeRow) -> frozenset[str]:
    """Protocols that have the same options are recipes of one."""
    return frozenset(row.options)


def _range(rows: Sequence[RecipeRow]) -> list[str]:
    """How far apart the recipes of one score put the same encoders."""
    scores = [(row.summary.mean, row.protocol) for row in rows if row.records[0].primary == rows[0].records[0].primary]
    if len(scores) < 2:
        return []
    (low, worst), (high, best) = min(scores), max(scores)
    return [
        f"the same encoders score from {percent(low)} ({worst}) to {percent(high)} ({best}): {percent(high - low)}"
        " points between recipes"
    ]


def _orders(methods: Sequence[MethodRecipes]) -> list[str]:
    """Where there are several methods: their order under each shared recipe, and each under its own."""
    if len(methods) < 2:
        return []
    shared = dict.fromkeys(row.protocol for one in methods for row in one.rows if row.whose != OWN)
    orders = {f"under {name}": [_of(one, name) for one in methods] for name in shared}
    orders["each under its own recipe"] = [
        next((row for row in one.rows if row.whose != SHARED), None) for one in methods
    ]
    sentences = []
    for title, rows in orders.items():
        scored = [(row.summary.mean, one.method) for row, one in zip(rows, methods, strict=True) if row is not None]
        if len(scored) > 1:
            ranked = sorted(scored, key=lambda pair: -pair[0])
            signs = [" = " if left == right else " > " for (left, _), (right, _) in pairwise(ranked)]
            words = [f"{name} {percent(score)}" for score, name in ranked]
            line = words[0] + "".join(sign + word for sign, word in zip(signs, words[1:], strict=True))
            sentences.append(f"{title}: {line}")
    return ["## The order of the methods", *_listed("By their means, which may differ by noise:", sentences)]


def _of(one: MethodRecipes, protocol: str) -> RecipeRow | None:
    return next((row for row in one.rows if row.protocol == protocol), None)


def _summary(groups: Sequence[Sequence[float]]) -> Summary:
    return summarise([summarise([*group]).mean for group in groups])


def _best_on_test(row: RecipeRow) -> str:
    """The best test epoch, head or checkpoint, where every record has one; else empty."""
    for of in CHOSEN:
        groups = [[best_on_test(record, of) for record in group] for group in same_weights(row.records)]
        known = [[share for share in group if share is not None] for group in groups]
        if [*map(len, known)] == [*map(len, groups)]:
            return f"{mean_words(_summary(known))} {of}"
    return ""


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    return ["\n".join([title, "", *(f"- {escape(line)}" for line in lines)])]
