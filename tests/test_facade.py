"""What ``sslskel`` itself gives: every name resolves, type checkers see the same names, and calls are checked."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import sslskel

ROOT = Path(__file__).resolve().parents[1]

RIGHT = """
import sslskel
from pathlib import Path
from sslskel import Batch, PretextMethod, Term, UsageError

def widths(method: str, batch: Batch) -> list[int]:
    result = sslskel.bench([method], seeds=[0, 1], output=Path("runs"))
    plugin: type[PretextMethod] = sslskel.METHODS.get(method)
    if plugin.version < 1:
        raise UsageError("too old")
    encoder = sslskel.load_encoder("runs")
    return [result.ran, encoder.dim, batch.num_clips]
"""
WRONG = """
import sslskel

sslskel.bench(methdos=3)
sslskel.bench(["mamp"], seeds=["0"])
sslskel.bnech(["mamp"])
sslskel.METHODS.get("mamp").verison
"""


def seen_by_type_checkers() -> dict[str, str]:
    """Name -> module of the imports under TYPE_CHECKING."""
    tree = ast.parse((ROOT / "sslskel" / "__init__.py").read_text(encoding="utf-8"))
    return {
        alias.asname or alias.name: str(node.module)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("sslskel.")
        for alias in node.names
    }


def test_type_checkers_and_python_see_the_same_names() -> None:
    names = seen_by_type_checkers()
    assert sorted(names) == sorted(sslskel.__all__)
    assert set(sslskel.__all__) <= set(dir(sslskel))
    for name, module in names.items():
        assert getattr(sslskel, name) is getattr(importlib.import_module(module), name), name


def test_python_looks_up_no_name_beside_them() -> None:
    looked_up = set(dir(sslskel)) - set(vars(sslskel))
    assert looked_up == set(sslskel.__all__)


def test_no_name_is_also_a_module() -> None:
    modules = {entry.name.removesuffix(".py") for folder in sslskel.__path__ for entry in Path(folder).iterdir()}
    assert not modules & set(sslskel.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'bnech'"):
        _ = sslskel.bnech  # type: ignore[attr-defined]


def test_torch_waits_for_a_name_that_needs_it() -> None:
    script = "import sys, sslskel; sslskel.UsageError; print('torch' in sys.modules); sslskel.Batch"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.long
def test_mypy_rejects_wrong_calls_and_passes_right_ones(tmp_path: Path) -> None:
    (tmp_path / "right.py").write_text(RIGHT, encoding="utf-8")
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    code = [tmp_path / "right.py", tmp_path / "wrong.py"]
    code += [sslskel.new_method("my_idea", tmp_path)[0], sslskel.new_protocol("my_way", tmp_path)[0]]
    code += sorted((ROOT / "examples" / "cookbook").rglob("*.py"))
    code += [sslskel.new_backbone("my_net", tmp_path)[0]]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", *code],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    faults = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert all("wrong.py:" in fault for fault in faults), done.stdout
    for fault, expected in zip(
        faults,
        (
            'Unexpected keyword argument "methdos" for "bench"',
            "incompatible type",
            'Module has no attribute "bnech"',
            'has no attribute "verison"',
        ),
        strict=True,
    ):
        assert expected in fault
