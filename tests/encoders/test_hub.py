"""An exported encoder goes to a hub and comes back the same; what is no encoder, or not there, is a sentence."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import huggingface_hub.constants
import pytest
import torch
import yaml
from local_hub import LocalHub, local_hub

from sslskel import GridRequest, export, load_encoder, pretrain, push
from sslskel.cli import main
from sslskel.encoders.hub import fetched
from sslskel.errors import CheckpointError, RunError, UsageError

SMALL = ("backbone.dim=8", "backbone.depth=1", "backbone.heads=2")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A hub of this test alone, whose files are kept in this test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    with local_hub() as made:
        monkeypatch.setenv("HF_ENDPOINT", made.address)
        monkeypatch.setenv("HF_TOKEN", "hf_of_a_test")
        yield made


@pytest.fixture
def folder(tiny: str, tmp_path: Path) -> Path:
    """An exported encoder."""
    asked = GridRequest(methods=("random_init",), benchmarks=(tiny,), output=tmp_path / "runs", overrides=SMALL)
    return export(pretrain(asked)[0], tmp_path / "packed")[0]


def test_there_and_back(
    hub: LocalHub, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["push", str(folder), "lab/mine", "--private"]) == 0
    assert capsys.readouterr().out == f"{hub.address}/lab/mine\n"
    assert hub.private == {"lab/mine": True}
    assert hub.repositories["lab/mine"] == {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }
    here, back = load_encoder(folder), load_encoder("lab/mine")
    for one, other in zip(here.parameters(), back.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    asked = len(hub.requests)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert load_encoder("lab/mine").dim == here.dim, "what was fetched is kept"
    assert asked == len(hub.requests)


def test_what_cannot_be_fetched_is_a_sentence(hub: LocalHub, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no encoder of this name could be fetched from http.*: 404"):
        load_encoder("lab/nothing")
    hub.repositories["lab/other"] = {"config.json": b"{}", "model.py": b"raise SystemExit"}
    with pytest.raises(CheckpointError, match=r"lab/other is no encoder that sslskel exported: it has no manifest"):
        load_encoder("lab/other")
    assert not any("model.py" in request for request in hub.requests)
    with pytest.raises(CheckpointError, match="could be fetched"):
        load_encoder("lab/other@another")


def test_paths_are_never_asked_for(hub: LocalHub, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    for path in ("runs/mine", "lab/mine.pth", "one", "one/two/three", str(tmp_path / "lab"), "../lab"):
        assert fetched(path) == path
    assert not hub.requests


def test_only_sound_exports_are_pushed(hub: LocalHub, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no name on a hub; give OWNER/NAME"):
        push(folder, "mine")
    with pytest.raises(UsageError, match="was not made by `sslskel export`"):
        push(tmp_path / "runs", "lab/mine")
    hub.refuses = True
    with pytest.raises(RunError, match=r"could not be put on http.*as lab/mine: .*`hf auth login`"):
        push(folder, "lab/mine")
    (folder / "state.json").write_bytes(b"{}")
    with pytest.raises(CheckpointError, match="is damaged"):
        push(folder, "lab/mine")
    assert not hub.repositories


def test_a_card_begins_with_what_a_hub_reads(folder: Path) -> None:
    _, front, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    facts = yaml.safe_load(front)
    assert facts["library_name"] == "sslskel"
    assert facts["pipeline_tag"] == "feature-extraction"
    assert facts["license"] == "other"
    assert {"skeleton", "random_init", "transformer"} <= set(facts["tags"])
    assert text.startswith("\n# packed\n")
