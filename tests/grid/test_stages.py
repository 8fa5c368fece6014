"""Pretraining in stages, and weights to start from per seed and part: identities, sharing, records, refusals."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from recorder import Recorder

from sslskel.api.view import ClipSpec
from sslskel.encoders.meta import CheckpointMeta
from sslskel.encoders.open import build_method, open_encoders, open_method
from sslskel.engine.checkpoint import load_optimiser, load_weights, resolve
from sslskel.errors import CheckpointError, Interrupted, UsageError
from sslskel.grid.cell import Cell
from sslskel.grid.initial import InitialWeights, initial_weights
from sslskel.grid.jobs import bench_in_jobs
from sslskel.grid.request import GridRequest
from sslskel.grid.run import run_grid
from sslskel.grid.runs import list_runs, prune
from sslskel.plugins.registry import BENCHMARKS
from sslskel.speed.estimate import plan
from sslskel.speed.glance import Glance
from sslskel.transforms.clip import clip_spec

PRESETS = {
    "two_stages": """
        title: joints first, then motion
        stages:
          - {method: skeletonmae, epochs: 1}
          - {method: mamp, epochs: 2, config: {tau: 0.5}}
    """,
    "same_start": """
        stages:
          - {method: skeletonmae, epochs: 1}
          - {method: skeletonclr, epochs: 1, from: encoder, config: {queue: 12, dim: 8}}
    """,
    "part_of_one": """
        stages:
          - {method: skeletonmae, epochs: 1}
          - {method: mamp, epochs: 1, from: nothing_like_it}
    """,
    "head_later": """
        stages:
          - {method: skeletonmae, epochs: 1}
          - {method: heads, epochs: 2, from: encoder}
    """,
    "other_options": """
        stages:
          - {method: skeletonmae, epochs: 1, backbone: {drop_path: 0.25}}
          - {method: mamp, epochs: 1}
    """,
    "other_width": """
        stages:
          - {method: skeletonmae, epochs: 1, backbone: {dim: 32, heads: 4}}
          - {method: mamp, epochs: 1, from: encoder}
    """,
    "one_only": "stages: [{method: mamp}]",
    "itself": "stages: [{method: mamp}, {method: two_stages}]",
    "misspelt": "stages: [{method: mamp}, {method: mamp, epoch: 3}]",
    "from_nothing": "stages: [{method: mamp, from: encoder}, {method: mamp}]",
}


HEADS = """
from dataclasses import dataclass
from sslskel import PooledEncoder, PretextMethod, StepOutput, Term
from torch import nn


@dataclass
class HeadsConfig:
    pass


class Heads(PretextMethod[HeadsConfig]):
    Config = HeadsConfig

    def __init__(self, config, build_backbone, clip):
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip).requires_grad_(False)
        self.head = nn.Linear(self.backbone.dim, clip.coordinates)

    def forward(self, views, noise, progress):
        features = self.backbone(views[0].tracks).mean((1, 2))
        error = (self.head(features) - views[0].tracks.mean((1, 2))).square()
        return StepOutput({"place": Term(error.sum(), error.new_tensor(float(error.numel())))})

    def encoders(self):
        return {"joint": PooledEncoder(self.backbone, self.clip)}
"""
"""Trains a head on an encoder that stays as it is."""


@pytest.fixture(autouse=True)
def presets(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "sslskel_plugins" / "configs" / "method"
    folder.mkdir(parents=True)
    for name, text in PRESETS.items():
        (folder / f"{name}.yaml").write_text(text)
    (tmp_path / "sslskel_plugins" / "methods").mkdir()
    (tmp_path / "sslskel_plugins" / "methods" / "heads.py").write_text(HEADS)
    monkeypatch.chdir(tmp_path)


def request(method: str = "two_stages", **changes: object) -> GridRequest:
    base = GridRequest(methods=(method,), protocols=("knn",), benchmarks=("tiny",), backbone="transformer")
    return replace(base, **changes)  # type: ignore[arg-type]


def test_each_stage_is_a_pretraining_of_its_own() -> None:
    recorder = Recorder()
    result = run_grid(request(seeds=(0, 1)), recorder)
    runs = {run.folder.name[:-11]: run for run in list_runs("runs")}
    assert sorted(runs) == [f"{m}-tiny-xsub-s{s}" for m in ("skeletonmae", "two_stages") for s in (0, 1)]
    assert all(run.finished and run.records == 1 for run in runs.values())
    assert "  stage 1: skeletonmae" in recorder.lines
    first, second = (runs[f"{method}-tiny-xsub-s1"].folder for method in ("skeletonmae", "two_stages"))
    meta = CheckpointMeta.read(second)
    assert [stage["identity"] for stage in meta.stages] == [CheckpointMeta.read(first).identity]
    assert [part["dataset"] for part in meta.seen] == ["tiny", "tiny"], "what the first stage saw is inherited"
    assert meta.construction is not None
    assert meta.construction.method["tau"] == 0.5
    one, other = result.records
    assert one.config["stages"] == other.config["stages"], "seeds of one row"
    assert one.config["stages"]["1"]["method"] == "skeletonmae"
    [row] = result.board.rows
    assert row.label == "two_stages (after skeletonmae)"
    assert prune("runs", really=False) == []
    again = run_grid(request(seeds=(0, 1)))
    assert (again.ran, again.reused) == (0, 2)


def test_the_second_stage_starts_from_the_first() -> None:
    run_grid(request(overrides=("train.lr=0", "train.min_lr=0", "train.weight_decay=0")))
    first, second = (load_weights(run.folder) for run in list_runs("runs"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.long
def test_another_method_takes_the_encoder_and_shares_the_first_stage() -> None:
    run_grid(request(overrides=("train.epochs=1",)))
    result = run_grid(request("same_start", overrides=("train.epochs=1", "train.lr=0", "train.min_lr=0")))
    assert result.failures == []
    [contrast] = [run.folder for run in list_runs("runs") if run.folder.name.startswith("same_start")]
    weights = load_weights(contrast)
    pairs = [(name, name.replace(".key.", ".query.")) for name in weights if ".key.backbone" in name]
    assert pairs
    for key, query in pairs:
        torch.testing.assert_close(weights[key], weights[query], msg=f"{key} starts where the query does")
    names = sorted(run.folder.name.partition("-")[0] for run in list_runs("runs"))
    assert names == ["same_start", "skeletonmae", "skeletonmae", "two_stages"], "another rate is another first stage"
    again = run_grid(request("same_start", overrides=("train.epochs=1",)))
    assert again.ran == 1
    names = sorted(run.folder.name.partition("-")[0] for run in list_runs("runs"))
    assert names.count("skeletonmae") == 2, "the same first stage serves both"


def test_a_stage_with_a_frozen_encoder_trains_the_rest() -> None:
    result = run_grid(request("head_later"))
    assert result.failures == []
    runs = {run.folder.name.partition("-")[0]: run.folder for run in list_runs("runs")}
    assert sorted(runs) == ["head_later", "skeletonmae"]
    whole = load_weights(runs["head_later"])
    after, before = (open_encoders(runs[name]).encoders["joint"].state_dict() for name in ("head_later", "skeletonmae"))
    assert after.keys() == before.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items()), "what is frozen stays"
    [cell] = request("head_later").cells()
    fresh = build_method("heads", cell.resolved.method, cell.backbone, cell.resolved.backbone, spec_of(cell), cell.seed)
    assert not torch.equal(whole["head.weight"], fresh.state_dict()["head.weight"])
    moments = {name.partition(".")[0] for name in load_optimiser(resolve(runs["head_later"]))}
    assert len(moments) == 2, "the optimiser knows the head's weight and bias alone"
    [record] = result.records
    assert record.config["stages"]["1"]["taken"] == "encoder"


def spec_of(cell: Cell) -> ClipSpec:
    return clip_spec(BENCHMARKS.get(cell.benchmark).info, cell.resolved.clip)


def test_a_stage_may_have_other_options_of_the_backbone() -> None:
    [cell] = request("other_options").cells()
    assert [stage.resolved.plain()["backbone"]["drop_path"] for stage in cell.stages] == [0.25, 0.0]
    assert run_grid(request("other_options")).failures == []


@pytest.mark.long
def test_an_interrupted_stage_continues(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_grid(request(output=Path("whole")))
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr("sslskel.engine.train.interrupted", lambda code, where: Interrupted(where))
            patch.setattr("sslskel.engine.train._read", lambda run, log, pending, keep: pending.clear() or 75)
            with pytest.raises(Interrupted):
                run_grid(request(output=Path("cut")))
    cut = run_grid(request(output=Path("cut")))
    assert [r.weights_sha256 for r in cut.records] == [r.weights_sha256 for r in whole.records]


def test_steps_of_each_stage_and_variant_are_timed_with_their_own_options(monkeypatch: pytest.MonkeyPatch) -> None:
    timed = []

    def measured(cell: Cell, limit: float) -> Glance:
        timed.append((cell.method, cell.resolved.plain()))
        return Glance(1.0, 1.0, 0)

    monkeypatch.setattr("sslskel.speed.estimate.glance", measured)
    variants = (("method.decoder_depth=1",), ("method.decoder_depth=2",))
    plan(request(protocols=("knn", "retrieval"), seeds=(0, 1), variants=variants))
    assert [(method, plain["train"]["epochs"], plain["method"]["decoder_depth"]) for method, plain in timed] == [
        ("skeletonmae", 1, 1),
        ("two_stages", 2, 1),
        ("skeletonmae", 1, 2),
        ("two_stages", 2, 2),
    ]
    assert timed[1][1]["method"]["tau"] == 0.5


def test_a_grid_reads_the_weights_it_starts_from_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run_grid(request("skeletonmae", overrides=("train.epochs=1",)))
    read = []

    def noted(init: Path, seeds: Sequence[int]) -> dict[int, InitialWeights]:
        read.append(init)
        return initial_weights(init, seeds)

    monkeypatch.setattr("sslskel.grid.request.initial_weights", noted)
    variants = (("train.epochs=1",), ("train.epochs=2",))
    run_grid(request("skeletonmae", init=next(Path("runs/pretrain").iterdir()), variants=variants))
    assert len(read) == 1


@pytest.mark.long
def test_jobs_and_estimates_know_stages() -> None:
    [planned] = plan(request())
    assert planned.seconds > 0
    jobs = bench_in_jobs(request(overrides=("method.tau=0.25",)), 2)
    assert (jobs.ran, jobs.failures) == (1, [])
    assert len(list_runs("runs")) == 2
    [after] = plan(request(overrides=("method.tau=0.25",)))
    assert after.done
    assert after.bytes == 0


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("one_only", "'stages' must be a list of two or more"),
        ("itself", "stage 'two_stages' has stages itself"),
        ("misspelt", "stage 2 of method preset 'misspelt': there is no 'epoch'; did you mean 'epochs'"),
        ("from_nothing", "stage 1 of method preset 'from_nothing' has none before it"),
        ("other_width", "stage 'skeletonmae' does not fit that of .* is .* x 32"),
        ("part_of_one", "has no part 'nothing_like_it' .it has: encoder, "),
    ],
)
def test_stages_that_cannot_be_taken_are_refused_before_any_work(method: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        run_grid(request(method))
    assert not Path("runs/pretrain").exists()


@pytest.mark.long
def test_weights_to_start_from_are_found_per_seed() -> None:
    made = run_grid(request("skeletonmae", seeds=(0, 1)))
    result = run_grid(request("mamp", seeds=(0, 1), init=Path("runs/pretrain:encoder"), output=Path("next")))
    digests = {record.weights_sha256 for record in made.records}
    metas = [CheckpointMeta.read(run.folder) for run in list_runs("next")]
    assert {meta.init for meta in metas} == {f"{digest}:encoder" for digest in digests}
    one, other = result.records
    assert one.config["start"] == other.config["start"], "seeds of one row"
    assert one.config["start"]["part"] == "encoder"
    assert len(result.board.rows) == 1
    folders = [run.folder for run in list_runs("runs")]
    for number, folder in enumerate(folders):
        folder.rename(folder.with_name(f"mae-{number}"))
    named = run_grid(request("mamp", seeds=(0, 1), init=Path("runs/pretrain/mae-{seed}:encoder"), output=Path("next")))
    assert named.ran == 0
    with pytest.raises(UsageError, match=r"no run in it has seed 5 \(there are seeds 0, 1\)"):
        request("mamp", seeds=(5,), init=Path("runs/pretrain")).cells()
    run_grid(request("mamp"))
    with pytest.raises(UsageError, match=r"2 runs have seed 0 \(mae-0, mamp-.*\); name one"):
        request("mamp", init=Path("runs/pretrain")).cells()


def test_a_run_that_was_laid_aside_is_no_start() -> None:
    run_grid(request("skeletonmae"))
    [run] = list_runs("runs")
    shutil.copytree(run.folder, f"{run.folder}.outdated-1")
    [start] = initial_weights(Path("runs/pretrain:encoder"), [0]).values()
    assert start.path == run.folder


def test_what_does_not_fit_is_named() -> None:
    run_grid(request("skeletonmae"))
    [run] = list_runs("runs")
    start = Path(f"{run.folder}:encoder")
    wide = ("backbone.dim=32", "backbone.heads=4")
    with pytest.raises(CheckpointError, match=r"the encoder of .* does not fit that of .* is .* x .*, not "):
        run_grid(request("mamp", init=start, output=Path("next"), overrides=wide))
    with pytest.raises(CheckpointError, match=r"has no part 'decoders'"):
        run_grid(request("mamp", init=Path(f"{run.folder}:decoders"), output=Path("next")))
    method, _ = open_method(resolve(run.folder))
    part = next(name for name, _ in method.named_children())
    assert run_grid(request("mamp", init=Path(f"{run.folder}:{part}={part}"), output=Path("last"))).failures == []
    assert open_encoders(run.folder).meta.init == ""
