"""Writes docs/api: a page per module of ``sslskel.api``, made from its signatures and docstrings.

Usage: python scripts/pages/api.py. Modules are parsed, not imported; ``tests/test_api_pages.py`` checks that the
pages are up to date.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES, PAGES = ROOT / "sslskel" / "api", ROOT / "docs" / "api"
CALLED = ("__init__", "__call__", "__len__")
"""Special methods that a page shows."""
INTRODUCTION = """# What a plugin is written against

Made by `python scripts/pages/api.py` from the docstrings of `sslskel.api`; change those, not these pages. How to write
a plugin: [CONTRIBUTING.md](../../CONTRIBUTING.md).

| module | what lives there |
|---|---|
"""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def prose(text: str | None) -> list[str]:
    """A docstring as paragraphs of Markdown; an empty list without one."""
    if not text:
        return []
    plain = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", inspect.cleandoc(text))
    return [re.sub(r"``([^`]+)``", r"`\1`", plain), ""]


def code(text: str) -> list[str]:
    """A block of Python."""
    return ["```python", text, "```", ""]


def is_public(name: str) -> bool:
    """Whether the pages show a name."""
    return not name.startswith("_") or name in CALLED


def signature(function: Function) -> str:
    """``def name(...) -> type`` and its decorators; parameters get a line of their own if needed."""
    decorators = "".join(f"@{ast.unparse(decorator)}\n" for decorator in function.decorator_list)
    arguments = ast.unparse(function.args)
    returned = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    line = f"def {function.name}({arguments}){returned}"
    if len(line) > 100:
        line = f"def {function.name}(\n    {arguments}\n){returned}"
    return decorators + line


def assigned(body: list[ast.stmt]) -> Iterator[tuple[str, str | None]]:
    """(source, docstring below it or None) of every public variable."""
    for statement, after in zip(body, [*body[1:], None], strict=True):
        target: ast.expr | None = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target = statement.targets[0]
        if isinstance(target, ast.Name) and is_public(target.id):
            stated = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            text = after.value.value if stated else None  # type: ignore[union-attr]
            source = ast.unparse(statement)
            yield (source if len(source) <= 120 else f"{source.partition('(')[0]}(...)"), text


def variables(body: list[ast.stmt]) -> list[str]:
    """Variables with their docstrings, as a list."""
    lines = []
    for source, text in assigned(body):
        note = " ".join(" ".join(prose(text)).split())
        lines.append(f"- `{source}`" + (f": {note}" if note else ""))
    return [*lines, ""] if lines else []


def function_lines(function: Function, heading: str) -> list[str]:
    """Heading, signature and docstring of one function; the heading ends where the name goes."""
    return [f"{heading}{function.name}", "", *code(signature(function)), *prose(ast.get_docstring(function))]


def class_lines(node: ast.ClassDef) -> list[str]:
    """A class, its variables and its public methods."""
    decorators = "".join(f"@{ast.unparse(decorator)}\n" for decorator in node.decorator_list)
    bases = ", ".join(map(ast.unparse, [*node.bases, *node.keywords]))
    lines = [f"## {node.name}", "", *code(f"{decorators}class {node.name}" + (f"({bases})" if bases else ""))]
    lines += [*prose(ast.get_docstring(node)), *variables(node.body)]
    for child in node.body:
        if isinstance(child, Function) and is_public(child.name):
            lines += function_lines(child, f"### {node.name}.")
    return lines


def page(module: Path) -> str:
    """One module as Markdown."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    lines = [f"# sslskel.api.{module.stem}", "", *prose(ast.get_docstring(tree)), *variables(tree.body)]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            lines += class_lines(node)
        elif isinstance(node, Function) and is_public(node.name):
            lines += function_lines(node, "## ")
    return "\n".join(lines).rstrip() + "\n"


def pages() -> dict[str, str]:
    """File name -> text of every page, the index included."""
    modules = sorted(file for file in MODULES.glob("*.py") if file.stem != "__init__")
    index = []
    for module in modules:
        first = (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
        index.append(f"| [{module.stem}]({module.stem}.md) | {' '.join(' '.join(prose(first)).split())} |\n")
    return {"README.md": INTRODUCTION + "".join(index), **{f"{module.stem}.md": page(module) for module in modules}}


def main() -> None:
    """Write all pages, and delete those of modules that no longer exist."""
    PAGES.mkdir(parents=True, exist_ok=True)
    written = pages()
    for old in PAGES.glob("*.md"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        (PAGES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
