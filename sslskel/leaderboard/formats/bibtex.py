"""The papers of a board as BibTeX: what plugins say of them and nothing more."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sslskel.leaderboard.formats.latex import escape
from sslskel.leaderboard.model import Board, Literature
from sslskel.text import plain
from sslskel.version import __version__

_YEAR = r"(?:19|20)\d\d"
_OF_METHOD = re.compile(
    rf"(?P<author>[^,]+? (?:et al\.|and [^,]+)), (?P<title>.+?), (?P<venue>[^,;]*?)\s*{_YEAR}(?P<rest>[,;].*)?"
)
_OF_BENCHMARK = re.compile(r"(?P<author>[^:]+): (?P<title>.+?)\. (?P<venue>.+?)\.?")
TITLE = "sslskel: a benchmark framework for self-supervised learning on 3D human skeletons"


def bibtex_text(board: Board) -> str:
    """One entry a paper, the names of all that are its own in ``keywords``, and one for the framework.

    Authors and titles stand in fields of their own where the plugin's line is built as most are; the whole line
    always stands in ``note``.
    """
    papers: dict[str, list[Literature]] = {}
    for one in board.literature:
        if one.paper:
            papers.setdefault(one.paper, []).append(one)
    entries = [_entry(same) for same in papers.values()]
    facts = {"author": "{The sslskel developers}", "title": f"{{{_safe(TITLE)}}}", "version": __version__}
    return "\n".join([*entries, _written("software", "sslskel", facts)])


def _entry(same: Sequence[Literature]) -> str:
    first = same[0]
    match = (_OF_METHOD if first.kind == "method" else _OF_BENCHMARK).fullmatch(first.paper)
    fields = {}
    if match:
        fields = {"author": _authors(match["author"]), "title": f"{{{_safe(match['title'])}}}"}
        if match["venue"]:
            fields["howpublished"] = _safe(match["venue"])
    if first.year is not None:
        fields["year"] = str(first.year)
    fields |= {"note": _safe(first.paper), "keywords": _safe(", ".join(one.name for one in same))}
    return _written("misc", _key(first), fields)


def _safe(text: str) -> str:
    """For LaTeX; without braces of its own, which BibTeX counts, and with hyphens as papers have them."""
    return escape(text.replace("{", "(").replace("}", ")")).replace("{-}", "-")


def _authors(text: str) -> str:
    """As BibTeX lists them: ``A and B``, and ``others`` for those that are not named."""
    named = text.replace(" et al.", " and others")
    return _safe(" and ".join(part.strip() for part in re.split(r",| and ", named) if part.strip()))


def _key(one: Literature) -> str:
    return f"{one.kind}-" + re.sub(r"[^A-Za-z0-9_]+", "-", plain(one.name)).strip("-")


def _written(kind: str, key: str, fields: dict[str, str]) -> str:
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@{kind}{{{key},\n{lines}\n}}\n"
