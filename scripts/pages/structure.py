"""Prints the numbers of this code's structure, and exits 1 where one is beyond its limit.

Usage: python scripts/pages/structure.py [--details]. Sources are parsed, never imported, so imports under
TYPE_CHECKING or inside functions count like all others. ``tests/test_structure.py`` checks the same limits.

A component is a module or package directly in ``sslskel``, or one of methods, benchmarks, scripts and .ci; an edge is
an import between components. ``sslskel/__init__.py`` is not a component: a name imported through it counts as one of
its module.
"""

from __future__ import annotations

import ast
import configparser
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
FOLDED = ("methods", "benchmarks")
"""Folders of the checkout that are packages of ``sslskel`` where it is installed."""
FOLDERS = ("sslskel", *FOLDED, "scripts", ".ci", "examples", "tests")
FILE_LINES, TRAINER, TRAINER_LINES = 400, "sslskel/engine/train.py", 300
LIMITS = {
    "modules directly in sslskel": 9,
    "packages directly in sslskel": 18,
    "components": 32,
    "layers": 11,
    "edges": None,
    "edges against .importlinter": 0,
    "cycles of components": 0,
    "cycles of files or packages": 0,
    "functions with 10 or more parameters": 2,
    "functions with 8 or more parameters": None,
    "private names that cross packages": 0,
    "private attributes of other objects": 0,
    "underscore modules": 0,
    "Any in public signatures": 0,
    "dict[str, Any] in public signatures": None,
    f"files of more than {FILE_LINES} lines": 0,
    f"lines of the trainer beyond {TRAINER_LINES}": 0,
    "most modules that a method imports from": 5,
    "class names used twice": None,
    "module names used twice": None,
}
"""The largest allowed value of every number; None where it is only printed."""

THIRD_PARTY = {
    "sslskel.engine.accelerator.wrap": "accelerate, which has no types",
    "sslskel.engine.accelerator.unwrap": "accelerate",
    "sslskel.engine.gradients.backward": "accelerate",
    "sslskel.engine.turns.Turns.step": "accelerate",
    "sslskel.engine.device.autocast": "torch.autocast, whose context has no type of its own",
    "sslskel.speed.workload.Workload.autocast": "torch.autocast",
    "sslskel.grid.slurm.Task.checkpoint": "submitit, which is optional",
}
"""Public functions that may use ``Any``, and whose type it stands for."""

OF_LIBRARIES = {"_replace", "_asdict", "_fields", "_get_default_store", "_log_softmax_backward_data"}
"""Private names of named tuples and of torch, which code may use."""

Graph = Mapping[str, set[str]]


class Source(NamedTuple):
    """One parsed file. Files outside ``sslskel`` have dotted names too, from their folder on."""

    path: str
    module: str
    is_package: bool
    lines: int
    tree: ast.Module
    nodes: list[ast.AST]


class Number(NamedTuple):
    """A value and what it counts, one line each."""

    value: int
    details: list[str]


def sources(root: Path) -> dict[str, Source]:
    """All Python files below the folders, by dotted name."""
    read = {}
    for folder in FOLDERS:
        for file in sorted((root / folder).rglob("*.py")):
            parts = list(file.relative_to(root).with_suffix("").parts)
            is_package = parts[-1] == "__init__"
            if parts[0] in FOLDED:
                parts.insert(0, "sslskel")
            module = ".".join(parts[:-1] if is_package else parts)
            text = file.read_text(encoding="utf-8")
            path, tree = file.relative_to(root).as_posix(), ast.parse(text)
            read[module] = Source(path, module, is_package, len(text.splitlines()), tree, list(ast.walk(tree)))
    return read


def component_of(module: str) -> str | None:
    """The component that a module is in; None for the facade and for tests."""
    first, *rest = module.removeprefix(".").split(".")
    return next(iter(rest), None) if first == "sslskel" else {"scripts": "scripts", "ci": ".ci"}.get(first)


def imported(source: Source) -> Iterator[tuple[int, str]]:
    """(line, dotted name) of every name a file imports, also of ``sslskel.NAME`` after ``import sslskel``."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = source.module.split(".")
            package = package[: len(package) - node.level + source.is_package] if node.level else []
            prefix = ".".join([*package, *filter(None, [node.module])])
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "sslskel":
            yield node.lineno, f"sslskel.{node.attr}"


def facade(read: Mapping[str, Source]) -> dict[str, str]:
    """Name -> module of what ``sslskel/__init__.py`` gives: its imports, and its table of names and modules."""
    if "sslskel" not in read:
        return {}
    names = {}
    for node in read["sslskel"].nodes:
        if isinstance(node, ast.ImportFrom) and node.module:
            module = f"sslskel.{node.module}" if node.level else node.module
            names.update({alias.asname or alias.name: module for alias in node.names})
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(value, ast.Constant):
                    names.setdefault(str(key.value), f"sslskel.{str(value.value).removeprefix('sslskel.')}")
    return {name: module for name, module in names.items() if module in read}


def module_graph(read: Mapping[str, Source]) -> Graph:
    """Module -> modules it imports."""
    through = facade(read)
    graph: dict[str, set[str]] = {module: set() for module in read}
    for source in [source for source in read.values() if source.module != "sslskel"]:
        for _, name in imported(source):
            parts = name.split(".")
            known = [".".join(parts[:end]) for end in range(len(parts), 0, -1)]
            target = next((module for module in known if module in read), None)
            if target == "sslskel" and len(parts) > 1:
                target = through.get(parts[1])
            if target not in (None, "sslskel", source.module):
                graph[source.module].add(str(target))
    return graph


def modules_named(source: Source) -> set[str]:
    """Modules of ``sslskel`` that a plugin's import lines name, those of its own package apart; the facade is one."""
    own = ".".join(source.module.split(".")[:3])
    lines = [node.module or "" for node in source.nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {line for line in lines if line.split(".")[0] == "sslskel" and not f"{line}.".startswith(f"{own}.")}


def contracted(graph: Graph, package: str) -> Graph:
    """The children of a package and the imports between them; a package itself is none of its children."""
    depth = package.count(".") + 2
    children: dict[str, set[str]] = defaultdict(set)
    for module, targets in graph.items():
        if module.startswith(f"{package}."):
            child = ".".join(module.split(".")[:depth])
            inside = {".".join(target.split(".")[:depth]) for target in targets if target.startswith(f"{package}.")}
            children[child] |= inside - {child}
    return children


def component_graph(graph: Graph) -> Graph:
    """Component -> components it imports."""
    components: dict[str, set[str]] = defaultdict(set)
    for module, targets in graph.items():
        component = component_of(module)
        if component is not None:
            components[component] |= {to for to in map(component_of, targets) if to is not None and to != component}
    return components


def reached(graph: Graph, start: str) -> set[str]:
    """All nodes that can be reached from a node by one edge or more."""
    seen: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph.get(ahead.pop(), set()) - seen
        seen |= new
        ahead += new
    return seen


def cycles(graph: Graph) -> list[str]:
    """Every group of nodes that all reach one another, as one line."""
    reach = {node: reached(graph, node) for node in graph}
    groups = {frozenset(to for to in reach[one] if one in reach.get(to, ())) for one in graph if one in reach[one]}
    return sorted(" <-> ".join(sorted(group)) for group in groups)


def layers(graph: Graph) -> int:
    """How many nodes the longest path has; nodes of a cycle are in one layer."""
    reach = {node: reached(graph, node) for node in graph}
    height: dict[str, int] = {}
    for node in sorted(graph, key=lambda node: (len(reach[node]), node not in reach[node])):
        below = [other for other in reach[node] if node not in reach.get(other, ())]
        height[node] = 1 + max((height.get(other, 1) for other in below), default=0)
    return max(height.values(), default=0)


def against_layers(components: Graph, root: Path) -> list[str]:
    """Edges that the layers of ``.importlinter`` do not allow; components that it does not list stand above all."""
    config = configparser.ConfigParser()
    config.read(root / ".importlinter")
    level: dict[str, int] = {}
    independent: set[int] = set()
    for section in config.sections():
        for at, line in enumerate(config.get(section, "layers", fallback="").strip().splitlines()):
            level |= dict.fromkeys(re.findall(r"[\w.]+", line), at)
            independent |= {at} if "|" in line else set()
    return [
        f"{component} -> {target}"
        for component, targets in components.items()
        for target in sorted(targets & level.keys())
        if (above := level.get(component, -1)) > level[target] or (above == level[target] and above in independent)
    ]


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(source: Source) -> Iterator[tuple[str, Function, bool]]:
    """(dotted name, function, is it public) of all functions; what is nested in a function is not public."""

    def walk(node: ast.AST, prefix: str, public: bool) -> Iterator[tuple[str, Function, bool]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                yield from walk(child, f"{prefix}.{child.name}", public and not child.name.startswith("_"))
            elif isinstance(child, Function):
                yield f"{prefix}.{child.name}", child, public and not is_private(child.name)
                yield from walk(child, f"{prefix}.{child.name}", False)
            else:
                yield from walk(child, prefix, public)

    return walk(source.tree, source.module, True)


def parameters(function: Function) -> list[ast.arg]:
    """All parameters but ``self`` and ``cls``."""
    args = function.args
    every = [*args.posonlyargs, *args.args, *args.kwonlyargs, *filter(None, [args.vararg, args.kwarg])]
    return [arg for arg in every if arg.arg not in ("self", "cls")]


def count_any(annotation: ast.AST | None) -> tuple[int, int]:
    """(``Any`` by itself or in other types, ``Any`` as the values of a dictionary of JSON) in an annotation.

    ``NDArray[Any]`` and ``dtype[Any]`` are numpy's way to write any kind of number, and count as neither.
    """
    if isinstance(annotation, ast.Name):
        return int(annotation.id == "Any"), 0
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return count_any(ast.parse(annotation.value, mode="eval").body)
    written = "" if annotation is None else ast.unparse(annotation)
    if written in ("npt.NDArray[Any]", "np.dtype[Any]") or written.startswith("Literal["):
        return 0, 0
    if written in ("dict[str, Any]", "Mapping[str, Any]", "MutableMapping[str, Any]"):
        return 0, 1
    parts = [count_any(child) for child in ast.iter_child_nodes(annotation)] if annotation is not None else []
    return sum(loose for loose, _ in parts), sum(json for _, json in parts)


def any_in_signatures(read: Iterable[Source]) -> tuple[list[str], list[str]]:
    """Public functions with ``Any``, and those with ``dict[str, Any]``.

    ``*args: Any`` and ``**kwargs: Any`` are passed on to another function and do not count.
    """
    loose, json = [], []
    for source in read:
        for name, function, public in functions(source):
            passed_on = (function.args.vararg, function.args.kwarg)
            stated = [arg.annotation for arg in parameters(function) if arg not in passed_on]
            counts = [count_any(annotation) for annotation in (*stated, function.returns)]
            if public and name not in THIRD_PARTY:
                loose += [name] * sum(one for one, _ in counts)
                json += [name] * sum(one for _, one in counts)
    return loose, json


def is_private(name: str) -> bool:
    """Whether a name begins with one underscore."""
    return name.startswith("_") and not name.startswith("__")


def private_names(read: Mapping[str, Source]) -> list[str]:
    """Private names of ``sslskel`` that are used outside the package of the module that holds them."""
    crossing = []
    for source in read.values():
        package = source.module if source.is_package else source.module.rpartition(".")[0]
        for line, name in imported(source):
            parts = name.split(".")
            at = next((n for n, part in enumerate(parts) if is_private(part)), 0)
            owner = ".".join(parts[: at - (1 if ".".join(parts[:at]) in read else 0)])
            if parts[0] == "sslskel" and at and not f"{package}.".startswith(f"{owner}."):
                crossing.append(f"{source.path}:{line} {name}")
    return crossing


def private_attributes(source: Source) -> Iterator[str]:
    """``thing._x`` and ``setattr(thing, "_x", ...)`` where neither the file nor another library has the name."""
    named: set[str | None] = {*OF_LIBRARIES}
    libraries: set[str] = set()
    for node in source.nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            own = f"{'.' * getattr(node, 'level', 0)}{getattr(node, 'module', None) or node.names[0].name}"
            if not own.startswith((".", "sslskel")):
                libraries |= {alias.asname or alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            named.add(node.attr)
        else:
            named.add(getattr(node, "name", getattr(node, "id", None)))
    for node in source.nodes:
        owner, name = getattr(node, "value", None), getattr(node, "attr", "")
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("setattr") and len(node.args) > 1:
            owner, name = node.args[0], ast.unparse(node.args[1]).strip("'")
        first = re.split(r"\W", ast.unparse(owner), maxsplit=1)[0] if is_private(name) else ""
        if first and name not in named and first not in libraries:
            yield f"{source.path}:{getattr(node, 'lineno', 0)} {ast.unparse(owner)}.{name}"


def used_twice(named: Iterable[tuple[str, str]]) -> list[str]:
    """Names that occur in several places."""
    places = defaultdict(list)
    for name, place in named:
        places[name].append(place)
    return [f"{name}: {', '.join(files)}" for name, files in sorted(places.items()) if len(files) > 1]


def measure(root: Path = ROOT) -> dict[str, Number]:
    """All numbers by name, in the order of ``LIMITS``."""
    read = sources(root)
    graph = module_graph(read)
    components = component_graph(graph)
    inside = [source for source in read.values() if source.module.split(".")[0] == "sslskel"]
    entries = [source.path.split("/") for source in inside if source.path.startswith("sslskel/")]
    packages = sorted({parts[1] for parts in entries if len(parts) > 2})
    length = {name: len(parameters(function)) for source in inside for name, function, _ in functions(source)}
    loose, json = any_in_signatures(inside)
    long = [f"{source.path}: {source.lines}" for source in read.values() if source.lines > FILE_LINES]
    cyclic = {line for source in inside if source.is_package for line in cycles(contracted(graph, source.module))}
    cyclic |= set(cycles({module: targets for module, targets in graph.items() if component_of(module)}))
    taken = {source.module: len(modules_named(source)) for source in inside if component_of(source.module) == "methods"}
    classes = [(node.name, s.path) for s in inside for node in s.tree.body if isinstance(node, ast.ClassDef)]
    details: list[list[str]] = [
        [parts[1] for parts in entries if len(parts) == 2],
        packages,
        sorted(components),
        [],
        sorted(f"{component} -> {target}" for component, targets in components.items() for target in targets),
        against_layers(components, root),
        cycles(components),
        sorted(cyclic),
        [f"{name}: {count}" for name, count in length.items() if count >= 10],
        [f"{name}: {count}" for name, count in length.items() if count >= 8],
        private_names(read),
        [line for source in read.values() for line in private_attributes(source)],
        [source.path for source in read.values() if any(map(is_private, source.path.split("/")))],
        loose,
        json,
        long,
        [],
        [f"{module}: {count}" for module, count in sorted(taken.items())],
        used_twice(classes),
        used_twice((s.module.rpartition(".")[2], s.path) for s in inside if not s.is_package),
    ]
    values = {name: Number(len(lines), lines) for name, lines in zip(LIMITS, details, strict=True)}
    over = sum(max(source.lines - TRAINER_LINES, 0) for source in inside if source.path == TRAINER)
    values |= {
        "layers": Number(layers(components), []),
        f"lines of the trainer beyond {TRAINER_LINES}": Number(over, []),
    }
    most = "most modules that a method imports from"
    values[most] = values[most]._replace(value=max(taken.values(), default=0))
    return values


def main() -> int:
    """Print a line per number, with ``--details`` what it counts too."""
    numbers = measure()
    for name, (value, details) in numbers.items():
        limit = LIMITS[name]
        beyond = limit is not None and value > limit
        print(f"{value:6}  {name}{'' if limit is None else f' (at most {limit})'}{'  <-- too many' if beyond else ''}")
        for line in details if "--details" in sys.argv or beyond else ():
            print(f"            {line}")
    return int(any(limit is not None and numbers[name].value > limit for name, limit in LIMITS.items()))


if __name__ == "__main__":
    sys.exit(main())
