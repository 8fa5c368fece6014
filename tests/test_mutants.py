"""Planted faults can be planted: their texts are in today's sources, and so are the tests that should notice."""

from __future__ import annotations

import ast
import shlex
from collections import Counter
from pathlib import Path

import pytest
from mutants import MUTANTS, Mutant
from mutants.kind import planted_in

ROOT = Path(__file__).resolve().parents[1]


def files_of(tests: str) -> list[str]:
    """Test files among options of pytest."""
    return [word for word in shlex.split(tests) if word.endswith(".py")]


def test_every_fault_can_be_planted_and_is_python() -> None:
    for mutant in MUTANTS:
        ast.parse(mutant.planted(ROOT))
        assert mutant.old != mutant.new, mutant.name
        for file in files_of(mutant.tests):
            assert (ROOT / file).is_file(), f"{mutant.name}: there is no {file}"
        assert files_of(mutant.tests), mutant.name


def test_names_tell_faults_apart() -> None:
    assert not {name: count for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1}


@pytest.mark.parametrize("area", ["methods", "losses", "views", "optimisers", "protocols"])
def test_every_area_has_faults(area: str) -> None:
    assert sum(mutant.area == area for mutant in MUTANTS) >= 8


@pytest.mark.parametrize(
    "word", ["key encoder", "decays nothing", "extreme view", "crops", "temperature", "stride", "weight of prediction"]
)
def test_faults_that_once_passed_are_among_them(word: str) -> None:
    assert any(word in mutant.what for mutant in MUTANTS)


@pytest.mark.parametrize(("text", "count"), [("other", 0), ("a a", 2)])
def test_a_text_that_is_not_there_once_is_refused(tmp_path: Path, text: str, count: int) -> None:
    (tmp_path / "one.py").write_text(text, encoding="utf-8")
    [mutant] = planted_in("losses", "one.py", "tests/test_one.py", ("is changed", "a", "b"))
    assert isinstance(mutant, Mutant)
    with pytest.raises(ValueError, match=f"one.py: is changed: the text below occurs {count} times"):
        mutant.planted(tmp_path)
