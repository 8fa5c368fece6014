"""Digests of plugins' own source, by which results know whether the code that made them has changed.

A plugin's source is its file or package, and what that imports of the same plugin folder. Nothing is imported here.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.machinery
import importlib.util
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslskel.files import read_regular
from sslskel.plugins.local import LOCAL_FOLDER
from sslskel.plugins.registry import Entry, Registry, once
from sslskel.plugins.syntax import canonical

EQUAL_FILE = Path(__file__).with_name("equal_sources.json")
"""Kind -> built-in plugin -> version -> digests of sources that give the same numbers."""
LENGTH = 32
"""Hex digits of a digest."""


@dataclass(frozen=True)
class _Place:
    """Where a plugin's source lies."""

    root: Path
    """The plugin folder or, of an installed plugin, its whole package."""
    package: str
    """What ``root`` is imported as."""
    main: Path
    """The plugin's file or package."""


def digest_of(registry: Registry[object], name: str) -> str:
    """32 hex digits that stand for the source of a plugin, or of what a preset configures; empty where there is none.

    Comments, docstrings, formatting and names of local variables leave it as it is. Raises ``UsageError`` for a
    name that is unknown or ambiguous.
    """
    entry = registry.entry(registry.plugin_of(name))
    if entry.source == "local":
        return once((registry.kind, "source", name), lambda: source_digest(entry))
    # What was imported stays what it is until the process ends; local plugins alone are loaded again.
    return _of_installed(entry)


@functools.cache
def _of_installed(entry: Entry) -> str:
    return source_digest(entry)


def source_digest(entry: Entry) -> str:
    """As :func:`digest_of`, of an entry itself."""
    place = _place(entry)
    return "" if place is None else _digest(place)


def source_file(entry: Entry) -> Path | None:
    """The file in which a plugin's source begins; None where it has none, as a preset or an imported set."""
    place = _place(entry)
    if place is None:
        return None
    return place.main / "__init__.py" if place.main.is_dir() else place.main


def equal_sources(kind: str, name: str) -> list[frozenset[str]]:
    """Sets of digests of one plugin that are equal in numbers, as this version of sslskel lists them."""
    listed: Mapping[str, Mapping[str, Mapping[str, list[str]]]] = _listed()
    return [frozenset(digests) for digests in listed.get(kind, {}).get(name, {}).values()]


@functools.cache
def _listed() -> Any:
    return json.loads(EQUAL_FILE.read_text(encoding="utf-8"))


def _place(entry: Entry) -> _Place | None:
    if entry.source == "local":
        file = Path(entry.target)
        return _Place(file.parent.parent, LOCAL_FOLDER, file)
    if entry.source == "built-in":
        package, _, name = entry.target.rpartition(".")
        spec = importlib.util.find_spec(package)
        roots = [Path(root) for root in (spec.submodule_search_locations or [] if spec else [])]
        places = [(root, main) for root in roots if (main := _module(root / name))]
        return _Place(places[0][0], package, places[0][1]) if places else None
    if entry.source == "package":
        return _installed(entry.target.partition(":")[0])
    return None


def _installed(module: str) -> _Place | None:
    """Of an installed package, whose parents must not run for this."""
    top, *names = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        file = Path(spec.origin or "")
        return _Place(file.parent, "", file) if file.suffix == ".py" and file.is_file() else None
    for root in map(Path, spec.submodule_search_locations):
        main = _module(root.joinpath(*names)) if names else root / "__init__.py"
        if main is not None and main.exists():
            return _Place(root, top, main)
    return None


def _module(path: Path) -> Path | None:
    """The folder of a package, or the file of a module, by its path without a suffix."""
    if (path / "__init__.py").is_file():
        return path
    file = path.with_name(f"{path.name}.py")
    return file if file.is_file() else None


def _digest(place: _Place) -> str:
    """Over what each file computes, and where it lies beside the plugin."""
    whole, files = hashlib.sha256(), dict[str, bytes]()
    waiting = [place.main]
    while waiting:
        module = waiting.pop()
        for file in sorted(filter(Path.is_file, module.rglob("*.py"))) if module.is_dir() else [module]:
            key = "" if file == place.main else Path(os.path.relpath(file, place.main.parent)).as_posix()
            if key not in files:
                files[key] = read_regular(file)
                waiting += _imported(files[key], file, place)
    for key in sorted(files):
        text = _text(files[key])
        whole.update(f"{key} {len(text)} {text}".encode("ascii", "backslashreplace"))
    return whole.hexdigest()[:LENGTH]


def _text(source: bytes) -> str:
    try:
        return canonical(source)
    except (SyntaxError, ValueError, RecursionError):
        return hashlib.sha256(source).hexdigest()


def _imported(source: bytes, file: Path, place: _Place) -> list[Path]:
    """Modules of the same plugin folder that a file imports, wherever in it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return []
    here = file.parent.relative_to(place.root).parts
    names = {parts for node in ast.walk(tree) for parts in _targets(node, here, place.package)}
    modules = [_module(place.root.joinpath(*parts)) for parts in sorted(names) if parts]
    return [file if file.is_file() else file / "__init__.py" for file in modules if file is not None]


def _targets(node: ast.AST, here: tuple[str, ...], package: str) -> Iterator[tuple[str, ...]]:
    """What an import statement may name below the root, as parts of a path."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _below(alias.name, package)
    elif isinstance(node, ast.ImportFrom):
        module = tuple((node.module or "").split(".")) if node.module else ()
        if not node.level:
            absolute = list(_below(node.module or "", package))
            bases = [()] if package and node.module == package else absolute[-1:]
        else:
            up = node.level - 1
            bases = [(*here[: len(here) - up], *module)] if up <= len(here) else []
        for base in bases:
            yield from (base[:length] for length in range(1, len(base) + 1))
            yield from ((*base, alias.name) for alias in node.names)


def _below(dotted: str, package: str) -> Iterator[tuple[str, ...]]:
    """A dotted name and its parents, where they are of the package."""
    inside = dotted.removeprefix(f"{package}.")
    if package and inside != dotted:
        parts = tuple(inside.split("."))
        yield from (parts[:length] for length in range(1, len(parts) + 1))
