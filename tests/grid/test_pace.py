"""A grid says the score of each cell as soon as it has it, and how long all the others will take."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorder import Recorder

from sslskel.grid import pace
from sslskel.grid.jobs import bench_in_jobs
from sslskel.grid.pace import Pace
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_cells_that_share_a_pretraining_cost_less(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    grid = Pace(["a", "a", "b", "b", "b"])
    assert grid.left() == ""
    for encoder, seconds, left in (
        ("a", 60, ", about 4 min left"),
        ("a", 10, ", about 80 s left"),
        ("b", 80, ", about 20 s left"),
        ("b", 10, ", about 10 s left"),
        ("b", 10, ""),
    ):
        grid.start()
        clock.now += seconds
        grid.end(encoder)
        assert grid.left() == left


def test_a_finished_cell_prints_its_score_at_once(tiny: str, tmp_path: Path) -> None:
    request = GridRequest(
        methods=("raw_features",), protocols=("knn",), benchmarks=(tiny,), seeds=(0, 1), output=tmp_path / "runs"
    )
    first, again = Recorder(), Recorder()
    [score, other] = [record.scores["top1"] for record in run_grid(request, first).records]
    at = first.lines.index("[1/2] raw_features on tiny/xsub, seed 0, knn")
    assert first.lines[at + 1] == f"  top1 {100 * score:.1f} %"
    assert first.lines[at + 2].startswith("[2/2] raw_features on tiny/xsub, seed 1, knn, about ")
    assert first.lines[at + 3] == f"  top1 {100 * other:.1f} %"
    run_grid(request, again)
    assert f"  top1 {100 * score:.1f} %, already there" in again.lines
    assert not any("left" in line for line in again.lines)


@pytest.mark.long
def test_jobs_print_their_scores_and_the_time_left(tiny: str, tmp_path: Path) -> None:
    request = GridRequest(
        methods=("raw_features",), protocols=("knn",), benchmarks=(tiny,), seeds=(0, 1), output=tmp_path / "runs"
    )
    recorder = Recorder()
    [record, _] = bench_in_jobs(request, 1, recorder).records
    scores = f"knn top1 {100 * record.scores['top1']:.1f} %"
    [first] = [line for line in recorder.lines if line.startswith("[1/2]") and "started" not in line]
    assert first.startswith(f"[1/2] raw_features on tiny/xsub, seed 0: {scores}, about ")
    assert f"[2/2] raw_features on tiny/xsub, seed 1: {scores}" in recorder.lines
