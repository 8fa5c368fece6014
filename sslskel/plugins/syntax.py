"""Python source as text that says what it computes, and not how it is written.

Two sources of one text differ in comments, docstrings, formatting, the order of imports or names of local
variables alone. The text is the same on every Python version that parses the source.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

READS_NAMES = frozenset({"locals", "vars", "dir", "eval", "exec"})
"""Builtins that see names of local variables."""
SILENT = frozenset({"ctx", "kind", "type_comment", "type_ignores", "lineno"})
"""Fields of a syntax tree that say nothing, or nothing that others do not say."""

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


def canonical(source: bytes) -> str:
    """The text. Raises ``SyntaxError``, ``ValueError`` or ``RecursionError`` for what cannot be parsed."""
    writer = _Writer()
    writer.block(ast.parse(source).body)
    return "".join(writer.parts)


@dataclass
class _Scope:
    """Where names are bound: those that get a number instead, and those that keep their name."""

    kind: Literal["function", "class", "comprehension"]
    number: int
    numbered: set[str]
    named: set[str]
    order: dict[str, int] = field(default_factory=dict)


class _Writer:
    """Writes a tree in brackets; fields that are empty are left out, so that later Pythons may add some."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._scopes: list[_Scope] = []
        self._count = 0

    def block(self, body: Sequence[ast.stmt]) -> None:
        """Statements that do something, neighbouring imports sorted."""
        self.parts.append("[")
        imports: list[ast.Import | ast.ImportFrom] = []
        for statement in body:
            if isinstance(statement, (ast.Import, ast.ImportFrom)):
                imports.append(statement)
                continue
            self._imports(imports)
            imports = []
            if not isinstance(statement, ast.Pass) and not _is_bare_constant(statement):
                self._node(statement)
        self._imports(imports)
        self.parts.append("]")

    def _imports(self, statements: Iterable[ast.Import | ast.ImportFrom]) -> None:
        rows = [
            (getattr(one, "level", None) or 0, getattr(one, "module", None) or "", alias.name, alias.asname or "", kind)
            for one in statements
            for kind in [type(one).__name__]
            for alias in one.names
        ]
        bound = [row[3] or row[2] for row in rows]
        if len(set(bound)) == len(bound) and "*" not in bound:
            rows.sort()
        self.parts += map(ascii, rows)

    def _node(self, node: ast.AST) -> None:
        self.parts.append(f"({type(node).__name__}")
        if isinstance(node, ast.Constant):
            self.parts.append(f" {type(node.value).__name__} {node.value!a}")
        elif isinstance(node, ast.Name):
            self._name(node.id)
        elif isinstance(node, Function):
            self._function(node)
        elif isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, Comprehension):
            self._comprehension(node)
        elif isinstance(node, ast.JoinedStr):
            # Some Pythons put empty texts between its parts.
            self._value([one for one in node.values if not (isinstance(one, ast.Constant) and one.value == "")])
        else:
            self._fields(node, node._fields)
        self.parts.append(")")

    def _fields(self, node: ast.AST, names: Iterable[str]) -> None:
        for name in names:
            value = getattr(node, name, None)
            if value is None or value == [] or name in SILENT:
                continue
            self.parts.append(f" {name}=")
            if _binds(node, name):
                self._name(value)
            elif isinstance(node, ast.Nonlocal):
                for one in value:
                    self._name(one)
            else:
                self._value(value)

    def _value(self, value: object) -> None:
        if isinstance(value, ast.AST):
            self._node(value)
        elif isinstance(value, list):
            if value and all(isinstance(one, ast.stmt) for one in value):
                self.block(value)
                return
            self.parts.append("[")
            for one in value:
                self._value(one)
                self.parts.append(",")
            self.parts.append("]")
        else:
            self.parts.append(ascii(value))

    def _name(self, name: str) -> None:
        """A number for a local variable of the nearest scope that binds it, or the name."""
        for scope in reversed(self._scopes):
            if scope.kind == "class" and scope is not self._scopes[-1]:
                continue
            if name in scope.named:
                break
            if name in scope.numbered:
                self.parts.append(f" {scope.number}:{scope.order.setdefault(name, len(scope.order))}")
                return
        self.parts.append(f" {name!a}")

    def _function(self, node: Function) -> None:
        parameters, arguments = node.args, [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        arguments += filter(None, (parameters.vararg, parameters.kwarg))
        # Defaults, annotations and decorators are of the scope around.
        self._fields(node, [name for name in node._fields if name != "body"])
        numbered, named = _bound(node.body if isinstance(node.body, list) else [node.body])
        named |= {one.arg for one in arguments}
        seen = any(isinstance(one, ast.Name) and one.id in READS_NAMES for one in ast.walk(node))
        if seen or any(getattr(one, "type_params", None) for one in ast.walk(node)):
            numbered, named = set(), numbered | named
        self._enter("function", numbered - named, named)
        if isinstance(node.body, list):
            self.block(node.body)
        else:
            self._node(node.body)
        self._scopes.pop()

    def _class(self, node: ast.ClassDef) -> None:
        self._fields(node, [name for name in node._fields if name != "body"])
        self._enter("class", set(), set().union(*_bound(node.body)))
        self.block(node.body)
        self._scopes.pop()

    def _comprehension(self, node: Comprehension) -> None:
        # The first iterable is of the scope around.
        self._node(node.generators[0].iter)
        inside = [one for part in node.generators for one in ast.walk(part.target)]
        targets = {one.id for one in inside if isinstance(one, ast.Name) and _set(one)}
        self._enter("comprehension", targets, set())
        for position, part in enumerate(node.generators):
            self._fields(part, [name for name in part._fields if position or name != "iter"])
        self._fields(node, [name for name in node._fields if name != "generators"])
        self._scopes.pop()

    def _enter(self, kind: Literal["function", "class", "comprehension"], numbered: set[str], named: set[str]) -> None:
        self._scopes.append(_Scope(kind, self._count, numbered, named))
        self._count += 1


def _bound(body: Sequence[ast.AST]) -> tuple[set[str], set[str]]:
    """Variables of a scope that may get numbers, and the names that stay: imports, functions, classes, globals."""
    numbered: set[str] = set()
    named: set[str] = set()
    outer: set[str] = set()
    for node in _own(body):
        if isinstance(node, ast.Name) and _set(node):
            numbered.add(node.id)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            named.add(node.name)
        elif isinstance(node, ast.alias):
            named.add(node.asname or node.name.partition(".")[0])
        elif isinstance(node, ast.Global):
            named.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            outer.update(node.names)
        else:
            numbered.update(getattr(node, name) for name in node._fields if _binds(node, name) and getattr(node, name))
    return numbered - outer, named - outer


def _own(nodes: Iterable[ast.AST], inside: bool = False) -> Iterator[ast.AST]:
    """Nodes of a scope itself: of inner functions and classes the names, of comprehensions (``inside``) what leaves."""
    for node in nodes:
        if isinstance(node, ast.NamedExpr):
            yield node.target
        if not inside:
            yield node
        if isinstance(node, Comprehension):
            yield from _own(ast.iter_child_nodes(node), True)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            yield from _own(ast.iter_child_nodes(node), inside)


def _set(node: ast.Name) -> bool:
    return isinstance(node.ctx, (ast.Store, ast.Del))


def _binds(node: ast.AST, field_name: str) -> bool:
    """Whether a field is the name of a variable, as text."""
    kinds = {ast.ExceptHandler: "name", ast.MatchAs: "name", ast.MatchStar: "name", ast.MatchMapping: "rest"}
    return kinds.get(type(node)) == field_name


def _is_bare_constant(statement: ast.stmt) -> bool:
    """A docstring, also of an attribute, or dots."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
