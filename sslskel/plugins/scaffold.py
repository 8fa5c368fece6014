"""Writes the first version of a plugin and its test: a method, backbone or protocol that already works."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sslskel.errors import UsageError
from sslskel.files import publish, writing_in
from sslskel.paths import working_folder
from sslskel.plugins.local import LOCAL_FOLDER
from sslskel.plugins.registry import BACKBONES, COMMON, METHODS, PROTOCOLS, Registry

TEMPLATES = Path(__file__).with_name("templates")


def new_method(stem: str, root: Path | None = None) -> list[Path]:
    """Write a method ``stem`` and its test; return the two files.

    In a checkout of sslskel they go to ``methods/`` and ``tests/methods/``; otherwise to ``sslskel_plugins/``, where
    the commands look from the same working directory. Raises ``UsageError`` for a name that is taken, is not an
    identifier, or would overwrite a file, and ``RunError`` where the disk takes only one of them; then neither is
    there.
    """
    return _written(METHODS, stem, root)


def new_backbone(stem: str, root: Path | None = None) -> list[Path]:
    """Write a backbone ``stem`` and its test; otherwise as :func:`new_method`.

    In a checkout they go to ``sslskel/backbones/`` and ``tests/backbones/``.
    """
    return _written(BACKBONES, stem, root)


def new_protocol(stem: str, root: Path | None = None) -> list[Path]:
    """Write a protocol ``stem`` and its test; otherwise as :func:`new_method`.

    In a checkout they go to ``sslskel/protocols/`` and ``tests/protocols/``.
    """
    return _written(PROTOCOLS, stem, root)


def _written(known: Registry[type], stem: str, root: Path | None) -> list[Path]:
    kind = known.kind
    if not re.fullmatch(r"[a-z][a-z0-9_]*", stem) or keyword.iskeyword(stem):
        raise UsageError(f"'{stem}' cannot name a {kind}; use lower-case letters, digits and _, for instance my_idea")
    if stem == COMMON:
        raise UsageError(f"'{stem}' names what plugins of one folder share, never a {kind}; choose another name")
    if stem in known.names():
        raise UsageError(f"there is a {kind} '{stem}' already ({known.entry(stem).origin}); choose another name")
    root = working_folder() if root is None else root
    code, test = f"{kind}.py.j2", f"{kind}_test.py.j2"
    if (root / "sslskel" / "plugins" / "registry.py").is_file() and (root / "methods").is_dir():
        folder = root / "methods" if kind == "method" else root / "sslskel" / f"{kind}s"
        files = {folder / f"{stem}.py": code, root / "tests" / f"{kind}s" / f"test_{stem}.py": test}
    else:
        base = root / LOCAL_FOLDER
        files = {base / f"{kind}s" / f"{stem}.py": code, base / "tests" / f"test_{stem}_{kind}.py": test}
    taken = [file for file in files if file.exists()]
    if taken:
        raise UsageError(f"{taken[0]} exists already; choose another name or remove it")
    templates = Environment(loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, keep_trailing_newline=True)
    name = "".join(word.capitalize() for word in stem.split("_"))
    _publish_all({file: templates.get_template(made).render(stem=stem, name=name) for file, made in files.items()})
    return list(files)


def _publish_all(texts: Mapping[Path, str]) -> None:
    """Write all of the files or, where one of them fails, none."""
    written: list[Path] = []
    try:
        for file, text in texts.items():
            with writing_in(file.parent, file.name):
                if not publish(file, text.encode()):
                    raise UsageError(f"{file} exists already; choose another name or remove it")
            written.append(file)
    except BaseException:
        for file in written:
            file.unlink(missing_ok=True)
        raise
