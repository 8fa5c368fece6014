"""The contract of every method, held by this one; and that it stays as short as promised."""

from __future__ import annotations

from pathlib import Path

import sslskel_example_plugin

from sslskel import METHODS, PluginCheck, parametrize_with_checks


def test_sslskel_finds_the_method_by_its_entry_point() -> None:
    assert METHODS.entry("hidden_joints").source == "package"
    assert METHODS.get("hidden_joints").__name__ == "HiddenJoints"


@parametrize_with_checks(["hidden_joints"])
def test_it_keeps_the_contract_of_a_method(check: PluginCheck) -> None:
    check()


def test_it_takes_at_most_sixty_lines() -> None:
    [file] = (Path(path) / "hidden_joints.py" for path in sslskel_example_plugin.__path__)
    assert len(file.read_text(encoding="utf-8").splitlines()) <= 60
