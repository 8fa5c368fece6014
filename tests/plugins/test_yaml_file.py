"""Presets and tables of others: pipes, other encodings, depth and aliases are refused in a sentence."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslskel.errors import UsageError
from sslskel.plugins.yaml_file import read_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
)
MERGED = "a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(10)) + "}\n"
MERGED += "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: it is a pipe"),
        ("titel: f\u00fcr".encode("latin-1"), r"is not UTF-8 text \(byte 8\); save it as UTF-8"),
        (b"[" * 5000, "is not readable YAML: it is nested too deep"),
        (LAUGHS.encode(), "is not readable YAML: its aliases stand for more than 100,000 values"),
        (MERGED.encode(), "is not readable YAML: its aliases stand for more than 100,000 values"),
        (b"a: &a [*a]", "is not readable YAML: an alias stands for itself"),
        (b"a: [", "is not readable YAML"),
        (b"a: !!bool q", "is not readable YAML"),
        (b"a: !!timestamp q", "is not readable YAML"),
        (b"a: !!python/object:os.system x", "is not readable YAML: could not determine a constructor"),
        (b" " * (2**18 + 1), "cannot be read: it has 262,145 bytes"),
    ],
)
def test_what_is_no_small_yaml_file_is_refused(content: bytes | None, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    os.mkfifo(path) if content is None else path.write_bytes(content)
    with pytest.raises(UsageError, match=f"^preset a {reason}"):
        read_yaml(path, "preset a")


def test_aliases_of_a_few_values_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("\ufeffa: &a [1, 2]\nb: *a\n", encoding="utf-8")
    assert read_yaml(tmp_path / "a.yaml", "preset a") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.long
@pytest.mark.parametrize(
    "place", ["methods/a.py", "methods/b/__init__.py", "configs/method/c.yaml", "configs/preset/d.yaml"]
)
def test_pipes_among_local_plugins_are_not_waited_for(place: str, sslskel: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "sslskel_plugins" / place
    file.parent.mkdir(parents=True)
    os.mkfifo(file)
    for words in (("list",), ("list", "methods", "--check"), ("list", "methods", "--table"), ("list", "presets")):
        assert sslskel(*words).returncode in (0, 1), words
