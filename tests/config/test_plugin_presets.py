"""Plugins bring sizes of their own for the presets that everybody has: local ones as installed ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from sslskel.config.compose import Resolved, compose
from sslskel.errors import UsageError
from sslskel.plugins.scaffold import new_backbone, new_method, new_protocol

METHOD = """    Config = MineConfig
    default_backbone = "my_net"
    presets = {
        "quick": {
            "method": {"jitter": 0.25},
            "train": {"epochs": 7},
            "clip": {"frames": 20},
            "backbone": {"dim": 12},
        }
    }
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for write, name in ((new_method, "mine"), (new_backbone, "my_net"), (new_protocol, "my_way")):
        write(name)
    edited("methods/mine.py", "    Config = MineConfig\n", METHOD)
    network = '    Config = MyNetConfig\n    presets = {"quick": {"dim": 10, "layers": 1}}\n'
    edited("backbones/my_net.py", "    Config = MyNetConfig\n", network)
    edited(
        "protocols/my_way.py",
        "    Config = MyWayConfig\n",
        '    Config = MyWayConfig\n    presets = {"quick": {"power": 0.5}}\n',
    )
    return tmp_path / "sslskel_plugins"


def edited(name: str, old: str, new: str) -> None:
    file = Path("sslskel_plugins") / name
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def composed(preset: str, *overrides: str, method: str = "mine", backbone: str = "my_net") -> Resolved:
    return compose(method, backbone=backbone, preset=preset, protocol="my_way", overrides=overrides)


def options(resolved: Resolved, *names: str) -> list[object]:
    plain = resolved.plain()
    return [plain[group][option] for group, option in (name.split(".") for name in names)]


SIZES = ("method.jitter", "train.epochs", "train.batch_size", "clip.frames", "backbone.dim", "backbone.layers")


def test_its_sizes_are_laid_over_those_of_the_preset() -> None:
    assert options(composed("quick"), *SIZES) == [0.25, 7, 8, 20, 12, 1]
    assert options(composed("quick"), "protocol.power") == [0.5]
    assert options(composed("quick", "method.jitter=0.5", "backbone.dim=4"), *SIZES) == [0.5, 7, 8, 20, 4, 1]


def test_they_are_of_that_preset_alone() -> None:
    assert options(composed("cpu"), *SIZES) == [0.05, 120, 16, 60, 64, 3]
    assert options(composed("cpu"), "protocol.power") == [1.0]


def test_a_backbone_brings_its_sizes_to_any_method_and_a_method_none_for_a_foreign_backbone() -> None:
    assert options(composed("quick", method="random_init"), "backbone.dim", "backbone.layers") == [10, 1]
    assert options(composed("quick", backbone="transformer"), "backbone.dim", "train.epochs") == [64, 7]


def test_the_file_of_a_preset_wins(folder: Path) -> None:
    file = folder / "configs" / "preset" / "tuned.yaml"
    file.parent.mkdir(parents=True)
    file.write_text("train: {batch_size: 4}\nbackbone: {my_net: {layers: 2}}\nmethod: {mine: {jitter: 0.125}}\n")
    for name in ("methods/mine.py", "backbones/my_net.py"):
        edited(name, '"quick"', '"tuned"')
    assert options(composed("tuned"), *SIZES) == [0.125, 7, 4, 20, 12, 2]


def test_an_option_that_there_is_not_names_plugin_and_preset() -> None:
    edited("methods/mine.py", "jitter", "jiter")
    edited("methods/mine.py", "jiter: float", "jitter: float")
    with pytest.raises(UsageError, match=r"preset 'quick' of method 'mine': .*jiter"):
        composed("quick")
