"""Checkpoints of plugins that are not here: the sentence names the file or package that their code was in."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

import sslskel
from sslskel.encoders.export import export
from sslskel.encoders.meta import CheckpointMeta
from sslskel.engine.checkpoint import read_state, resolve
from sslskel.errors import CheckpointError
from sslskel.plugins.scaffold import new_backbone, new_method

OPTIONS = ("train.epochs=1", "backbone.dim=8")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a method and a backbone of its own; tests run beside it."""
    made = tmp_path / "home"
    made.mkdir()
    monkeypatch.chdir(made)
    new_method("mine")
    new_backbone("my_net")
    return made


def also_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Look for plugins in ``folder`` too."""
    monkeypatch.setenv("SSLSKEL_PLUGINS", f"{os.environ['SSLSKEL_PLUGINS']}{os.pathsep}{folder}")


def pretrained(tiny: str, method: str, backbone: str) -> Path:
    request = sslskel.GridRequest(methods=(method,), backbone=backbone, benchmarks=(tiny,), overrides=OPTIONS)
    return sslskel.pretrain(request)[0].resolve()


def test_a_method_and_a_backbone_that_are_not_here_are_named_with_their_files(
    home: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, ours = pretrained(tiny, "mine", "my_net"), pretrained(tiny, "random_init", "my_net")
    folder = home / "sslskel_plugins"
    monkeypatch.chdir(home.parent)
    with pytest.raises(CheckpointError, match=re.escape(f"read from {folder}/methods/mine.py")) as caught:
        sslskel.open_encoders(mine)
    assert "SSLSKEL_PLUGINS" in str(caught.value)
    with pytest.raises(
        CheckpointError,
        match=re.escape(
            f"backbone 'my_net', which is not known here; its code was read from {folder}/backbones/my_net.py"
        ),
    ):
        sslskel.open_encoders(ours)
    also_in(monkeypatch, folder)
    assert sslskel.open_encoders(mine).meta.method.name == "mine"
    assert sslskel.open_encoders(ours).encoders


def test_the_card_of_an_exported_encoder_names_the_files_that_open_it(home: Path, tiny: str) -> None:
    folder, _ = export(pretrained(tiny, "mine", "my_net"), "packed")
    card = (folder / "README.md").read_text().replace("\\", "")
    assert "copy it to sslskel_plugins/methods/mine.py and sslskel_plugins/backbones/my_net.py" in card
    assert str(home) not in card, "no path of this machine"


def test_where_the_code_was_is_no_part_of_an_identity(home: Path, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = CheckpointMeta.read(pretrained(tiny, "mine", "my_net"))
    (home / "sslskel_plugins").rename(home.parent / "moved")
    also_in(monkeypatch, home.parent / "moved")
    monkeypatch.chdir(home.parent)
    second = CheckpointMeta.read(pretrained(tiny, "mine", "my_net"))
    assert (first.identity, first.sources) == (second.identity, second.sources)
    assert first.backbone.origin == str(home / "sslskel_plugins" / "backbones" / "my_net.py") != second.backbone.origin


def test_code_that_came_with_sslskel_or_a_package_is_said_so(
    home: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = resolve(pretrained(tiny, "random_init", "transformer"))
    content = read_state(step)["meta"]
    assert "origin" not in content["backbone"]

    def opened(**method: str) -> None:
        gone = {**content, "method": {**content["method"], "name": "gone", "plugin": "gone", **method}}
        monkeypatch.setattr(CheckpointMeta, "read", lambda _: CheckpointMeta.from_json(gone, step))
        sslskel.open_encoders(step)

    with pytest.raises(CheckpointError, match=r"another version of sslskel may have it"):
        opened(origin="methods/gone.py")
    with pytest.raises(CheckpointError, match=r"in their-package 1.0 \(theirs:Gone\): install that package"):
        opened(origin="their-package 1.0 (theirs:Gone)")
