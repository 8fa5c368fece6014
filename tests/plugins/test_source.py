"""A plugin's digest follows what it computes, and nothing else of how it is written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sslskel.plugins.registry import BACKBONES, METHODS, PROTOCOLS
from sslskel.plugins.source import EQUAL_FILE, digest_of
from sslskel.plugins.syntax import canonical

METHOD = '''"""A method."""
import math
from dataclasses import dataclass

from sslskel import PretextMethod


@dataclass
class Options:
    size: int = 1
    """Of something."""


class Mine(PretextMethod[Options]):
    """Learns."""

    Config = Options

    def forward(self, views, noise, progress):
        """The loss."""
        total = math.pi  # of all
        for view in views:
            total += sum(row * total for row in view)
        return total

    def encoders(self):
        return {}
'''
REWRITTEN = """from dataclasses import dataclass
from sslskel import PretextMethod
import math
@dataclass
class Options:
    size: int = (1)
class Mine(PretextMethod[Options]):
    Config = Options
    def forward(self, views, noise, progress):
        # Another comment.
        error = math.pi
        for one in views:
            error += sum(clip * error
                         for clip in one)
        return error
    def encoders(self): return {}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "sslskel_plugins" / "methods"
    made.mkdir(parents=True)
    return made


def digest(folder: Path, content: str) -> str:
    (folder / "mine.py").write_text(content)
    return digest_of(METHODS, "mine")


def test_how_a_plugin_is_written_leaves_its_digest(folder: Path) -> None:
    assert digest(folder, METHOD) == digest(folder, REWRITTEN)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("math.pi", "math.e"),
        ("size: int = 1", "size: int = 2"),
        ("size: int = 1", "size: float = 1"),
        ("row * total for row", "row * row for row"),
        ("total += sum", "total -= sum"),
        ("return {}", "return {'joint': 1}"),
        ("class Mine", "class Yours"),
    ],
)
def test_what_a_plugin_computes_changes_its_digest(folder: Path, old: str, new: str) -> None:
    assert digest(folder, METHOD) != digest(folder, METHOD.replace(old, new))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x):\n a = x\n b = 2\n return a", "def f(x):\n a = x\n b = 2\n return b"),
        ("def f(): return [[x for x in y] for y in z] + x", "def f(): return [[q for q in y] for y in z] + w"),
        ("def f():\n a = 1\n return locals()", "def f():\n b = 1\n return locals()"),
        ("def f():\n global a\n a = 1", "def f():\n global b\n b = 1"),
        ("def f(a): return a", "def f(b): return b"),
        ("def f():\n a = b = 1\n def g(): return a", "def f():\n a = b = 1\n def g(): return b"),
        ("def f():\n a = 1\n class B:\n  a = 2\n  c = a", "def f():\n a = 1\n class B:\n  b = 2\n  c = a"),
        ("x = 1.0", "x = 1"),
        ("import a\nfrom b import a", "from b import a\nimport a"),
    ],
)
def test_other_programs_are_other_texts(one: str, other: str) -> None:
    assert canonical(one.encode()) != canonical(other.encode())


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "def f():\n a = 1\n def g():\n  nonlocal a\n  a = 2\n return a",
            "def f():\n q = 1\n def g():\n  nonlocal q\n  q = 2\n return q",
        ),
        ("def f(x):\n try: pass\n except E as e: return e", "def f(x):\n try: pass\n except E as fault: return fault"),
        ("def f(x):\n match x:\n  case [a, *b]: return a, b", "def f(x):\n match x:\n  case [p, *q]: return p, q"),
        ("x = [(y := a) for a in z]", "x = [(y := b) for b in z]"),
        ("x = f'{a:>{b}}'", "x = (f'{a:>{b}}'  # text\n)"),
    ],
)
def test_names_of_local_variables_are_no_part_of_the_text(one: str, other: str) -> None:
    assert canonical(one.encode()) == canonical(other.encode())


def test_what_a_plugin_imports_of_its_folder_counts(folder: Path) -> None:
    helper = folder / "_kmeans.py"
    helper.write_text("from .. import _shared\ndef kmeans(x): return x + 1")
    (folder.parent / "_shared.py").write_text("SIZE = 1")
    (folder / "_unused.py").write_text("x = 1")
    content = METHOD + "\nfrom ._kmeans import kmeans\n"
    before = digest(folder, content)
    (folder / "_unused.py").write_text("x = 2")
    assert digest(folder, content) == before
    (folder.parent / "_shared.py").write_text("SIZE = 2")
    shared = digest(folder, content)
    helper.write_text("from .. import _shared\ndef kmeans(x): return x + 2")
    assert len({before, shared, digest(folder, content)}) == 3


def test_a_digest_runs_neither_torch_nor_the_plugin(folder: Path) -> None:
    (folder / "loud.py").write_text("raise SystemExit('imported')")
    code = (
        "import sys; from sslskel.plugins.registry import METHODS; from sslskel.plugins.source import digest_of;"
        "assert len(digest_of(METHODS, 'loud')) == len(digest_of(METHODS, 'mamp')) == 32;"
        "print([m for m in ('torch', 'numpy', 'sslskel.methods.masked_modelling') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_sources_of_built_in_plugins_are_all_listed() -> None:
    """Where this fails, numbers of a plugin have changed and its ``version`` must, or the script adds the digest."""
    listed = json.loads(EQUAL_FILE.read_text(encoding="utf-8"))
    missing = [
        f"{registry.kind} {name}"
        for registry in (METHODS, BACKBONES, PROTOCOLS)
        for name, plugin in registry.built_in()
        if digest_of(registry, name) not in listed.get(registry.kind, {}).get(name, {}).get(str(plugin.version), [])
    ]
    assert not missing, "bump `version` where numbers changed, then run scripts/pages/equal_sources.py"
