"""Writes docs/api: a page per module of ``sslskel.api``, and one with all that the author of a method meets.

Usage: python scripts/pages/api.py. Signatures and docstrings are parsed, nothing is imported.
``tests/test_api_pages.py`` checks that the pages are up to date, and that the timeline is what a run does.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parents[2]
MODULES, PAGES = ROOT / "sslskel" / "api", ROOT / "docs" / "api"
CALLED = ("__init__", "__call__", "__len__")
"""Special methods that a page shows."""
INTRODUCTION = """# What a plugin is written against

Made by `python scripts/pages/api.py` from the docstrings of `sslskel.api`; change those, not these pages. How to write
a plugin: [contributing](../contributing.md). All that the author of a method, backbone or protocol meets, on one
page and with the order of the hooks: [the author's interface](author.md).

| module | what lives there |
|---|---|
"""

AUTHOR = "author.md"
GROUPS = {
    "What a method is": ("api.method", "api.turn", "api.clips", "api.origin"),
    "What a step is given and returns": ("api.batch", "api.noise", "api.view", "api.schedules"),
    "Networks": ("api.backbone", "api.encoder", "api.classifier", "nn.teacher", "nn.standardise", "encoders.open"),
    "What a protocol is": ("api.protocol",),
    "Over processes": ("api.distributed",),
}
"""Headings of the author's page, and the modules whose public names stand below."""
ONLY = {"encoders.open": "fill_encoder"}
"""Names of a module that an author meets, where these are not all."""
TABLES = ("PretextMethod", "Backbone", "EvaluationProtocol")
"""Classes that plugins subclass: their variables stand in a table."""
TIMELINE = (
    ("before all runs", "origins"),
    ("once", "__init__"),
    ("once", "require_batches"),
    ("once", "turns"),
    ("once", "parameter_groups"),
    ("a new run", "load_start"),
    ("a new run that takes a part", "on_part_loaded"),
    ("every epoch", "on_epoch_start"),
    ("every step", "on_step_start"),
    ("every step", "views"),
    ("every step", "updates"),
    ("every step and turn", "forward"),
    ("every step and turn", "backward"),
    ("every step and turn", "optimiser"),
    ("every step", "on_step_end"),
    ("to judge", "encoders"),
    ("to measure speed", "as_released"),
)
"""When, and what is called, in the order of a run."""
FRAMEWORK = {
    "backward": "Gradients of the sum over terms of `scale * sum(total) / sum(count)`, the sums over all processes.",
    "optimiser": "Takes its step, where every term and gradient is finite.",
}
"""Of the timeline, what the framework does itself."""
AUTHOR_INTRODUCTION = """# The author's interface

Made by `python scripts/pages/api.py` from the docstrings; change those, not this page. Everything here can be imported
from `sslskel`. Letters: N clips, P persons present, M person slots, T frames, V joints, C coordinates, L tokens, D
features; T' and V' are what a backbone leaves of T and V. How all this is used: [the cookbook](../guide/cookbook.md).

## A run, from first to last

Every process calls the hooks, in this order. With `train.accumulate` the batch is cut into parts, each with a `forward`
and a `backward` of its own. A run that is continued is built again and goes on where it stood: it calls no `load_start`
and no `on_part_loaded`, and inside an epoch no `on_epoch_start`, so that what these made must lie in parameters or
buffers. What begins with `on_` or `load_` runs without gradients, `on_epoch_start` in eval mode. To judge, the method
is built again and filled from the checkpoint.

| when | what | what for |
|---|---|---|
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


def class_lines(node: ast.ClassDef, in_table: bool = False) -> list[str]:
    """A class, its variables (in a table for a class of plugins) and its public methods."""
    decorators = "".join(f"@{ast.unparse(decorator)}\n" for decorator in node.decorator_list)
    bases = ", ".join(map(ast.unparse, [*node.bases, *node.keywords]))
    lines = [f"## {node.name}", "", *code(f"{decorators}class {node.name}" + (f"({bases})" if bases else ""))]
    lines += prose(ast.get_docstring(node))
    lines += class_variables(node) if node.name in TABLES and in_table else variables(node.body)
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


def class_variables(node: ast.ClassDef) -> list[str]:
    """The variables of a class as a table."""
    lines = ["| variable | type | default | meaning |", "|---|---|---|---|"]
    for statement, (_, text) in zip(filter(_declares, node.body), assigned(node.body), strict=True):
        kind = ast.unparse(statement.annotation)
        if kind.startswith("ClassVar["):
            kind = kind[len("ClassVar[") : -1]
        default = f"`{ast.unparse(statement.value)}`" if statement.value else "-"
        cells = [f"`{ast.unparse(statement.target)}`", f"`{kind}`", default, " ".join(" ".join(prose(text)).split())]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return [*lines, ""]


def _declares(statement: ast.stmt) -> TypeGuard[ast.AnnAssign]:
    return isinstance(statement, ast.AnnAssign)


def public_names() -> dict[str, list[str]]:
    """Module below ``sslskel`` -> names that ``sslskel`` itself gives of it."""
    tree = ast.parse((ROOT / "sslskel" / "__init__.py").read_text(encoding="utf-8"))
    assigns = [node for node in tree.body if isinstance(node, ast.Assign)]
    [table] = [node.value for node in assigns if ast.unparse(node.targets[0]) == "_PLACES"]
    return {module: names.split() for module, names in ast.literal_eval(table).items()}


def definitions(module: str) -> dict[str, ast.stmt]:
    """Name -> where a module below ``sslskel`` defines it."""
    tree = ast.parse((ROOT / "sslskel" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    named = {node.name: node for node in tree.body if isinstance(node, (ast.ClassDef, Function))}
    aliases = {ast.unparse(node.targets[0]): node for node in tree.body if isinstance(node, ast.Assign)}
    return {**aliases, **named}


def timeline() -> str:
    """The rows of the timeline."""
    method = definitions("api.method")["PretextMethod"]
    assert isinstance(method, ast.ClassDef)
    hooks = {node.name: ast.get_docstring(node) for node in method.body if isinstance(node, Function)}
    rows = []
    for when, name in TIMELINE:
        first = (hooks[name] or "").split("\n\n")[0] if name in hooks else FRAMEWORK[name]
        shown = f"`{name}`" if name in hooks else f"*{name}*"
        rows.append(f"| {when} | {shown} | {' '.join(' '.join(prose(first)).split())} |\n")
    return "".join(rows)


def author_page() -> str:
    """Timeline, names, class variables and helpers on one page."""
    lines: list[str] = []
    for heading, modules in GROUPS.items():
        lines += [f"# {heading}", ""]
        for module in modules:
            known = definitions(module)
            for name in [ONLY[module]] if module in ONLY else public_names()[module]:
                node = known[name]
                if isinstance(node, ast.Assign):
                    lines += [f"## {name}", "", *code(ast.unparse(node).replace("'", '"'))]
                elif isinstance(node, ast.ClassDef):
                    lines += class_lines(node, in_table=True)
                elif isinstance(node, Function):
                    lines += function_lines(node, "## ")
    return AUTHOR_INTRODUCTION + timeline() + "\n" + "\n".join(lines).rstrip() + "\n"


def pages() -> dict[str, str]:
    """File name -> text of every page, the index included."""
    modules = sorted(file for file in MODULES.glob("*.py") if file.stem != "__init__")
    index = []
    for module in modules:
        first = (ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or "").split("\n\n")[0]
        index.append(f"| [{module.stem}]({module.stem}.md) | {' '.join(' '.join(prose(first)).split())} |\n")
    every = {f"{module.stem}.md": page(module) for module in modules}
    return {"README.md": INTRODUCTION + "".join(index), AUTHOR: author_page(), **every}


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
