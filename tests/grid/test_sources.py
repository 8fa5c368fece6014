"""Results of a plugin that was edited at the same version are made again; those of one that only looks new are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from recorder import Recorder

from sslskel.engine import checkpoint
from sslskel.errors import Interrupted, UsageError
from sslskel.grid.jobs import bench_in_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import evaluate, pretrain, run_grid
from sslskel.grid.runs import list_runs, prune
from sslskel.grid.search import search
from sslskel.plugins.scaffold import new_method, new_protocol
from sslskel.speed.estimate import plan


@pytest.fixture
def method(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a local method that the scaffold wrote."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    file, _ = new_method("mine")
    return file


def request(**changes: Any) -> GridRequest:
    asked: dict[str, Any] = {"methods": ("mine",), "protocols": ("knn",), "benchmarks": ("tiny",), **changes}
    return GridRequest(**{"overrides": ("train.epochs=1",), **asked})


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def records() -> list[dict[str, Any]]:
    return [json.loads(file.read_text()) for file in sorted(Path("runs/records").glob("*.json"))]


CHANGE = ("self.config.jitter * jitter", "2 * self.config.jitter * jitter")


def test_a_changed_line_makes_cells_due_again_and_says_so(method: Path) -> None:
    assert run_grid(request()).ran == 1
    [before] = records()
    edit(method, *CHANGE)
    recorder = Recorder()
    assert run_grid(request(), recorder).ran == 1
    [after] = records()
    assert after["identity"] == before["identity"]
    assert after["weights_sha256"] != before["weights_sha256"]
    assert after["sources"]["method"] != before["sources"]["method"]
    assert after["sources"]["backbone"] == before["sources"]["backbone"]
    [line] = [line for line in recorder.lines if "changed" in line]
    assert "method 'mine' changed at the same version" in line
    assert "--keep-results" in line
    assert run_grid(request()).reused == 1
    assert len(list(Path("runs/outdated").iterdir())) == 1


def test_how_a_method_is_written_makes_nothing_due(method: Path) -> None:
    run_grid(request())
    edit(method, "features = self", "hidden = self")
    edit(method, "features.shape", "hidden.shape")
    edit(method, "(features)", "( hidden )")
    edit(method, '"""Mean squared', '"""The mean squared')
    edit(method, "        batch, draws =", "        # Of one view.\n\n        batch, draws =")
    assert (run_grid(request()).ran, run_grid(request()).reused) == (0, 1)


def test_kept_results_count_as_equal_from_then_on(method: Path) -> None:
    run_grid(request())
    old = method.read_text()
    edit(method, *CHANGE)
    recorder = Recorder()
    assert run_grid(request(keep_results=True), recorder).reused == 1
    assert "numbers count as unchanged" in " ".join(recorder.lines)
    assert run_grid(request()).reused == 1
    # Another protocol judges the encoder that is there.
    assert run_grid(request(protocols=("retrieval",))).ran == 1
    assert len(list(Path("runs/pretrain").iterdir())) == 1
    method.write_text(old)
    assert run_grid(request(protocols=("knn", "retrieval"))).reused == 2


def half_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop a pretraining of three epochs at its first checkpoint."""
    save = checkpoint.save_checkpoint

    def save_and_stop(*arguments: Any) -> None:
        save(*arguments)
        raise Interrupted("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save_checkpoint", save_and_stop)
        with pytest.raises(Interrupted):
            run_grid(request(overrides=("train.epochs=3",)))


def test_a_half_done_pretraining_of_other_code_is_refused(method: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_done(monkeypatch)
    edit(method, *CHANGE)
    recorder = Recorder()
    with pytest.raises(UsageError, match=r"half done.*method 'mine' changed.*remove that folder.*version.*--keep-res"):
        run_grid(request(overrides=("train.epochs=3",)), recorder)
    assert "made again" not in " ".join(recorder.lines), "nothing is, before that folder is gone"
    refused = [planned.refused for planned in plan(request(overrides=("train.epochs=3",)))]
    assert ["half done" in one for one in refused] == [True]
    assert [planned.refused for planned in plan(request(overrides=("train.epochs=3",), keep_results=True))] == [""]
    [run] = list_runs("runs")
    assert not run.finished
    assert run_grid(request(overrides=("train.epochs=3",), keep_results=True)).ran == 1
    [run] = list_runs("runs")
    assert run.finished
    assert run_grid(request(overrides=("train.epochs=3",))).reused == 1


def test_a_new_version_is_another_run(method: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half_done(monkeypatch)
    edit(method, "    Config = MineConfig", "    Config = MineConfig\n    version = 2")
    edit(method, *CHANGE)
    assert run_grid(request(overrides=("train.epochs=3",))).ran == 1
    assert len(list_runs("runs")) == 2


def test_results_that_do_not_say_what_made_them_are_reused_and_marked(method: Path) -> None:
    run_grid(request())
    for file in [*Path("runs/records").iterdir()]:
        content = json.loads(file.read_text())
        del content["sources"], content["digest"]
        file.write_text(json.dumps(content))
    edit(method, *CHANGE)
    recorder = Recorder()
    assert run_grid(request(), recorder).reused == 1
    assert "1 reused records do not say which code made them" in recorder.lines
    result = run_grid(request(protocols=("knn", "retrieval")))
    assert any("1 of 2 records do not say which source made them" in note for note in result.board.notes)


def test_an_outdated_run_is_listed_and_pruned(method: Path) -> None:
    run_grid(request())
    edit(method, *CHANGE)
    run_grid(request())
    new, old = list_runs("runs")
    assert (new.records, old.records) == (1, 0)
    assert "outdated" in old.note
    assert [run.folder for run in prune("runs", really=True)] == [old.folder]
    assert [run.folder for run in list_runs("runs")] == [new.folder]


def test_code_beside_a_plugin_counts(method: Path) -> None:
    helper = method.with_name("_jitter.py")
    helper.write_text("SIZE = 1.0\n")
    edit(method, "from torch import nn\n", "from torch import nn\n\nfrom ._jitter import SIZE\n")
    edit(method, "self.config.jitter * jitter", "SIZE * self.config.jitter * jitter")
    run_grid(request())
    helper.write_text("SIZE = 2.0\n")
    assert run_grid(request()).ran == 1


def test_a_protocol_that_changed_judges_the_same_encoder_again(method: Path) -> None:
    file, _ = new_protocol("near")
    run_grid(request(protocols=("near", "knn")))
    edit(file, "return functional.normalize(", "return 0.5 * functional.normalize(")
    result = run_grid(request(protocols=("near", "knn")))
    assert (result.ran, result.reused) == (1, 1)
    assert len(list(Path("runs/pretrain").iterdir())) == 1


@pytest.mark.long
def test_all_that_asks_what_is_due_knows_of_it(method: Path) -> None:
    run_grid(request())
    assert [row.done for row in plan(request())] == [True]
    edit(method, *CHANGE)
    assert [row.done for row in plan(request())] == [False]
    assert [row.done for row in plan(request(keep_results=True))] == [True]
    assert [row.done for row in plan(request())] == [False]
    result = bench_in_jobs(request(), 1)
    assert (result.ran, result.reused, result.failures) == (1, 0, [])


@pytest.mark.long
def test_a_search_forgets_trials_of_other_code(method: Path) -> None:
    asked = request(overrides=("train.epochs=1", "method.jitter=0.01,0.1"))
    first = search(asked, 1)
    edit(method, *CHANGE)
    recorder = Recorder()
    assert len(search(asked, 1, reporter=recorder).trials) == len(first.trials) == 1
    assert any(line.startswith("trial 1 of 1") for line in recorder.lines)


def test_a_checkpoint_of_other_code_is_judged_as_such(method: Path) -> None:
    folder, _ = pretrain(request())
    before = evaluate(folder, "knn").sources
    edit(method, *CHANGE)
    assert evaluate(folder, "knn").sources == before
    assert run_grid(request()).ran == 1


def test_a_dry_run_says_what_the_run_would_refuse(
    method: Path, monkeypatch: pytest.MonkeyPatch, sslskel: Callable[..., Any]
) -> None:
    half_done(monkeypatch)
    words = ("bench", "--method", "mine", "--protocol", "knn", "--benchmark", "tiny", "--dry-run", "train.epochs=3")
    assert "1 of 1 cell to run" in sslskel(*words).stdout
    edit(method, *CHANGE)
    shown = sslskel(*words).stdout
    assert "0 of 1 cell to run" in shown
    assert re.search(r"refused: mine on tiny.*half done, and method 'mine' changed at the same version", shown)
