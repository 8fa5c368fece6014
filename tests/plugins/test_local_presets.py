"""Files that a name stands for: presets and tables, of sslskel and of local folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sslskel.errors import UsageError
from sslskel.grid.tables import read_table
from sslskel.plugins.presets import read_preset

Command = Callable[..., Any]


@pytest.fixture
def configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for kind in ("preset", "table"):
        (tmp_path / "sslskel_plugins" / "configs" / kind).mkdir(parents=True)
    return tmp_path / "sslskel_plugins" / "configs"


def test_a_local_preset_does_not_take_the_place_of_a_built_in_one(configs: Path) -> None:
    before = read_preset("quick")
    mine = configs / "preset" / "quick.yaml"
    mine.write_text("train: {epochs: 1}\n")
    with pytest.raises(UsageError, match=f"2 presets are called 'quick': configs/preset/quick.yaml and {mine}; rename"):
        read_preset("quick")
    mine.rename(mine.with_name("my_quick.yaml"))
    assert read_preset("quick") == before
    assert read_preset("my_quick") == {"train": {"epochs": 1}}


def test_nor_does_a_table(configs: Path) -> None:
    (configs / "table" / "mamp-table7.yaml").write_text("title: mine\n")
    with pytest.raises(UsageError, match="2 tables are called 'mamp-table7'"):
        read_table("mamp-table7")


def test_the_list_shows_where_presets_are(configs: Path, sslskel: Command) -> None:
    (configs / "preset" / "quick.yaml").write_text("train: {epochs: 1}\n")
    shown = sslskel("list", "presets").stdout
    assert str(configs / "preset" / "quick.yaml") in shown
    assert "  configs/preset/quick.yaml" in shown


@pytest.mark.parametrize(("read", "kind"), [(read_preset, "preset"), (read_table, "table")])
def test_an_unknown_name_is_a_sentence(read: Callable[[str], object], kind: str) -> None:
    with pytest.raises(UsageError, match=f"there is no {kind} 'nothing' \\(there are: "):
        read("nothing")
