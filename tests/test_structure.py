"""The numbers of the structure stay within their limits, and their script finds what it looks for."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(path: Path) -> ModuleType:
    """A script as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


structure = load(ROOT / "scripts" / "pages" / "structure.py")


@pytest.fixture(scope="module")
def numbers() -> dict[str, Any]:
    """All numbers of this checkout."""
    return structure.measure(ROOT)


@pytest.mark.parametrize("name", [name for name, limit in structure.LIMITS.items() if limit is not None])
def test_no_number_is_beyond_its_limit(numbers: dict[str, Any], name: str) -> None:
    value, details = numbers[name]
    assert value <= structure.LIMITS[name], "\n".join(details)


def test_functions_that_may_say_any_are_there() -> None:
    read = structure.sources(ROOT)
    names = {name for source in read.values() for name, _, public in structure.functions(source) if public}
    assert set(structure.THIRD_PARTY) <= names


APART = {"support": "what tests share", "frozen": "files of an earlier commit, and what must not change"}
"""Folders of tests that are no package, and what they hold."""


def packages(root: Path) -> set[str]:
    """Packages with code, as paths below ``sslskel``, methods and benchmarks among them."""
    folders = {file.parent for top in ("sslskel", *structure.FOLDED) for file in (root / top).rglob("*.py")}
    return {folder.relative_to(root).as_posix().removeprefix("sslskel/") for folder in folders} - {"sslskel"}


def folders_of_tests(root: Path) -> set[str]:
    """Folders that hold test files, as paths below ``tests``; those apart and the root of all are left out."""
    folders = {file.parent.relative_to(root / "tests") for file in (root / "tests").rglob("test_*.py")}
    return {folder.as_posix() for folder in folders if folder.parts and folder.parts[0] not in APART}


def test_tests_lie_in_folders_of_packages() -> None:
    assert folders_of_tests(ROOT) <= packages(ROOT)


def test_every_package_has_a_folder_of_tests() -> None:
    assert {package.split("/")[0] for package in packages(ROOT)} <= folders_of_tests(ROOT)


def test_a_folder_of_no_package_is_seen(tmp_path: Path) -> None:
    for path in (
        "sslskel/nn/a.py",
        "methods/b.py",
        "tests/nn/test_a.py",
        "tests/odd/test_b.py",
        "tests/support/test_c.py",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert packages(tmp_path) == {"nn", "methods"}
    assert folders_of_tests(tmp_path) == {"nn", "odd"}


def test_no_two_test_files_share_a_name() -> None:
    names = Counter(file.name for file in (ROOT / "tests").rglob("*.py") if file.name != "conftest.py")
    assert not {name: count for name, count in names.items() if count > 1}


FILES = {
    ".importlinter": "[importlinter:contract:layers]\nlayers =\n    upper\n    middle | beside\n    ground\n",
    "sslskel/__init__.py": "TABLE = {'make': 'upper'}\n",
    "sslskel/upper.py": "from sslskel.middle import deep\n",
    "sslskel/middle/__init__.py": "",
    "sslskel/middle/deep.py": "def work():\n    from sslskel.middle import other\n",
    "sslskel/middle/other.py": "from .deep import work\n",
    "sslskel/beside.py": "import typing\nif typing.TYPE_CHECKING:\n    from sslskel.middle.deep import work\n",
    "sslskel/ground.py": "from sslskel import make\nfrom sslskel.middle.deep import _hidden\n",
    "sslskel/_drawer.py": "def many(a, b, c, d, e, /, f, g, *h, i, **j): ...\n",
    "benchmarks/_kin/text.py": "",
    "examples/cook.py": "from sslskel.benchmarks._kin import text\n",
    "methods/one.py": "from sslskel import make\nfrom sslskel.ground import thing\n",
    "tests/test_one.py": """
from sslskel.middle import deep
deep._hidden()
setattr(deep, '_other', 1)
print(deep.work()._state, deep._own, os._exit)
class Own:
    _own: int
import os
""",
}
SIGNATURES = """
from typing import Any
def loose(a: list[Any], b: "Any", *args: Any, **kwargs: Any) -> dict[str, Any]: ...
def _private(a: Any) -> Any: ...
class Door:
    def open(self, key: Any | None) -> npt.NDArray[Any]:
        def inside(a: Any): ...
"""


def test_faults_are_found(tmp_path: Path) -> None:
    for path, text in {**FILES, "sslskel/typed.py": SIGNATURES, "sslskel/long.py": "\n" * 401}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    numbers = structure.measure(tmp_path)
    details = {name: sorted(number.details) for name, number in numbers.items()}
    assert details["modules directly in sslskel"] == [
        "__init__.py",
        "_drawer.py",
        "beside.py",
        "ground.py",
        "long.py",
        "typed.py",
        "upper.py",
    ]
    assert details["packages directly in sslskel"] == ["middle"]
    assert details["components"] == [
        "_drawer",
        "benchmarks",
        "beside",
        "ground",
        "long",
        "methods",
        "middle",
        "typed",
        "upper",
    ]
    assert details["edges"] == [
        "beside -> middle",
        "ground -> middle",
        "ground -> upper",
        "methods -> ground",
        "methods -> upper",
        "upper -> middle",
    ]
    assert numbers["layers"].value == 4
    assert details["edges against .importlinter"] == ["beside -> middle", "ground -> middle", "ground -> upper"]
    assert details["cycles of components"] == []
    assert details["cycles of files or packages"] == ["sslskel.middle.deep <-> sslskel.middle.other"]
    assert details["functions with 10 or more parameters"] == ["sslskel._drawer.many: 10"]
    assert details["private names that cross packages"] == [
        "examples/cook.py:1 sslskel.benchmarks._kin.text",
        "sslskel/ground.py:2 sslskel.middle.deep._hidden",
    ]
    assert details["private attributes of other objects"] == [
        "tests/test_one.py:3 deep._hidden",
        "tests/test_one.py:4 deep._other",
        "tests/test_one.py:5 deep.work()._state",
    ]
    assert details["most modules that a method imports from"] == ["sslskel.methods.one: 2"]
    assert details["underscore modules"] == ["benchmarks/_kin/text.py", "sslskel/_drawer.py"]
    assert details["Any in public signatures"] == ["sslskel.typed.Door.open", *["sslskel.typed.loose"] * 2]
    assert details["dict[str, Any] in public signatures"] == ["sslskel.typed.loose"]
    assert details["files of more than 400 lines"] == ["sslskel/long.py: 401"]


def test_a_cycle_of_components_is_in_one_layer() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}
    assert structure.cycles(graph) == ["b <-> c"]
    assert structure.layers(graph) == 3
