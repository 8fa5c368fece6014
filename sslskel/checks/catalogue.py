"""The table of methods that ``sslskel list methods --table`` prints, made from what is registered.

Each fact comes from the plugin itself: its card, its options, its file. Nothing is
measured here.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Collection
from pathlib import Path
from typing import get_type_hints

from sslskel.api.method import PretextMethod
from sslskel.config.groups import Stream
from sslskel.errors import UsageError
from sslskel.plugins.registry import METHODS, Entry
from sslskel.text import table

SOURCES = ("built-in", "package", "local", "preset")
HEADER = (
    "method",
    "paper",
    "year",
    "family",
    "backbone",
    "streams",
    "lines",
    "tested against recorded runs of",
    "differences of released code from the paper",
)


def lines_of_code(file: Path) -> int:
    """Lines of a Python file that are neither blank, comment nor docstring."""
    text = file.read_text(encoding="utf-8")
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    # A string that stands alone documents what is before it.
    strings = [
        node
        for outer in ast.walk(ast.parse(text))
        if isinstance(outer, documented)
        for node in outer.body
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    prose = {line for node in strings for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    lines = enumerate(text.splitlines(), start=1)
    return sum(bool(line.strip()) and not line.strip().startswith("#") and at not in prose for at, line in lines)


def _files(plugin: type[PretextMethod]) -> list[Path]:
    """The plugin's module, or all modules of a package that holds one plugin."""
    file = Path(inspect.getsourcefile(plugin) or "")
    return sorted(file.parent.rglob("*.py")) if file.name == "__init__.py" else [file]


def _streams(plugin: type[PretextMethod]) -> str:
    hints = get_type_hints(plugin.Config)
    fields = {field.name for field in dataclasses.fields(plugin.Config)}
    if "streams" in fields and hints["streams"] == list[Stream]:
        return "1 to 3 at once"
    return "one of 3"


def _cells(entry: Entry) -> list[str]:
    try:
        plugin = METHODS.get(entry.name)
    except UsageError:
        return [f"`{entry.name}`", "cannot be loaded; `sslskel list methods --check` says why", *["-"] * 7]
    card, preset = plugin.card, METHODS.preset(entry.name)
    shared = entry.source == "preset"
    paper = str(preset.get("paper", card.paper))
    years = re.findall(r"\b(?:19|20)\d\d\b", paper) if shared else [str(card.year or "-")]
    return [
        f"`{entry.name}`",
        paper or "-",
        years[0] if years else "-",
        card.family or "-",
        f"`{plugin.default_backbone}`" if plugin.uses_backbone else "-",
        _streams(plugin),
        f"as `{METHODS.plugin_of(entry.name)}`" if shared else str(sum(map(lines_of_code, _files(plugin)))),
        card.checked or _unchecked(plugin, paper),
        card.departures or "-",
    ]


def _unchecked(plugin: type[PretextMethod], paper: str) -> str:
    """What stands for recorded runs where there are none."""
    if plugin.card.described:
        return "none: after the description"
    return "paper only" if plugin.trains and paper else "-"


def method_table(sources: Collection[str] = SOURCES) -> str:
    """Every method and preset that is found here as a Markdown table, by name; or those of some ``sources``."""
    entries = [entry for entry in METHODS.entries() if entry.source in sources]
    return table(HEADER, ([cell.replace("|", "/") for cell in _cells(entry)] for entry in entries)) + "\n"
