"""What a plugin is in its own words: the first line of its source, or the title of a preset. Nothing is imported."""

from __future__ import annotations

import ast
from pathlib import Path

from sslskel.errors import UsageError
from sslskel.files import read_regular
from sslskel.plugins.registry import Entry
from sslskel.plugins.source import source_file
from sslskel.plugins.yaml_file import read_yaml


def first_line(entry: Entry) -> str:
    """One line; empty where a plugin says nothing of itself, or cannot be read."""
    try:
        if entry.source == "preset":
            content = read_yaml(Path(entry.target), entry.origin)
            return str(content.get("title", "")) if isinstance(content, dict) else ""
        file = source_file(entry)
        text = "" if file is None else ast.get_docstring(ast.parse(read_regular(file)))
    except (OSError, SyntaxError, ValueError, RecursionError, UsageError):
        return ""
    return (text or "").partition("\n")[0]
