"""Exported encoders are called by name wherever a checkpoint is; one that is not there is a sentence."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import torch

from sslskel import load_encoder
from sslskel.cli import main
from sslskel.cli.completion import completions
from sslskel.encoders.export import export
from sslskel.engine.checkpoint import resolve
from sslskel.errors import CheckpointError
from sslskel.grid.run import bench, evaluate
from sslskel.plugins.encoders import checkpoint_path, encoder_folders


@pytest.fixture
def named(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of an exported encoder called ``ours``; the run that it came from is gone."""
    monkeypatch.chdir(tmp_path)
    short = ["train.epochs=1", "backbone.dim=8", "backbone.depth=1", "backbone.heads=2"]
    bench(["random_init"], ["knn"], [tiny], output=tmp_path / "runs", overrides=short)
    [folder] = (tmp_path / "runs" / "pretrain").iterdir()
    target, _ = export(folder, tmp_path / "sslskel_plugins" / "encoders" / "ours")
    shutil.rmtree(tmp_path / "runs")
    return target


def test_a_name_stands_for_the_encoder(named: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_path, by_name = load_encoder(named), load_encoder("ours")
    for one, other in zip(by_path.parameters(), by_name.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert resolve(Path("ours")) == named
    assert evaluate("ours", "knn", output=tmp_path / "theirs").scores
    capsys.readouterr()
    assert main(["list", "encoders"]) == 0
    assert capsys.readouterr().out.split() == ["ours", str(named)]
    assert completions(["embed", "--checkpoint", "ou"]) == ["ours"]
    assert main(["show", "ours"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"ours: encoder, {named}\nmethod random_init, version 1; backbone transformer\n")
    assert "\npreset tiny, seed 0, pretrained for tiny\nsaw no clips\n" in said
    assert f"its card: {named / 'README.md'}\n" in said


def test_a_path_that_exists_comes_first(named: Path, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    assert checkpoint_path("ours") == Path("ours")


def test_a_name_that_is_not_there_lists_folders_and_names(
    named: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--checkpoint", "our", "--protocol", "knn"]) == 2
    said = capsys.readouterr().err
    folder = tmp_path / "sslskel_plugins" / "encoders"
    assert f"there is no checkpoint at our, and no encoder of this name in {folder}, " in said
    assert "; did you mean 'ours'? (there are: ours)" in said
    with pytest.raises(CheckpointError, match=r"there is no checkpoint at runs/pretrain/our$"):
        checkpoint_path("runs/pretrain/our")


def test_two_of_one_name_are_told_apart_by_their_paths(
    named: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(named, tmp_path / "more" / "encoders" / "ours")
    monkeypatch.setenv("SSLSKEL_PLUGINS", os.pathsep.join([os.environ["SSLSKEL_PLUGINS"], str(tmp_path / "more")]))
    assert [folder.name for folder in encoder_folders()] == ["ours", "ours"]
    with pytest.raises(CheckpointError, match=r"several encoders are called 'ours'.*give one's path"):
        load_encoder("ours")
