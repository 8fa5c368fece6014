"""What a plugin is, read from its file: nothing is imported, and a file that cannot be read says nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sslskel.plugins.first_line import first_line
from sslskel.plugins.registry import METHODS, Entry


def local(file: Path, source: str = "local") -> Entry:
    return Entry(file.stem, str(file), str(file), source)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("skeletonclr", "SkeletonCLR: momentum contrast on skeleton clips, the baseline of the CrosSCLR family."),
        ("skeletonmae", "SkeletonMAE*: random masking, joints predicted from joints"),
        ("masked_modelling", "Masked modelling of skeletons: hide most space-time tokens, predict what they hold."),
    ],
    ids=["module", "preset", "package"],
)
def test_a_method_says_what_it_is(name: str, line: str) -> None:
    assert first_line(METHODS.entry(name)) == line


def test_what_says_nothing_or_cannot_be_read_has_no_line(tmp_path: Path) -> None:
    for name, text in (("none", "x = 1\n"), ("broken", '"""Mine."""\ndef ('), ("null", "\0")):
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
        assert first_line(local(tmp_path / f"{name}.py")) == ""
    (tmp_path / "mine.py").write_text('"""Mine: it is.\n\nMore."""\nraise ValueError\n', encoding="utf-8")
    assert first_line(local(tmp_path / "mine.py")) == "Mine: it is."
    assert "mine" not in sys.modules
    assert first_line(local(tmp_path / "gone.py")) == ""
    for text in ("plugin: mine\n", "- a\n", "{"):
        (tmp_path / "p.yaml").write_text(text, encoding="utf-8")
        assert first_line(local(tmp_path / "p.yaml", "preset")) == ""
