"""A dry run takes seconds whatever a step takes, and says of what it cannot know the cost."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from recorder import Recorder

from sslskel.cli.bench import dry_run
from sslskel.config.groups import Optimiser
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.plugins.scaffold import new_method
from sslskel.speed import estimate
from sslskel.speed.estimate import plan
from sslskel.speed.expected import Work
from sslskel.speed.glance import Glance, extrapolated, glance, timings

CPU = torch.device("cpu")
QUICK = ("train.epochs=2", "backbone.dim=8", "backbone.depth=1")


class Slow:
    """Work of so many seconds per clip, on a clock of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, first: float, each: float) -> None:
        self.first, self.each, self.now = first, each, 0.0
        self.counts: list[int] = []
        monkeypatch.setattr("time.perf_counter", lambda: self.now)

    def __call__(self, clips: int) -> None:
        """Take the time."""
        self.now += self.each * clips + (0 if self.counts else self.first)
        self.counts.append(clips)


@pytest.mark.parametrize(
    ("each", "limit", "counts"),
    [
        (1.0, 1.0, [3]),
        (0.01, 1.0, [3, 3, 6, 12, 24]),
        (0.001, 1.0, [3, 3, 6, 12, 24, 48, 96, 128]),
        (100.0, 1.0, [3]),
    ],
)
def test_more_clips_are_timed_only_while_there_is_time(
    each: float, limit: float, counts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Slow(monkeypatch, 0.1, each)
    timed = timings(CPU, work, (3, 128), limit)
    assert work.counts == counts
    assert work.now <= max(limit, 0.1 + 3 * each)
    expected = 128 * each if len(counts) > 1 else 128 * (each + 0.1 / 3)
    assert extrapolated(timed, 128) == pytest.approx(expected)


def test_what_a_step_costs_beside_its_clips_is_counted_once() -> None:
    assert extrapolated([(3, 9.0), (3, 1.3), (6, 1.6)], 106) == pytest.approx(1.6 + 100 * 0.1)
    noisy = extrapolated([(3, 9.0), (3, 1.0), (6, 0.6)], 106)
    assert noisy == pytest.approx(0.6 + 100 * 0.1 / 4)
    assert extrapolated([(3, 0.3), (6, 5.0)], 106) == pytest.approx(5.0 + 100 * 5 / 6)


def request(method: str, **changes: Any) -> GridRequest:
    return GridRequest(methods=(method,), protocols=("knn",), benchmarks=("tiny",), **{"overrides": QUICK, **changes})


def test_a_cell_is_timed_at_a_glance(tiny: str, tmp_path: Path) -> None:
    recorder = Recorder()
    [row] = plan(request("mamp", output=tmp_path), recorder)
    assert row.seconds > 0
    assert row.bytes > 0
    assert recorder.steps == [("estimate", 0, 1)]
    [cell] = request("random_init", output=tmp_path).cells()
    seen = glance(cell, 0.0)
    assert (seen.step_seconds, seen.encode_rate > 0, seen.weights > 0) == (0.0, True, True)


@pytest.mark.parametrize("optimiser", Optimiser)
def test_checkpoints_of_every_optimiser_have_a_size(optimiser: Optimiser, tiny: str, tmp_path: Path) -> None:
    chosen = (*QUICK, f"train.optimiser={optimiser.value}")
    [row] = plan(request("mamp", output=tmp_path, overrides=chosen))
    assert row.bytes > 0


def test_a_method_that_fails_has_an_unknown_cost_and_ends_nothing(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sslskel: Callable[..., Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    file, _ = new_method("mine")
    file.write_text(
        file.read_text().replace("        batch, draws = views[0]", "        1 / 0\n        batch, draws = views[0]")
    )
    words = ("--method", "mine,random_init", "--protocol", "knn", "--benchmark", "tiny", *QUICK)
    done = sslskel("bench", *words, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 cells to run" in done.stdout
    assert "and 1 cell of unknown time" in done.stdout
    assert "unknown time: mine on tiny/xsub, seed 0, knn: method 'mine' fails in its own code, " in done.stdout
    assert not (tmp_path / "runs").exists()


def test_each_stage_has_its_own_sentences(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "configs" / "method"
    folder.mkdir(parents=True)
    (folder / "both.yaml").write_text("stages: [{method: skeletonmae, epochs: 2}, {method: mamp, epochs: 1}]\n")
    monkeypatch.setenv("SSLSKEL_PLUGINS", os.pathsep.join([os.environ["SSLSKEL_PLUGINS"], str(tmp_path)]))
    seen = Glance(1.0, 10.0, 100, ((8, 1.0), (16, 2.0)), Work(8, 10, 1e9, 1e6))
    monkeypatch.setattr(estimate, "glance", lambda *_: seen)
    [row] = plan(request("both", output=tmp_path, overrides=()), processes=2)
    for sentences in (row.expected, row.advice):
        assert [one.partition(":")[0] for one in sentences] == ["skeletonmae", "both"]


@pytest.mark.long
def test_an_interrupted_pretraining_says_how_much_of_it_is_left(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(estimate, "glance", lambda *_: Glance(1.0, 10.0, 100))
    words = (*QUICK, "train.checkpoint_epochs=1", "train.keep_checkpoints=2")
    asked = request("mamp", output=tmp_path, overrides=words)
    [new] = plan(asked)
    run_grid(asked)
    [record] = (tmp_path / "records").iterdir()
    record.unlink()
    [finished] = plan(asked)
    _, last = sorted((tmp_path / "pretrain").glob("*/step-*"))
    shutil.rmtree(last)
    [half] = plan(asked)
    assert (new.left, finished.left) == ((), ())
    assert half.left == ("1 of 2 epochs of pretraining mamp are left",)
    assert half.seconds - finished.seconds == pytest.approx((new.seconds - finished.seconds) / 2)
    assert finished.seconds < half.seconds
    assert dry_run([asked]) == 0
    assert f"interrupted: {half.title}: {half.left[0]}" in " ".join(capsys.readouterr().out.split())


def test_a_probe_is_counted_as_often_as_it_looks(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """18 clips after 0, 2, 4 and 5 epochs, at 10 a second."""
    monkeypatch.setattr(estimate, "glance", lambda *_: Glance(1.0, 10.0, 100))
    seconds = []
    for more in ((), ("train.probe=knn", "train.probe_epochs=2")):
        [row] = plan(request("mamp", output=tmp_path, overrides=("train.epochs=5", *QUICK[1:], *more)))
        seconds.append(row.seconds)
    assert seconds[1] - seconds[0] == pytest.approx(4 * 18 / 10)
