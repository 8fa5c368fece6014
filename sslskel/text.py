"""How text is written for people, whatever it is about: numbers, durations, sizes, Markdown.

Knows no object of the package. For the wording of boards see ``leaderboard/wording.py``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

EMPTY = "-"
"""Stands where there is no number."""


def percent(share: float | None) -> str:
    """A share as % with one decimal; never ``-0.0``."""
    return EMPTY if share is None else f"{round(100 * share, 1) + 0.0:.1f}"


def p_value(chance: float) -> str:
    """``p = 0.012``; tiny ones as ``p < 0.001``."""
    return "p < 0.001" if chance < 0.001 else f"p = {chance:.3f}"


def duration(seconds: float) -> str:
    """Seconds, whole minutes, or hours with one decimal."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def short_duration(seconds: float) -> str:
    """As :func:`duration`, with a decimal where it is short."""
    return f"{seconds:.1f} s" if seconds < 90 else duration(seconds)


def mebibytes(count: float, digits: int = 1) -> str:
    """A number of bytes in MiB."""
    return f"{count / 2**20:,.{digits}f} MiB"


def counted(number: int, name: str) -> str:
    """``1 cell``, ``2 cells``: a number of things with a regular plural."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def is_unicode(text: str) -> bool:
    """Whether text can be written to files; bytes of a path that are no text arrive as halves of surrogate pairs."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def printable(text: str) -> str:
    """Text in which nothing but line ends and tabs can steer a terminal; what could is written as an escape."""
    if text.replace("\n", "").replace("\t", "").isprintable():
        return text
    return "".join(character if character in "\n\t" else _shown(character) for character in text)


PLAIN_SIGNS = ((" ± ", "+/-"), ("†", "*"), ("‡", "#"))
"""Signs of boards, and what stands for them where a terminal lacks them: as wide, so that columns stay in line."""


def in_encoding(text: str, encoding: str) -> str:
    """Text that an encoding can write: signs of boards by their plain forms, other characters as escapes."""
    for sign, form in PLAIN_SIGNS:
        try:
            sign.encode(encoding)
        except UnicodeEncodeError:
            text = text.replace(sign, form)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def plain(text: object) -> str:
    """Text on one line that cannot steer a terminal, hide or reverse the text next to it."""
    words = str(text)
    # What is printable has no other white space than blanks, and nothing that is escaped.
    return words if words.isprintable() else "".join(map(_visible, words))


def _visible(character: str) -> str:
    return " " if character.isspace() else _shown(character)


def _shown(character: str) -> str:
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"):
        return f"\\u{{{ord(character):x}}}"
    return character


def escape(text: str) -> str:
    """Text in which no character means anything to Markdown, HTML or GitHub's mentions and mathematics."""
    safe = re.sub(r"([\\`*\[\]<>|~$&#])", r"\\\1", plain(text))
    safe = re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\\_", safe)
    return re.sub(r"@|:(?=//)|(?<=\bwww)\.", lambda match: f"&#{ord(match[0])};", safe, flags=re.IGNORECASE)


def fenced(commands: Sequence[str]) -> str:
    """A code block whose fence is longer than any row of backticks inside."""
    safe = [plain(command) for command in commands]
    longest = max((len(run) for text in safe for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}sh" if longest < 3 else fence, *safe, fence])


def table(titles: Sequence[str], rows: Iterable[Iterable[str]], numbers: range = range(0)) -> str:
    """A Markdown table of cells that are Markdown already; columns (from 0) of ``numbers`` are set to the right."""
    rule = ["---:" if column in numbers else "---" for column in range(len(titles))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (titles, rule, *rows))
