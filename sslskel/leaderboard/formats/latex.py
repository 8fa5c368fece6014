"""The board as a LaTeX table for a paper; needs the booktabs package alone.

Whatever a name holds, it stays text: nothing in it can end a cell or run a command.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from sslskel.leaderboard.model import Board, Row
from sslskel.leaderboard.wording import PUBLISHED, PUBLISHED_FACTS, facts_of, legend, number, published_facts
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


def latex_text(board: Board) -> str:
    """A ``table`` float with the numbers, and below it how to read them and what they show."""
    if not board.rows:
        return "% There are no records yet.\n"
    facts, shared = facts_of(board)
    titles = [*(fact.title for fact in facts), *(column.title for column in board.columns)]
    columns = "l" * len(facts) + "r" * (len(board.columns) + len(board.means))
    lines = [
        r"% \usepackage{booktabs}",
        *(f"% {_comment(command)}" for command in board.commands),
        r"\begin{table}[t]",
        r"\centering\footnotesize",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _line([*map(_heading, titles), *(_heading(mean.title) for mean in board.means)]),
        r"\midrule",
        *(_line([*(escape(fact.of(row)) for fact in facts), *_numbers(row)]) for row in board.rows),
        r"\bottomrule",
        r"\end{tabular}",
        rf"\par\medskip\raggedright {escape(' '.join(filter(None, (legend(board), shared))))}",
        *(_published(board) if board.published else ()),
    ]
    for sentence in (*board.findings, *board.warnings, *board.notes):
        lines.append(rf"\par {escape(sentence)}")
    return "\n".join([*lines, r"\end{table}"]) + "\n"


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


def _numbers(row: Row) -> list[str]:
    numbers = [escape(number(cell)) for cell in row.cells]
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
