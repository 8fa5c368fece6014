"""Files and checkpoints that a method declares: identities, what was seen, records, boards, cards, refusals."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sslskel.encoders.export import export
from sslskel.encoders.meta import CheckpointMeta
from sslskel.encoders.open import open_encoders
from sslskel.engine.checkpoint import load_weights
from sslskel.errors import UsageError
from sslskel.grid.jobs import bench_in_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import BenchResult, evaluate, run_grid
from sslskel.grid.runs import list_runs, prune
from sslskel.grid.search import search
from sslskel.leaderboard.build import build_board
from sslskel.results.record import Record, parse_record
from sslskel.results.store import ResultStore
from sslskel.speed.estimate import plan

OTHERS = Path(__file__).resolve().parents[1] / "support" / "origin_plugins"
Command = Callable[..., Any]


@pytest.fixture(autouse=True)
def methods(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with methods that read files."""
    monkeypatch.setenv("SSLSKEL_PLUGINS", os.pathsep.join([os.environ["SSLSKEL_PLUGINS"], str(OTHERS)]))
    monkeypatch.chdir(tmp_path)


def request(method: str, **changes: object) -> GridRequest:
    base = GridRequest(
        methods=(method,),
        protocols=("knn",),
        benchmarks=("tiny",),
        backbone="transformer",
        overrides=("train.epochs=1",),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def reading(method: str, source: Path | str, **changes: object) -> BenchResult:
    """A grid of one method that reads a file or checkpoint."""
    return run_grid(request(method, overrides=("train.epochs=1", f"method.source={source}"), **changes))


def constants(path: str, value: float) -> Path:
    file = Path(path)
    file.parent.mkdir(exist_ok=True)
    np.save(file, np.array(value))
    return file


def teacher(output: str = "first", benchmark: str = "tiny", **changes: object) -> Path:
    run_grid(request("skeletonmae", benchmarks=(benchmark,), output=Path(output), **changes))
    [run] = list_runs(output)
    return run.folder


def only(result: BenchResult) -> Record:
    assert result.failures == []
    [record] = result.records
    assert parse_record(record.to_json()) == record
    return record


def test_a_changed_file_makes_its_cell_due_again_and_a_moved_one_does_not() -> None:
    first = reading("anchored", constants("one.npy", 0.5))
    again = reading("anchored", constants("one.npy", 0.5))
    assert (first.ran, again.ran, again.reused) == (1, 0, 1)
    shutil.copy("one.npy", "two.npy")
    assert reading("anchored", "two.npy").reused == 1
    changed = reading("anchored", constants("one.npy", 0.75))
    assert changed.ran == 1
    one, other = only(first), only(changed)
    assert one.pretrain_identity != other.pretrain_identity
    assert one.config["method"]["source"] == f"sha256:{one.origins[0]['sha256'][:12]}"
    labels = {row.label for row in changed.board.rows}
    assert labels == {f"anchored (source=sha256:{r.origins[0]['sha256'][:12]})" for r in (one, other)}
    assert all(cell for row in changed.board.rows for cell in row.cells), "no seed was run more than once"


def test_a_file_that_no_option_names_counts_too() -> None:
    constants("constants.npy", 0.5)
    one = only(run_grid(request("anchored")))
    constants("constants.npy", 0.75)
    result = run_grid(request("anchored"))
    other = only(result)
    assert result.ran == 1
    assert one.config["origins"] == {"file_1": one.origins[0]["sha256"][:12]}
    assert one.config["method"] == {"source": "", "made_from": ""}
    assert len({row.label for row in result.board.rows}) == 2
    [run] = [run for run in list_runs("runs") if run.identity == other.pretrain_identity]
    assert torch.equal(load_weights(run.folder)["anchor"], torch.full((16,), 0.75))


def test_a_teacher_is_named_and_what_it_saw_is_inherited() -> None:
    folder = teacher(benchmark="tiny_more")
    record = only(reading("distil", folder))
    saw = [(part["dataset"], part["overlap"]) for part in record.seen]
    assert saw == [("tiny_more", 3), ("tiny", 0)]
    [origin] = record.origins
    meta = CheckpointMeta.read(folder)
    assert origin == {
        "kind": "checkpoint",
        "name": folder.name,
        "sha256": origin["sha256"],
        "option": "source",
        "identity": meta.identity,
        "saw": ["tiny_more/xsub"],
    }
    board = build_board([record])
    assert board.rows[0].cells[0].leak  # type: ignore[union-attr]
    assert board.rows[0].label == "distil (pretrained on tiny/xsub/train + tiny_more/xsub/train)"
    [run] = list_runs("runs")
    weights = load_weights(run.folder)
    for name, value in load_weights(folder).items():
        if name.startswith("backbone."):
            assert torch.equal(weights[name.replace("backbone.", "teacher.network.", 1)], value), name


@pytest.mark.long
def test_a_teacher_of_the_same_clips_adds_none_and_counts_by_its_weights() -> None:
    folder = teacher()
    record = only(reading("distil", folder))
    assert [part["dataset"] for part in record.seen] == ["tiny"]
    assert build_board([record]).rows[0].label == "distil"
    packed, _ = export(folder, "packed")
    assert reading("distil", packed).reused == 1
    assert reading("distil", teacher("more", seeds=(1,))).ran == 1


def test_what_comes_through_a_checkpoint_is_passed_on() -> None:
    constants("constants.npy", 0.5)
    run_grid(request("anchored", benchmarks=("tiny_more",), output=Path("first")))
    [first] = list_runs("first")
    record = only(reading("distil", first.folder))
    own, behind = record.origins
    assert own["saw"] == ["tiny_more/xsub"]
    assert (behind["name"], behind["through"]) == ("constants.npy", first.folder.name)
    assert "saw" not in behind
    assert "option" not in behind
    assert "origins" not in record.config
    Path("constants.npy").unlink()
    [second] = list_runs("runs")
    started = only(run_grid(request("distil", init=second.folder, output=Path("third"))))
    assert [(one["kind"], one["through"]) for one in started.origins] == [
        ("checkpoint", second.folder.name),
        ("file", first.folder.name),
    ]
    assert [part["dataset"] for part in started.seen] == ["tiny_more", "tiny", "tiny"]


def test_stages_read_files_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "sslskel_plugins" / "configs" / "method"
    folder.mkdir(parents=True)
    (folder / "in_two.yaml").write_text(
        "stages: [{method: anchored, config: {source: one.npy}}, {method: recalled, from: encoder}]"
    )
    constants("one.npy", 0.5)
    first = only(run_grid(request("in_two")))
    [origin] = first.origins
    assert (origin["name"], origin["through"].partition("-")[0]) == ("one.npy", "anchored")
    assert run_grid(request("in_two")).reused == 1
    constants("one.npy", 0.75)
    assert run_grid(request("in_two")).ran == 1
    Path("one.npy").unlink()
    with pytest.raises(UsageError, match=r"method.source=one.npy: there is no such file"):
        run_grid(request("in_two"))


def test_weights_of_a_file_are_no_floor() -> None:
    trained = reading("anchored", constants("one.npy", 0.5))
    new, read = run_grid(request("recalled")), reading("recalled", "one.npy")
    assert (new.ran, read.ran) == (1, 1)
    board = build_board([*trained.records, *new.records, *read.records])
    floors = {row.label: row.trained for row in board.rows}
    assert sorted(floors.values()) == [False, True, True]
    assert sorted(cell.unproven for row in board.rows for cell in row.cells if cell) == [False, True, True]
    assert not [text for text in board.findings if "which saw no data" in text]
    assert read.records[0].weights_sha256 != new.records[0].weights_sha256


def test_owners_may_declare_what_a_file_was_made_from() -> None:
    source = f"method.source={constants('one.npy', 0.5)}"
    leaking = run_grid(request("recalled", overrides=(source, "method.made_from=tiny_more/xsub")))
    fair = run_grid(request("recalled", overrides=(source, "method.made_from=none")))
    record, other = only(leaking), only(fair)
    assert [(part["dataset"], part["overlap"]) for part in record.seen] == [("tiny_more", 3)]
    assert (record.origins[0]["declared"], record.origins[0]["saw"]) == (True, ["tiny_more/xsub"])
    assert (other.seen, other.origins[0]["saw"]) == ((), [])
    board = build_board([record, other])
    assert {row.label.partition(" ")[0]: row.trained for row in board.rows} == {"recalled": True}
    assert sorted(cell.leak for row in board.rows for cell in row.cells if cell) == [False, True]
    [warning] = [text for text in board.warnings if "owners declared, and was not checked" in text]
    assert warning.count("one.npy") == 2
    assert not [text for text in board.warnings if "is not known" in text]
    with pytest.raises(UsageError, match=r"what one.npy is declared to be made from: there is no benchmark 'tiny_mor'"):
        run_grid(request("recalled", overrides=(source, "method.made_from=tiny_mor")))


def test_new_weights_for_the_floor_of_fine_tuning_come_from_the_seed_alone() -> None:
    run_grid(request("recalled", output=Path("new")))
    reading("recalled", constants("one.npy", 0.5))
    [new], [read] = list_runs("new"), list_runs("runs")
    opened, seeded = open_encoders(read.folder), open_encoders(new.folder).encoders["joint"].state_dict()
    for name, value in opened.fresh(0)["joint"].state_dict().items():
        assert torch.equal(value, seeded[name]), name
    assert opened.weights_sha256 != open_encoders(new.folder).weights_sha256


def test_an_untrained_checkpoint_is_a_floor_still() -> None:
    run_grid(request("random_init", output=Path("first")))
    [first] = list_runs("first")
    [origin] = only(reading("distil", first.folder)).origins
    assert origin["saw"] == []


def test_boards_and_cards_name_them() -> None:
    folder = teacher()
    distilled = only(reading("distil", folder))
    anchored = only(reading("anchored", constants("one.npy", 0.5)))
    board = build_board([distilled, anchored])
    short = {record.method["name"]: record.origins[0]["sha256"][:12] for record in (distilled, anchored)}
    notes = [text for text in board.notes if text.startswith("read besides clips")]
    assert len(notes) == 2
    note = " ".join(notes)
    assert f"distil: checkpoint {folder.name} ({short['distil']}), which saw tiny/xsub" in note
    assert f"anchored: file one.npy ({short['anchored']}), of which it is not known what it was made from" in note
    [warning] = [text for text in board.warnings if "is not known" in text]
    assert warning.endswith(f"test clips not excluded, marked ‡: anchored: one.npy ({short['anchored']})")
    card = {}
    for run in list_runs("runs"):
        packed, _ = export(run.folder, Path("packed") / run.folder.name.partition("-")[0])
        card[packed.name] = (packed / "README.md").read_text(encoding="utf-8")
        assert str(Path.cwd()) not in card[packed.name]
        assert "one.npy" not in card[packed.name].partition("## Recipe")[2]
    assert f"checkpoint {folder.name} ({short['distil']}), which saw tiny/xsub" in card["distil"].replace("\\", "")
    assert f"file one.npy ({short['anchored']})" in card["anchored"].replace("\\", "")


def test_a_card_does_not_say_that_weights_of_a_file_saw_nothing() -> None:
    reading("recalled", constants("one.npy", 0.5))
    [run] = list_runs("runs")
    packed, _ = export(run.folder, "packed")
    assert "It was not trained on any clip" not in (packed / "README.md").read_text(encoding="utf-8")


def test_a_checkpoint_is_judged_without_the_file() -> None:
    made = only(reading("anchored", constants("one.npy", 0.5)))
    Path("one.npy").unlink()
    [run] = list_runs("runs")
    record = evaluate(run.folder, "retrieval", output="elsewhere")
    assert record.origins == made.origins
    assert record.config["method"] == made.config["method"]


def test_a_teacher_that_is_needed_is_not_pruned() -> None:
    reading("distil", teacher("runs"))
    for file in Path("runs/records").iterdir():
        if parse_record(file.read_text()).method["name"] == "skeletonmae":
            file.unlink()
    assert prune("runs", really=False) == []


def test_a_file_that_changes_while_a_run_starts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cells = request("anchored", overrides=("train.epochs=1", f"method.source={constants('one.npy', 0.5)}")).cells()
    constants("one.npy", 0.75)
    monkeypatch.setattr(GridRequest, "cells", lambda self, init=None: cells)
    result = run_grid(request("anchored"))
    [failure] = result.failures
    assert "one.npy was changed after this run had been composed" in failure


@pytest.mark.long
def test_estimates_know_them() -> None:
    asked = request("anchored", overrides=("train.epochs=1", f"method.source={constants('one.npy', 0.5)}"))
    assert [planned.done for planned in plan(asked)] == [False]
    run_grid(asked)
    assert [planned.done for planned in plan(asked)] == [True]
    constants("one.npy", 0.75)
    assert [planned.done for planned in plan(asked)] == [False]


@pytest.mark.long
def test_a_search_reads_them_and_begins_anew_when_they_change() -> None:
    pytest.importorskip("optuna")
    source = f"method.source={constants('one.npy', 0.5)}"
    asked = request("anchored", overrides=("train.epochs=1", source, "train.lr=0.001,0.01"))
    first = search(asked, 1)
    assert search(asked, 1) == first
    constants("one.npy", 0.75)
    again = search(asked, 1)
    assert again.file != first.file
    seen = {record.origins[0]["sha256"] for record in ResultStore(asked.output).read_all()[0]}
    assert len(seen) == 2
    constants("one.npy", 0.5).unlink()
    with pytest.raises(UsageError, match="there is no such file"):
        search(asked, 2)


@pytest.mark.long
def test_jobs_know_them() -> None:
    asked = request("distil", overrides=("train.epochs=1", f"method.source={teacher()}"))
    jobs = bench_in_jobs(asked, 2)
    assert (jobs.ran, jobs.failures) == (1, [])
    assert run_grid(asked).reused == 1


def test_an_origin_for_each_seed_is_refused_in_a_sentence() -> None:
    """In an override, quoted or not, and in a preset."""
    for value in ("run-s{seed}", "'run-s{seed}'"):
        with pytest.raises(UsageError, match=r"^'method.source=.*': \{seed\} stands for the seed in --init alone"):
            request("distil", overrides=(f"method.source={value}",)).cells()
    preset = Path("sslskel_plugins/configs/method/seeded.yaml")
    preset.parent.mkdir(parents=True)
    preset.write_text("plugin: distil\nconfig: {source: 'run-s{seed}'}\n")
    with pytest.raises(UsageError, match=r"method.source=run-s\{seed\}: \{seed\} stands for the seed in --init alone"):
        request("seeded").cells()


@pytest.mark.parametrize(
    ("method", "source", "reason"),
    [
        ("anchored", "nowhere.npy", "method.source=nowhere.npy: there is no such file"),
        ("anchored", "", "Anchored reads constants.npy: there is no such file"),
        ("anchored", "folder", "method.source=folder is a folder, where a file was expected"),
        ("distil", "nowhere", "method.source=nowhere: there is no such checkpoint"),
        ("distil", "folder", "method.source=folder: folder has no valid checkpoint"),
        ("distil", "some.pth", "method.source=some.pth is a file, where a checkpoint that sslskel wrote was expected"),
    ],
)
def test_what_cannot_be_read_is_one_sentence_before_any_work(
    method: str, source: str, reason: str, sslskel: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("folder").mkdir()
    Path("some.pth").touch()
    options = [f"method.source={source}"] if source else []
    plugins = {"SSLSKEL_PLUGINS": os.environ["SSLSKEL_PLUGINS"]}
    words = ("--method", method, "--benchmark", "tiny")
    for command in (("bench", *words, "--protocol", "knn"), ("bench", *words, "--dry-run"), ("pretrain", *words)):
        done = sslskel(*command, *options, **plugins)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert reason in done.stderr
    done = sslskel("check", "method", method, *options, **plugins)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert reason in done.stderr
    assert not Path("runs").exists()
