"""The board as a LaTeX table for a paper: caption, label, notes below; needs the booktabs package alone.

Whatever a name holds, it stays text: nothing in it can end a cell or run a command.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import groupby

from sslskel.leaderboard.model import Board, Row
from sslskel.leaderboard.wording import (
    PUBLISHED,
    PUBLISHED_FACTS,
    SHORT,
    Shown,
    counted,
    facts_of,
    marks_of,
    number_parts,
    published_facts,
    scores_of,
    short_titles,
    title,
)
from sslskel.text import percent, plain

COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"{\char34}",
    "-": "{-}",
    "`": r"{\char96}",
    "'": r"{\char39}",
    "±": r"$\pm$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"{\S}",
}
"""Each character alone, so that no two of them make a ligature, a quotation or an argument."""
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
"""Combining character -> the accent command that every font encoding has."""


def latex_text(board: Board, shown: Shown = SHORT) -> str:
    """A ``table`` float with the numbers, and below it how to read them; with details also what they show."""
    if not board.rows:
        return "% There are no records yet.\n"
    facts, shared = facts_of(board, short=not shown.details)
    counts = counted(board, shown)
    lines = [
        r"% \usepackage{booktabs}",
        *(f"% {_comment(command)}" for command in board.commands),
        r"\begin{table}[t]",
        r"\centering\footnotesize",
        rf"\caption{{{escape(f'{_named(board)}. {scores_of(board, shown)}')}}}",
        rf"\label{{tab:{_label(board)}}}",
        rf"\begin{{tabular}}{{{'l' * len(facts) + 'r' * (len(board.columns) + len(board.means))}}}",
        r"\toprule",
        *_headings(board, [fact.title for fact in facts], shown),
        r"\midrule",
        *(_line([*(escape(fact.of(row)) for fact in facts), *_numbers(row, shown, counts)]) for row in board.rows),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\par\medskip\raggedright {escape(' '.join([*marks_of(board), shared]))}".rstrip(),
        *(_published(board) if shown.details and board.published else ()),
    ]
    sentences = (*board.findings, *board.warnings, *board.notes) if shown.details else board.warnings
    return "\n".join([*lines, *(rf"\par {escape(sentence)}" for sentence in sentences), r"\end{table}"]) + "\n"


def _named(board: Board) -> str:
    """What a caption calls the board: where all of its columns are of, or all that they are of."""
    return title(board).removeprefix("Leaderboard: ")


def _label(board: Board) -> str:
    """Of letters, digits and dashes alone."""
    return re.sub(r"[^a-z0-9]+", "-", _named(board).lower()).strip("-")[:60] or "board"


def _headings(board: Board, facts: list[str], shown: Shown) -> list[str]:
    """A line of titles; above it where each group of columns was measured, if that differs."""
    means = [mean.title for mean in board.means]
    if shown.details:
        return [_line(map(_heading, [*facts, *(column.title for column in board.columns), *means]))]
    places = [f"{column.benchmark}/{column.split}" for column in board.columns]
    titles = [*short_titles(board.columns)[1]]
    above, rules, at = list[str](), list[str](), len(facts) + 1
    for place, group in groupby(places):
        count = len([*group])
        above.append(rf"\multicolumn{{{count}}}{{c}}{{{escape(place)}}}")
        rules.append(rf"\cmidrule(lr){{{at}-{at + count - 1}}}")
        at += count
    if len({*places}) < 2:
        return [_line(map(_heading, [*facts, *titles, *means]))]
    titles = [one.removeprefix(place).strip() for one, place in zip(titles, places, strict=True)]
    grouped = _line([*[""] * len(facts), *above, *[""] * len(means)])
    return [f"{grouped} {' '.join(rules)}", _line(map(_heading, [*facts, *titles, *means]))]


def _published(board: Board) -> list[str]:
    """A second table; sources are long, so that rows name them by number."""
    sources = sorted({row.source for row in board.published})
    titles = [*PUBLISHED_FACTS, *(column.title for column in board.columns), "source"]
    lines = [
        rf"\par\medskip {escape(PUBLISHED)}",
        r"\par\medskip\centering",
        rf"\begin{{tabular}}{{{'l' * len(PUBLISHED_FACTS) + 'r' * (len(board.columns) + 1)}}}",
        r"\toprule",
        _line(map(_heading, titles)),
        r"\midrule",
    ]
    for row in board.published:
        words = [*published_facts(row), *map(percent, row.values), f"({sources.index(row.source) + 1})"]
        lines.append(_line(rf"\emph{{{escape(word)}}}" for word in words))
    listed = " ".join(f"({at}) {escape(source)}." for at, source in enumerate(sources, 1))
    return [*lines, r"\bottomrule", r"\end{tabular}", rf"\par\medskip\raggedright Sources: {listed}"]


def _heading(title: str) -> str:
    """A title with a line for each of its words, since columns hold numbers and should stay narrow."""
    stacked = r"\\".join(map(escape, title.split()))
    return rf"\begin{{tabular}}[b]{{@{{}}c@{{}}}}{stacked}\end{{tabular}}"


def _numbers(row: Row, shown: Shown, counts: bool) -> list[str]:
    parts = (number_parts(cell, counts=counts, intervals=shown.intervals) for cell in row.cells)
    numbers = [escape(" ".join(one)) for one in parts]
    bold = [
        rf"\textbf{{{text}}}" if cell and cell.bold else text for text, cell in zip(numbers, row.cells, strict=True)
    ]
    return [*bold, *(escape(percent(mean)) for mean in row.means)]


def _line(words: Iterable[str]) -> str:
    return " & ".join(words) + r" \\"


def escape(text: str) -> str:
    """Text in which no character means anything to LaTeX; one it cannot set becomes its code point."""
    return "".join(map(_escaped, plain(text)))


def _escaped(character: str) -> str:
    if character in COMMANDS:
        return COMMANDS[character]
    if character.isascii():
        # A bracket after the end of a line would be read as that command's argument.
        return f"{{{character}}}" if character in "[]*" else character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in ACCENTS:
        return rf"\{ACCENTS[parts[1]]}{{{parts[0]}}}"
    return rf"\texttt{{U+{ord(character):04X}}}"


def _comment(command: str) -> str:
    return "".join(c if c.isascii() else f"U+{ord(c):04X}" for c in plain(command))
