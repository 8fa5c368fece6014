"""What `sslskel speed` measures: both sides compute the same, brackets are brackets, and what is refused."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from fault_tools import failing_sync, killed_while_writing

from sslskel.api.batch import StepOutput
from sslskel.cli import main
from sslskel.config.modes import mode_overrides
from sslskel.data.loader import ClipSource
from sslskel.errors import UsageError
from sslskel.grid.request import GridRequest
from sslskel.nn.gru import SteppedPairs
from sslskel.nn.plain import explicit
from sslskel.speed import markdown, measure_speed, speed_against, text
from sslskel.speed import workload as module
from sslskel.speed.clock import MOST_WARM_UP, Taken, paired, warm_up
from sslskel.speed.encoders import passes_of
from sslskel.speed.equal import Equality, checked, same_features, same_method_views, same_step, same_views
from sslskel.speed.frame_loop import frame_loop
from sslskel.speed.machine import extra_memory, matmul_peak
from sslskel.speed.overhead import engine_overhead
from sslskel.speed.released import PaddedFeeder
from sslskel.speed.workload import Workload, build_workload

CPU = torch.device("cpu")


STEPPED = ("backbone.hidden=4", "clip.frames=8", "clip.min_frames=8", "method.queue=18")


def on_tiny(method: str, *overrides: str, backbone: str | None = None) -> GridRequest:
    overrides = ("engine.device=cpu", *overrides)
    return GridRequest(methods=(method,), benchmarks=("tiny",), backbone=backbone, overrides=overrides)


def tiny_workload(*overrides: str) -> Workload:
    return build_workload(on_tiny("mamp", *overrides).single_pretraining())


@pytest.mark.parametrize("mode", ["exact", "present"])
def test_a_step_and_its_plain_form_agree(tiny: str, mode: str) -> None:
    workload = tiny_workload(*mode_overrides(mode, ["mamp"]))
    assert same_step(workload).difference < 1e-5
    assert same_features(workload).holds


def test_exact_trains_on_empty_bodies_and_present_does_not(tiny: str) -> None:
    losses = [float(tiny_workload(*mode_overrides(mode, ["mamp"])).learn(0)) for mode in ("exact", "present")]
    assert losses[0] != pytest.approx(losses[1], rel=1e-3)


def test_the_plain_feeder_gives_the_loaders_clips(tiny: str) -> None:
    workload = tiny_workload()
    feeder = PaddedFeeder(workload.source, torch.arange(len(workload.source)))
    assert same_views(workload, feeder).holds
    spec, rows = workload.source.spec, torch.tensor([5, 0, 2, 5])
    ours = workload.source.batch(rows, spec.test_view, workload.noise(1)).dense(spec.persons)
    theirs = feeder.batch(rows, spec.test_view, workload.noise(1)).dense(spec.persons)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert float(ours[:, ..., 1].abs().max()) > 0, "a second person is among them"


CONTRASTIVE = {
    "skeletonclr": ("backbone.width=2", "backbone.dim=8", "backbone.dropout=0.5", "clip.frames=16"),
    "aimclr": ("backbone.width=2", "backbone.dim=8", "backbone.dropout=0.5", "clip.frames=16"),
    "pcm3": ("backbone.hidden=4", "backbone.layers=2", "clip.frames=16", "clip.min_frames=8", "method.decoder_width=4"),
}


@pytest.mark.parametrize("method", ["pcm3", "aimclr", pytest.param("skeletonclr", marks=pytest.mark.long)])
def test_a_contrastive_step_and_its_plain_form_agree(tiny: str, method: str) -> None:
    """Views, loss and gradients; and the plain form is another one."""
    request = on_tiny(method, "engine.precision=fp64", "method.queue=18", *CONTRASTIVE[method])
    workload = build_workload(request.single_pretraining())
    assert same_method_views(workload, PaddedFeeder(workload.source, torch.arange(len(workload.source)))).holds
    equality = same_step(workload)
    assert equality.holds
    assert equality.difference > 0
    assert same_features(workload).holds


def test_no_ratio_where_views_differ(tiny: str) -> None:
    request = on_tiny("skeletonclr", "method.queue=18", *CONTRASTIVE["skeletonclr"])
    workload = build_workload(request.single_pretraining())
    feeder = PaddedFeeder(workload.source, torch.arange(len(workload.source)))
    feeder.padded *= 1.001
    assert not same_method_views(workload, feeder).holds


def test_an_augmentation_that_no_released_feeder_has_is_refused(tiny: str) -> None:
    request = on_tiny("aimclr", "method.queue=18", "method.fidelity=paper", *CONTRASTIVE["aimclr"])
    workload = build_workload(request.single_pretraining())
    feeder = PaddedFeeder(workload.source, torch.arange(len(workload.source)))
    with pytest.raises(UsageError, match="no plain form of GaussianBlur"):
        same_method_views(workload, feeder)


def test_no_ratio_where_the_sides_differ(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sslskel.methods.masked_modelling import MaskedModelling

    plain = MaskedModelling.as_released

    def wrong(self: MaskedModelling, *arguments: Any) -> StepOutput:
        [(name, term)] = plain(self, *arguments).terms.items()
        return StepOutput({name: term._replace(total=term.total * 1.001)})

    monkeypatch.setattr(MaskedModelling, "as_released", wrong)
    workload = tiny_workload()
    assert "ratio" not in checked(same_step(workload), lambda: {"ratio": 1})
    assert "ratio" in checked(same_features(workload), lambda: {"ratio": 1})
    assert not Equality(float("nan"), 1.0).holds


@pytest.mark.long
def test_everything_against_our_plainest_configuration(tiny: str) -> None:
    report = speed_against(on_tiny("mamp"))
    assert all(part["equal"] for part in report["works"].values())
    for row in ("step, present", "memory of a step", "linear protocol", "loader", "engine over a bare loop", "store"):
        assert f"  {row}" in text(report)
    report["works"]["step"] = {"difference": 1.0, "allowed": 1e-5, "equal": False}
    assert "step, present: no ratio" in text(report)
    assert "no ratio" in markdown([report])


def test_a_loop_over_frames_gives_the_numbers_of_the_stepped_gru() -> None:
    torch.manual_seed(0)
    fused = SteppedPairs(150, hidden=6, layers=3)
    frames = torch.randn(3, 10, 150)
    torch.testing.assert_close(frame_loop(fused, frames)(), fused(frames), rtol=0, atol=1e-6)
    with explicit():
        torch.testing.assert_close(frame_loop(fused, frames)(), fused(frames), rtol=0, atol=0)


def test_a_stepped_gru_against_a_loop_over_frames(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = speed_against(on_tiny("skeletonclr", *STEPPED, backbone="gru_stepped"), "frame_loop")
    assert (report["frames"], report["hidden"]) == (8, 4)
    assert all(part["equal"] and part["ratio"]["median"] > 0 for part in report["works"].values())
    assert "  forward and backward: " in text(report)
    report["works"]["forward"] = {"difference": 1.0, "allowed": 1e-5, "equal": False}
    assert "| forward | no ratio" in markdown([report])


def test_a_step_against_its_encoders_passes_alone(tiny: str) -> None:
    """The query is trained, the key is not; a pass replayed is the pass that was seen."""
    request = on_tiny("skeletonclr", *STEPPED, backbone="gru_stepped")
    report = speed_against(request, "encoders")
    assert report["passes"] == {"trained": 1, "not trained": 1}
    assert "step over its encoders' passes" in text(report)
    assert "1 trained, 1 not trained" in markdown([report])
    workload = build_workload(request.single_pretraining())
    with passes_of(workload.method) as seen:
        workload.learn(0)
    [query, key] = sorted(seen, key=lambda one: not one.trained)
    assert (query.trained, key.trained) == (True, False)
    torch.testing.assert_close(query.call(), query.call())
    assert not any("encode" in vars(module) for module in workload.method.modules()), "nothing is left on the modules"


TOKEN_BACKBONE = """
from dataclasses import dataclass

from torch import nn

from sslskel import Backbone
from sslskel.api.backbone import Features


@dataclass
class Config:
    dim: int = 8


class Token(Backbone):
    Config = Config

    def __init__(self, config, clip):
        super().__init__(config, clip)
        self.dim, self.levels = config.dim, {"shallow": clip.coordinates}
        self.layer = nn.Linear(clip.coordinates, config.dim)

    def forward(self, tracks):
        grid = self.layer(tracks)
        return Features(grid, token=grid.mean((1, 2)), levels={"shallow": tracks.mean((1, 2))})
"""


def test_passes_of_a_backbone_that_gives_more_than_a_grid(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its level needs no weights, and so has no gradient."""
    file = tmp_path / "sslskel_plugins" / "backbones" / "token.py"
    file.parent.mkdir(parents=True)
    file.write_text(TOKEN_BACKBONE)
    monkeypatch.chdir(tmp_path)
    small = ("clip.frames=8", "clip.min_frames=8", "method.queue=18")
    report = speed_against(on_tiny("skeletonclr", *small, backbone="token"), "encoders")
    assert report["passes"] == {"trained": 1, "not trained": 1}
    assert report["works"]["step"]["ratio"]["median"] > 0


def test_the_engine_and_the_bare_loop_take_the_same_batches(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[int, ...]] = []
    batch = ClipSource.batch

    def noted(source: ClipSource, positions: torch.Tensor, *more: Any) -> Any:
        drawn.append(tuple(positions.tolist()))
        return batch(source, positions, *more)

    monkeypatch.setattr(ClipSource, "batch", noted)
    steps = engine_overhead(tiny_workload("train.batch_size=3"), pairs=1)["steps"]
    rounds = [drawn[at : at + steps] for at in range(0, len(drawn), steps)]
    assert steps > 1
    assert rounds == [rounds[0]] * len(rounds)
    assert len(rounds) >= 8


def test_brackets_pair_both_sides() -> None:
    order: list[str] = []
    seconds = {"a": iter([9.0, *[4.0] * 12]), "b": iter([9.0, *[2.0] * 11, 1.0])}

    def side(name: str) -> Taken:
        order.append(name)
        wall = next(seconds[name])
        return Taken(wall, 3.0 if name == "a" else 2.0)

    report = paired(lambda: side("a"), lambda: side("b"), 5)
    assert "".join(order) == "aaabbb" + "abba" * 5
    assert report["ratio"] == {"median": 2.0, "min": 2.0, "max": pytest.approx(8 / 3)}
    assert report["cpu_ratio"] == {"median": 1.5, "min": 1.5, "max": 1.5}


@pytest.mark.parametrize(
    ("seconds", "least", "runs"),
    [([9, 4, 3.9], 1, 3), ([4, 4], 1, 2), ([4, 5], 1, 2), ([4, 4, 4], 3, 3), ([9, 4, 4.2, 1], 1, 3)],
)
def test_runs_before_times_are_steady_do_not_count(seconds: list[float], least: int, runs: int) -> None:
    assert warm_up(seconds.__getitem__, least) == runs
    assert warm_up(lambda number: 0.9**number, least) == MOST_WARM_UP


@pytest.mark.long
def test_the_report_says_what_was_measured(tiny: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "speed.json"
    assert main(["speed", "--method", "mamp", "--benchmark", "tiny", "--steps", "1", "--output", str(target)]) == 0
    report = json.loads(target.read_text())
    for work in ("pretraining", "encoding", "linear", "loader"):
        assert report[work]["samples_per_second"] > 0
        assert f"{work}: " in capsys.readouterr().out or work != "pretraining"
    assert 0 < report["pretraining"]["mfu"] < 2
    assert report["pretraining"]["flops_per_second"] > report["pretraining"]["step_seconds"]["median"]
    assert {"versions", "load", "hardware", "allocator", "matmul_peak"} <= set(report)
    assert "| pretraining |" in markdown([report])
    assert measure_speed(on_tiny("raw_features"), steps=1, works=("loader",))["pretraining"] is None


def test_a_report_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sslskel.speed.measure_speed", lambda *_, **__: {"pretraining": "x" * 10**5})
    monkeypatch.setattr("sslskel.speed.text", lambda _: "")
    target = tmp_path / "speed.json"
    words = ["speed", "--method", "mamp", "--output", str(target)]
    killed_while_writing(lambda: main(words))
    assert not target.exists()
    target.write_text("old")
    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", failing_sync(errno.ENOSPC))
        assert main(words) == 1
    assert target.read_text() == "old"
    assert main(words) == 0
    assert json.loads(target.read_text()) == {"pretraining": "x" * 10**5}


def test_memory_of_work_is_beyond_what_was_held() -> None:
    if extra_memory(CPU, lambda: None) is None:
        pytest.skip("this system does not report the peak of a process")
    kept = torch.ones(1 << 22)
    taken = extra_memory(CPU, lambda: torch.ones(1 << 24).sum())
    assert taken is not None
    assert 0.8 * (4 << 24) < taken < 2 * (4 << 24)
    assert kept.sum() > 0
    assert matmul_peak(CPU, torch.float32, 0.01) > 1e6


def test_a_batch_that_does_not_fit_names_the_largest_that_does(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "extra_memory", lambda device, work: 100 + 1000 * _size(work))
    monkeypatch.setattr(module, "free_memory", lambda device: 10_500)
    with pytest.raises(UsageError, match=r"the largest that fits is about train.batch_size=10$"):
        tiny_workload("train.batch_size=14")
    monkeypatch.setattr(module, "free_memory", lambda device: 14_500)
    assert tiny_workload("train.batch_size=14").size == 14


def _size(work: Any) -> int:
    return int(work.__defaults__[0])


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--method", "random_init", "--against", "as_released"], "no step as released"),
        (["--method", "mamp", "--against", "nobody"], "there are: as_released, encoders, frame_loop"),
        (["--method", "mamp", "--against", "as_released", "engine.compile=true"], "not compiled"),
        (["--method", "raw_features", "--against", "encoders"], "does not train"),
        (["--method", "mamp", "--against", "frame_loop"], "as a stepped GRU does"),
        (["--method", "mamp", "--against", "as_released", "--pairs", "2"], "use 5 or more"),
        (["--method", "mamp", "--device", "cuda:77"], "there is no device 'cuda:77'"),
        (["--method", "mamp", "--device", "cpu", "--precision", "fp16"], "cannot train in fp16"),
        (["--method", "mamp", "--mode", "quick"], "there is no mode 'quick'"),
        (["--method", "random_init", "--mode", "exact"], "trains on present persons alone"),
        (["--method", "mamp", "--mode", "fast", "--precision", "fp32"], "sets the precision already"),
        (["--method", "mamp", "--steps", "0"], "at least 1"),
        (["--method", "mamp,skeletonmae"], "one method, benchmark and seed, but the request is of 2 pretrainings"),
        (["--method", "mamp", "--against", "as_released", "clip.stream=bone"], "clip.stream=joint"),
    ],
)
def test_refusals(tiny: str, argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed", "--benchmark", "tiny", *argv]) == 2
    shown = capsys.readouterr().err
    assert sentence in shown
    assert shown.count("\n") == 1
