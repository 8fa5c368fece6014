"""What code of commit 867c4ca wrote, today's code writes too, reads and reuses; ``make.py`` made the files."""

from __future__ import annotations

import hashlib
import importlib
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from board_differences import in_todays_words, without_additions
from board_page import with_block_unpacked
from help_changes import DIFFERENCES, REWORDED
from safetensors.torch import load_file

from sslskel import BENCHMARKS, open_benchmark
from sslskel.config.compose import LATER
from sslskel.encoders.meta import CheckpointMeta
from sslskel.evaluation.linear_training import LinearConfig
from sslskel.grid.request import GridRequest
from sslskel.plugins.registry import PROTOCOLS

HERE = Path(__file__).resolve().parent
STEPS = sorted((HERE / "runs" / "pretrain").glob("*/step-*"))
FORMATS = ("table", "markdown", "csv", "json", "latex", "html")
EVERYTHING = ("--details", "--intervals")
"""What boards showed then: short forms are newer."""
MEASURED = ("cost", "created", "environment", "predictions")
"""Parts of a record that differ from run to run, or from machine to machine."""

KEEP_HELP = "--keep-results keep results of plugins that were edited at the same version: their numbers are unchanged"
WITH_KEEP = {
    "bench": " --mode MODE",
    "sweep": " --mode MODE",
    "pretrain": " --mode MODE",
    "reproduce": " --mode MODE",
}
"""Commands that have got ``--keep-results``, and the option that it is shown before."""
ADDED = {"details", "digest", "init_identity", "movements", "sources"}
"""Keys that records and checkpoints have now and had not."""

RISEN = {"few_shot": 1, "linear": 1, "occlusion": 1}
"""Protocols whose numbers have changed on purpose, and their version then: their cells have other identities now."""
WITH_VERSION = ("min_steps",)
"""Options that came with such a version."""

Command = Callable[..., Any]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A copy of the frozen results folder."""
    return Path(shutil.copytree(HERE / "runs", tmp_path / "runs"))


def record(folder: Path, method: str, protocol: str) -> tuple[Path, dict[str, Any]]:
    """The record of a cell, and where it is."""
    [one] = [
        (file, content)
        for file in sorted((folder / "records").glob("*.json"))
        for content in [json.loads(file.read_text(encoding="utf-8"))]
        if (content["method"]["name"], content["protocol"]["name"]) == (method, protocol)
    ]
    return one


def bench_words() -> list[str]:
    """The command that made the frozen results."""
    _, content = record(HERE / "runs", "mamp", "knn")
    return shlex.split(content["command"])[1:]


@pytest.mark.parametrize("page", sorted((HERE / "help").glob("*.txt")), ids=lambda page: page.stem)
def test_help_says_the_same(page: Path, sslskel: Command) -> None:
    text = page.read_text(encoding="utf-8")
    for old, new in DIFFERENCES.get(page.stem, ()):
        assert old in text, f"{page.stem} never said: {old}"
        text = text.replace(old, new)
    words = [] if page.stem == "sslskel" else page.stem.split("-")
    done = sslskel(*words, "--help", COLUMNS="100")
    if page.stem in WITH_KEEP:
        option = WITH_KEEP[page.stem]
        text = text.replace(f"[{option.strip()}]", f"[--keep-results] [{option.strip()}]")
        text = text.replace(f"\n {option}", f"\n  {KEEP_HELP}\n {option}")
    text += getattr(importlib.import_module(f"sslskel.cli.{words[0]}"), "OVERRIDES", "") if len(words) == 1 else ""
    # Python versions wrap lines at other words.
    assert done.stdout.split() == reworded(" ".join(text.split())).split()


def reworded(text: str) -> str:
    """A frozen page in today's words."""
    for old, new in REWORDED:
        text = text.replace(old, new)
    return text


def test_no_rewording_is_left_over() -> None:
    pages = [" ".join(page.read_text(encoding="utf-8").split()) for page in (HERE / "help").glob("*.txt")]
    assert [old for old, _ in REWORDED if not any(old in page for page in pages)] == []


NEWER = {"completion", "errata", "push"}
"""Commands that were not there when the pages were frozen."""


def test_every_command_is_frozen(sslskel: Command) -> None:
    listed = sslskel("--help").stdout.partition("commands:\n")[2].partition("\n\n")[0].splitlines()
    assert {line.split()[0] for line in listed} - NEWER <= {page.stem for page in (HERE / "help").iterdir()}


@pytest.mark.parametrize("entry", json.loads((HERE / "cells.json").read_text(encoding="utf-8")))
def test_cells_have_the_same_identities(entry: dict[str, Any], tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, version in RISEN.items():
        assert PROTOCOLS.get(name).version > version
        monkeypatch.setattr(PROTOCOLS.get(name), "version", version)
    for name in WITH_VERSION:
        monkeypatch.setitem(LATER["protocol"], name, getattr(LinearConfig(), name))
    asked = {"benchmarks": [tiny], **entry["request"]}
    request = GridRequest(**{name: tuple(value) if isinstance(value, list) else value for name, value in asked.items()})
    cells = []
    for cell in request.cells():
        dataset = open_benchmark(BENCHMARKS.get(cell.benchmark))
        target = open_benchmark(BENCHMARKS.get(cell.target)) if cell.target else None
        identity = cell.identity(dataset, target) if cell.protocol else ""
        cells.append([cell.title, cell.pretrain_identity(dataset), identity])
    assert cells == entry["cells"]


def test_prepared_data_are_the_same_bytes(tmp_path: Path, sslskel: Command) -> None:
    frozen = json.loads((HERE / "fingerprints.json").read_text(encoding="utf-8"))
    for name in frozen:
        how = ("prepare", name)
        if name == "own":
            how = ("import", name, "--clips", "own/clips.csv", "--layout", "own/layout.yaml")
        assert sslskel("data", *how, cwd=HERE, SSLSKEL_DATA=str(tmp_path)).returncode == 0
        text = (tmp_path / name / "manifest.json").read_text(encoding="utf-8")
        files = {file: fact["sha256"] for file, fact in json.loads(text)["files"].items()}
        assert {**files, "manifest.json": hashlib.sha256(text.encode()).hexdigest()} == frozen[name], name


@pytest.mark.parametrize("form", FORMATS)
def test_the_board_says_the_same_but_for_what_is_named(form: str, runs: Path, sslskel: Command) -> None:
    text = sslskel("leaderboard", "--results", str(runs), "--format", form, *EVERYTHING, COLUMNS="100").stdout
    if form == "html":
        text = hashlib.sha256(with_block_unpacked(text).encode()).hexdigest() + "\n"
    frozen = (HERE / "board" / f"{form}.txt").read_text(encoding="utf-8")
    assert without_additions(form, text) == in_todays_words(form, frozen)


@pytest.mark.parametrize(
    "step", sorted((HERE / "runs" / "pretrain").glob("*/step-*")), ids=lambda step: step.parent.name
)
def test_the_meta_of_a_checkpoint_is_the_same_bytes(step: Path) -> None:
    meta = json.loads((step / "state.json").read_text(encoding="utf-8"))["meta"]
    made = CheckpointMeta.from_json(meta, step).to_json()
    assert json.dumps(made, indent=1, sort_keys=True) == json.dumps(meta, indent=1, sort_keys=True)


def drop_later(now: dict[str, Any], before: dict[str, Any]) -> None:
    """Leave out options that did not exist then and are at their old value."""
    for group, options in LATER.items():
        for name in options.keys() - before.get(group, {}).keys():
            if now.get(group, {}).get(name) == options[name]:
                del now[group][name]


@pytest.mark.long
def test_frozen_results_are_reused(runs: Path, sslskel: Command) -> None:
    done = sslskel(*bench_words())
    # Those of `linear` are of a version that is no longer made.
    assert "2 cells run, 2 already there" in done.stdout, done.stdout + done.stderr
    file, before = record(runs, "mamp", "knn")
    file.unlink()
    state = next(runs.glob("pretrain/mamp*/step-*/state.json"))
    trained = state.stat().st_mtime_ns
    done = sslskel(*bench_words())
    assert "1 cell run, 3 already there" in done.stdout, done.stdout + done.stderr
    assert state.stat().st_mtime_ns == trained
    after = json.loads(file.read_text(encoding="utf-8"))
    assert [key for key in after if key not in ADDED] == list(before)
    drop_later(after["config"], before["config"])
    for part in set(before) - set(MEASURED):
        assert after[part] == before[part], part
    for part in MEASURED[:3:2]:
        assert set(after[part]) == set(before[part])


def without_key_bias(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """A softmax over keys does not feel their bias: its gradient is rounding, which Adam makes whole steps of."""
    if not name.endswith("qkv.bias"):
        return tensor
    query, _, value = tensor.chunk(3)
    return torch.cat([query, value])


def test_a_new_run_writes_the_same_files(tmp_path: Path, sslskel: Command) -> None:
    done = sslskel(*bench_words())
    assert "4 cells run" in done.stdout, done.stdout + done.stderr
    made, frozen = tmp_path / "runs", HERE / "runs"
    for step in STEPS:
        own = made / step.relative_to(frozen)
        state, before = (json.loads((folder / "state.json").read_text(encoding="utf-8")) for folder in (own, step))
        meta = {key: value for key, value in state["meta"].items() if key not in ADDED}
        meta["seen"] = [{key: value for key, value in seen.items() if key not in ADDED} for seen in meta["seen"]]
        assert json.dumps(meta) == json.dumps(before["meta"])
        assert state["settings"] == before["settings"]
        assert set(state) == set(before)
        for name in ("model", "optimiser"):
            new, old = (load_file(folder / f"{name}.safetensors") for folder in (own, step))
            assert list(new) == list(old)
            for key, tensor in old.items():
                mine, frozen_part = without_key_bias(key, new[key]), without_key_bias(key, tensor)
                torch.testing.assert_close(mine, frozen_part, rtol=1e-3, atol=1e-4)
    for file in sorted((frozen / "records").iterdir()):
        before = json.loads(file.read_text(encoding="utf-8"))
        protocol = before["protocol"]["name"]
        path, after = record(made, before["method"]["name"], protocol)
        assert (path.name == file.name) is (protocol not in RISEN)
        assert [key for key in after if key not in ADDED] == list(before)
        drop_later(after["config"], before["config"])
        for name in WITH_VERSION if protocol in RISEN else ():
            del after["config"]["protocol"][name]
        assert after["config"] == before["config"]
        assert after["seen"] == before["seen"]
