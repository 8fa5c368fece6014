"""New plugins are written whole, with their test or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_tools import failing_sync, killed_while_writing

from sslskel.errors import RunError, UsageError
from sslskel.plugins.scaffold import new_backbone, new_method, new_protocol

Make = Callable[[str, Path], list[Path]]


def files(folder: Path) -> list[str]:
    """What people see; a killed process leaves hidden temporary files."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name[0] != ".")


@pytest.mark.parametrize("make", [new_method, new_protocol, new_backbone])
@pytest.mark.parametrize("after", [0, 2])
def test_a_full_disk_leaves_neither_plugin_nor_test(
    make: Make, after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file takes two flushes: its own and that of its folder."""
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", failing_sync(errno.ENOSPC, after))
        with pytest.raises(
            RunError, match=r"^no space left for (test_)?my_idea(_[a-z]+)?\.py in .*MiB free\): free some"
        ):
            make("my_idea", tmp_path)
    assert files(tmp_path) == []
    kind = make.__name__.removeprefix("new_")
    assert [path.name for path in make("my_idea", tmp_path)] == ["my_idea.py", f"test_my_idea_{kind}.py"]


def test_a_kill_leaves_no_half_file(tmp_path: Path) -> None:
    killed_while_writing(lambda: new_method("my_idea", tmp_path))
    assert files(tmp_path) == []


def test_a_file_that_another_process_wrote_meanwhile_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = tmp_path / "sslskel_plugins" / "tests" / "test_my_idea_method.py"
    taken.parent.mkdir(parents=True)
    taken.write_text("theirs")
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(UsageError, match=r"test_my_idea_method\.py exists already"):
        new_method("my_idea", tmp_path)
    monkeypatch.undo()
    assert files(tmp_path) == ["test_my_idea_method.py"]
    assert taken.read_text() == "theirs"


@pytest.mark.parametrize("checkout", [False, True])
def test_plugins_of_one_name_and_several_kinds_have_tests_of_their_own(checkout: bool, tmp_path: Path) -> None:
    if checkout:
        (tmp_path / "sslskel" / "plugins").mkdir(parents=True)
        (tmp_path / "sslskel" / "plugins" / "registry.py").touch()
        (tmp_path / "methods").mkdir()
    made = [file for make in (new_method, new_protocol, new_backbone) for file in make("my_idea", tmp_path)]
    assert len(set(made)) == 6
