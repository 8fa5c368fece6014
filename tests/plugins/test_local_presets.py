"""Files that a name stands for: presets and tables, of sslskel and of local folders."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sslskel.cli import main
from sslskel.config.compose import compose
from sslskel.errors import UsageError
from sslskel.grid.tables import read_script, read_table
from sslskel.plugins.presets import read_preset
from sslskel.plugins.registry import METHODS

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


def written(configs: Path, kind: str, text: str) -> None:
    (configs / kind).mkdir(parents=True, exist_ok=True)
    (configs / kind / "odd.yaml").write_text(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("protocol: 3\n", "'protocol' is 3, where a mapping was expected"),
        ("backbone: {transformer: 8}\n", "'backbone.transformer' is 8"),
        ("recipe: {masked_modelling: {train: x}}\n", "'recipe.masked_modelling.train' is 'x'"),
        ("benchmark: {tiny: {method: [1]}}\n", r"'benchmark.tiny.method' is \[1\]"),
    ],
)
def test_groups_of_a_preset_are_mappings(configs: Path, text: str, words: str) -> None:
    written(configs, "preset", text)
    with pytest.raises(UsageError, match=rf"preset .*odd\.yaml: {words}"):
        read_preset("odd")


def test_a_value_out_of_range_is_named_with_the_preset_that_has_it(configs: Path) -> None:
    written(configs, "protocol", "plugin: knn\nconfig: {temperature: -1}\n")
    made = partial(compose, "random_init", backbone="transformer", preset="quick", protocol="odd")
    with pytest.raises(UsageError, match=r"^protocol preset 'odd': protocol.temperature is -1.0"):
        made()
    with pytest.raises(UsageError, match=r"^protocol.temperature is -2.0"):
        made(overrides=["protocol.temperature=-2"])


def test_a_whole_number_beyond_the_largest_float_is_a_sentence(configs: Path) -> None:
    written(configs, "protocol", f"plugin: knn\nconfig: {{temperature: {'9' * 400}}}\n")
    made = partial(compose, "random_init", backbone="transformer", preset="quick")
    with pytest.raises(UsageError, match=r"^protocol preset .*odd.*: .*int too large to convert to float$"):
        made(protocol="odd")
    with pytest.raises(UsageError, match=r"protocol.temperature: int too large to convert to float$"):
        made(protocol="knn", overrides=[f"protocol.temperature={'9' * 400}"])


def test_a_plugin_that_is_not_there_is_named_with_its_preset(configs: Path) -> None:
    written(configs, "method", "plugin: masked_modeling\n")
    with pytest.raises(UsageError, match=r"^method preset .*odd\.yaml: there is no method 'masked_modeling'"):
        METHODS.get("odd")


def test_published_numbers_of_a_table_are_numbers(configs: Path) -> None:
    text = "title: t\npaper: p\nprotocol: knn\npublished: [a/b]\nrows: [{name: n, method: m, published: [.inf]}]\n"
    written(configs, "table", text)
    with pytest.raises(UsageError, match=r"table .*odd\.yaml cannot be read: row 'n' has the published number inf"):
        read_table("odd")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("title: .nan\nprotocol: knn\npublished: [a/b]\nrows: []\n", "'title' is nan; give it text"),
        ("title: t\nprotocol: knn\npublished: [.inf]\nrows: []\n", "'published' is [inf]; give it a list of texts"),
        ("title: t\nprotocol: knn\nrows: [{name: n, method: .nan}]\n", "'method' is nan"),
        ("title: t\nprotocol: knn\nrows: [{name: n, method: m, overrides: [.inf]}]\n", "'overrides' is [inf]"),
        ("title: t\nprotocol: knn\nrows: [{name: n, method: m, scaled: {a.b: .nan}}]\n", "scales a.b by nan"),
    ],
)
def test_words_of_a_table_are_text_and_its_factors_numbers(text: str, fault: str, configs: Path) -> None:
    written(configs, "table", f"paper: p\n{text}")
    with pytest.raises(UsageError, match=r"table .*odd\.yaml cannot be read: ") as caught:
        read_table("odd")
    assert fault in str(caught.value)


def test_a_table_that_cannot_be_read_hides_no_other(configs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(configs, "table", "[]\n")
    assert main(["reproduce"]) == 1
    listed = capsys.readouterr()
    assert "mamp-table7  " in listed.out
    assert "odd.yaml cannot be read" in listed.err


@pytest.mark.parametrize("line", ["code: .nan", "preset: 3", "mode: [a]", "here: [{says: .inf}]"])
def test_words_of_a_script_are_text(line: str, configs: Path) -> None:
    words = {"code": "code: c", "preset": "preset: released", "mode": "mode: exact"}
    written(configs, "script", "\n".join([*(said for key, said in words.items() if not line.startswith(key)), line]))
    with pytest.raises(UsageError, match=r"script .*odd\.yaml cannot be read: '\w+' is .*; give it text"):
        read_script("odd")
