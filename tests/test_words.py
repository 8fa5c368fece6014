"""Words that the project does not use, in names and in sentences: one list of each, and what is allowed."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CODE = ("sslskel", "methods", "benchmarks", "examples")
NAMES = {"abilities", "anew", "business", "elsewhere", "found", "given", "mend", "said", "told", "twins", "wish"}
"""Parts of a name in code that say nothing of what it holds."""
ALLOWED_NAMES = {
    "FileNotFoundError": "Python's",
    "ModuleNotFoundError": "Python's",
    "found_inf": "an argument of torch's fused optimisers",
    "leaves_the_encoder_as_found": "a check, whose name is in `expected_failed_checks` of plugins",
}
SENTENCES = re.compile(
    r"""\b(?: abilities | anew | elsewhere | told | he | him | his
    | mend(?:s|ed|ing)? | wish(?:es|ed)? | twins | foul | sound\ checkpoint | unfolds? )\b
    | \w's\ business\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""Words in what people read: strings, docstrings, comments and pages. "not found" and "given" are fine there."""
ALLOWED_SENTENCES = re.compile(
    r"""Barlow\ Twins | He\ et\ al\. | help\ him\ to\ walk""",
    re.VERBOSE | re.IGNORECASE,
)
"""A paper, an author and the name of an action in NTU RGB+D."""


def names(text: str) -> Iterator[str]:
    """Every name that code binds or uses."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.NAME:
            yield token.string


def faults_of_names(text: str) -> list[str]:
    """Names with a part that is listed: ``found_all`` and ``FoundAll`` have two."""
    wrong = []
    for name in sorted({*names(text)} - ALLOWED_NAMES.keys()):
        parts = {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)}
        wrong += [name] if parts & NAMES else []
    return wrong


def faults_of_sentences(text: str) -> list[str]:
    """Listed words of a text, with the words around them."""
    flat = ALLOWED_SENTENCES.sub("", " ".join(text.split()))
    return [flat[max(0, match.start() - 20) : match.end() + 20] for match in SENTENCES.finditer(flat)]


def prose(text: str) -> str:
    """Strings, docstrings and comments of a module."""
    strings = [
        node.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return "\n".join([*strings, *(token.string for token in tokens if token.type == tokenize.COMMENT)])


def pages() -> list[Path]:
    """What people read beside code."""
    measured = ROOT / "docs" / "measured" / "results"
    texts = [page for page in (ROOT / "docs").rglob("*.md") if measured not in page.parents]
    return [*ROOT.glob("*.md"), *texts, *(ROOT / "sslskel").rglob("*.j2"), *(ROOT / "configs").rglob("*.yaml")]


def test_names_in_code() -> None:
    faults = {
        f"{file.relative_to(ROOT)}": wrong
        for folder in CODE
        for file in (ROOT / folder).rglob("*.py")
        if (wrong := faults_of_names(file.read_text(encoding="utf-8")))
    }
    assert faults == {}


def test_sentences_for_people() -> None:
    texts = {file: file.read_text(encoding="utf-8") for file in pages()}
    for folder in CODE:
        texts |= {file: prose(file.read_text(encoding="utf-8")) for file in (ROOT / folder).rglob("*.py")}
    assert {str(file): wrong for file, text in texts.items() if (wrong := faults_of_sentences(text))} == {}


def test_these_checks_can_fail() -> None:
    code = 'found_all, x = 1, "not found, given"\nclass Told: ...\nfound_inf = 3\n'
    assert faults_of_names(code) == ["Told", "found_all"]
    assert faults_of_sentences(prose(code)) == []
    code = '"""Not this module\'s business."""\nx = f"a {1} Barlow Twins, other twins"  # mends it\n'
    assert len(faults_of_sentences(prose(code))) == 3
