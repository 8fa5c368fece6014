"""Plugins are found by name, broken ones harm nobody, and listing imports none of them."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from sslskel.api.method import PretextMethod
from sslskel.errors import UsageError
from sslskel.plugins.registry import METHODS, REGISTRIES, Registry
from sslskel.plugins.scaffold import new_method
from sslskel.plugins.source import digest_of

GOOD = """
from dataclasses import dataclass
from sslskel.api.method import PretextMethod

@dataclass
class Options:
    size: int = 1

class Mine(PretextMethod[Options]):
    Config = Options
    def forward(self, views, noise, progress): ...
    def encoders(self): return {}
"""


@pytest.fixture
def plugin_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sslskel_plugins" / "methods"
    folder.mkdir(parents=True)
    return folder


def test_built_in_plugins_load_and_are_of_their_kind() -> None:
    for registry in REGISTRIES.values():
        assert registry.names()
        for name in registry.names():
            assert registry.get(name) is not None


def test_local_plugin_is_found_from_the_working_directory(plugin_folder: Path) -> None:
    (plugin_folder / "mine_here.py").write_text(GOOD)
    assert issubclass(METHODS.get("mine_here"), PretextMethod)
    assert METHODS.entry("mine_here").origin == str(plugin_folder / "mine_here.py")


def test_what_plugins_share_is_no_plugin(plugin_folder: Path) -> None:
    for name in ("common", "_private"):
        (plugin_folder / f"{name}.py").write_text("")
    for registry in REGISTRIES.values():
        assert not {"common", "_private"} & set(registry.names())
    with pytest.raises(UsageError, match="'common' names what plugins of one folder share"):
        new_method("common")


def test_listing_does_not_run_a_plugin(plugin_folder: Path) -> None:
    (plugin_folder / "loud.py").write_text("raise SystemExit('imported')")
    assert "loud" in METHODS.names()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("import does_not_exist", "ModuleNotFoundError.*does_not_exist"),
        ("def broken(:", "SyntaxError"),
        ("x = 1", "exactly one public subclass"),
        (GOOD + "\nclass Second(Mine): ...\n", "it defines 2"),
    ],
)
def test_broken_plugin_is_an_error_of_its_own_name_alone(plugin_folder: Path, content: str, message: str) -> None:
    (plugin_folder / "broken_one.py").write_text(content)
    with pytest.raises(UsageError, match=message):
        METHODS.get("broken_one")
    assert METHODS.get("mamp") is METHODS.get("masked_modelling")


def test_a_broken_built_in_plugin_is_left_out_of_all_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_methods"
    package.mkdir()
    for name, content in (("__init__", ""), ("a_broken", "import does_not_exist"), ("good", GOOD)):
        (package / f"{name}.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry[type[PretextMethod]]("method", "some_methods", "sslskel.api.method:PretextMethod")
    assert [name for name, _ in registry.built_in()] == ["good"]
    assert "a_broken" in registry.names()


def test_unknown_name_suggests_the_closest() -> None:
    with pytest.raises(UsageError, match="did you mean 'mamp'"):
        METHODS.get("mampp")


def test_collision_names_both_sides(plugin_folder: Path) -> None:
    (plugin_folder / "random_init.py").write_text(GOOD)
    with pytest.raises(UsageError, match=r"methods/random_init\.py and .*sslskel_plugins"):
        METHODS.get("random_init")


class _Point:
    """An entry point as an installed package would have it."""

    name, value = "theirs", "their_package.method:Theirs"
    dist = type("Dist", (), {"name": "their-package", "version": "2.0"})


def test_entry_points_are_listed_with_their_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def points(**_: Any) -> list[_Point]:
        return [_Point()]

    monkeypatch.setattr(metadata, "entry_points", points)
    assert METHODS.entry("theirs").origin == "their-package 2.0 (their_package.method:Theirs)"
    with pytest.raises(UsageError, match=r"their-package 2\.0"):
        METHODS.get("theirs")


def test_presets_say_what_they_configure() -> None:
    assert METHODS.plugin_of("mamp") == "masked_modelling"
    assert METHODS.preset("mamp")["plugin"] == "masked_modelling"
    assert METHODS.preset("masked_modelling") == {}


def test_listing_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys; from sslskel.plugins.registry import REGISTRIES;"
        "[r.entries() for r in REGISTRIES.values()];"
        "print([m for m in ('torch', 'numpy', 'yaml', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_folder_is_a_plugin_as_a_file_is(plugin_folder: Path) -> None:
    package = plugin_folder / "in_parts"
    package.mkdir()
    (package / "__init__.py").write_text("from ._whole import Mine\n")
    (package / "_whole.py").write_text(GOOD)
    (plugin_folder / "no_package").mkdir()
    assert METHODS.get("in_parts").__name__ == "Mine"
    assert METHODS.entry("in_parts").origin == str(package)
    assert "no_package" not in METHODS.names()
    before = digest_of(METHODS, "in_parts")
    (package / "_whole.py").write_text(GOOD.replace("size: int = 1", "size: int = 2"))
    assert METHODS.get("in_parts").Config().size == 2
    assert digest_of(METHODS, "in_parts") not in ("", before)


def test_a_folder_and_a_file_of_one_name_are_refused(plugin_folder: Path) -> None:
    (plugin_folder / "twice").mkdir()
    for file in (plugin_folder / "twice" / "__init__.py", plugin_folder / "twice.py"):
        file.write_text(GOOD)
    with pytest.raises(UsageError, match=r"two methods are called 'twice': .*twice and .*twice\.py"):
        METHODS.get("twice")
