"""PSTL and its Barlow Twins head against the recorded released code; momentum methods have a file of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import case_of, check_gradients, check_graphs, close, ours, renamed, value
from released_pstl import view_draws
from replays import Made, RecordedClips, made, spied, train
from stored_clips import clips_of
from torch import Tensor

import sslskel.methods.pstl
from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import NTU25
from sslskel.api.view import ViewSpec
from sslskel.methods.pstl import barlow_head, barlow_term, cross_correlation, degrees

SEEDS = (0, 1)


def head_name(name: str) -> str:
    """A released head's array -> ours, in one sequence."""
    return name.replace("projector.", "").replace("bn.", "7.")


def head_state(case: Recorded, prefix: str) -> dict[str, Tensor]:
    return {head_name(name): tensor for name, tensor in case.group(prefix).items()}


@pytest.mark.parametrize("seed", SEEDS)
def test_head_and_loss(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_barlow_seed{seed}")
    head = barlow_head(case.config["hidden_dim"], case.config["pj_size"])
    head.load_state_dict(head_state(case, "state/"))
    inputs = [case.tensor(f"in/{name}").requires_grad_() for name in "ab"]
    out = [head(x) for x in inputs]
    term = barlow_term(*out, off_diagonal=case.config["lambd"])
    for name, projected in zip(("za", "zb"), out, strict=True):
        close(projected.detach(), case.tensor(f"out/{name}"), 1e-5)
    correlation = cross_correlation(*out).detach()
    close(correlation, case.tensor("out/cross_correlation"), 1e-5)
    diagonal = correlation.diagonal()
    assert float((diagonal - 1).square().sum()) == pytest.approx(float(case["out/on_diagonal"]), rel=1e-4)
    beside = float(correlation.square().sum() - diagonal.square().sum())
    assert beside == pytest.approx(float(case["out/off_diagonal"]), rel=1e-4)
    assert float(term.total.detach()) == pytest.approx(float(case["loss/total"]), rel=1e-4)
    term.total.backward()
    for name, x in zip("ab", inputs, strict=True):
        assert x.grad is not None
        close(x.grad, case.tensor(f"grad/{name}"), 1e-4)
    norms = {name: p.grad.norm() for name, p in head.named_parameters() if p.grad is not None}
    for name, norm in zip(case["grad/names"], case["grad/norms"], strict=True):
        assert float(norms[head_name(str(name))]) == pytest.approx(float(norm), rel=1e-4, abs=1e-6)
    total = torch.stack([*norms.values()]).norm()
    assert float(total) == pytest.approx(float(case["grad/total_norm"]), rel=1e-4)
    state = head.state_dict()
    for name, wanted in head_state(case, "after/").items():
        close(state[name], wanted, 1e-5)


def in_pstl(name: str) -> str | None:
    """A released array of the encoder -> ours."""
    renamed_weight = ours(f"encoder_q.{name}", lambda stream: "")
    return None if renamed_weight is None else renamed_weight.replace("query.", "tower.", 1)


def entries_of(joints: Tensor, weight: Tensor) -> Tensor:
    """An order of the ends of all bones that begins with these joints."""
    ends = torch.arange(len(weight)).repeat_interleave(weight).tolist()
    order: list[int] = []
    for joint in joints.tolist():
        order.append(next(at for at, end in enumerate(ends) if end == joint and at not in order))
    return torch.tensor(order + [at for at in range(len(ends)) if at not in order])


class DrawnClips(RecordedClips):
    """The recorded clips, drawn as a run draws them, with the recorded numbers."""

    def __init__(self, case: Recorded, run: Made, folder: Path) -> None:
        self._source = clips_of(folder, list(case.tensor("in/x")), run.method.clip, torch.float32)
        self._draws = [
            view_draws(case, f"step{step}/view{at}") for step in range(case.config["steps"]) for at in range(3)
        ]
        self.keys = self._source.keys

    def batch(self, positions: Tensor, view: ViewSpec, noise: Noise, outer: Sequence[object] = ()) -> Batch:
        """The next view, of all clips in the recorded order."""
        return self._source.batch(torch.arange(len(self)), view, ReplayNoise(self._draws.pop(0)))


def masks(case: Recorded, step: int, weight: Tensor) -> ReplayNoise:
    """The released step's draws of joints and frames."""
    kept = case.tensor(f"step{step}/view1/kept_second_stage")
    rest = [at for at in range(case.config["T"] - case.config["mask_frame"]) if at not in kept.tolist()]
    joints = entries_of(case.tensor(f"step{step}/draws/joints_drawn"), weight)
    return ReplayNoise({"mask.joints": joints, "mask.frames": torch.cat([kept, torch.tensor(rest)])})


@pytest.fixture(params=SEEDS)
def case(shared: Path, request: pytest.FixtureRequest) -> Recorded:
    return case_of(shared, f"obj_pstl_seed{request.param}")


def pstl(case: Recorded, **more: object) -> Made:
    """The method with the recorded sizes and weights, and its own recipe but for the rate, which warms up there."""
    recorded = case.config
    own = {"method.width": "pj_size", "method.mask_joints": "mask_joint", "method.mask_frames": "mask_frame"}
    own |= {"method.off_diagonal": "lambd", "backbone.width": "hidden_channels", "backbone.dim": "hidden_dim"}
    own |= {"clip.frames": "T", "train.batch_size": "N", "train.lr": "lr", "train.epochs": "steps"}
    values = {mine: recorded[theirs] for mine, theirs in own.items()}
    values |= {"backbone.dropout": 0.0, "train.warmup_epochs": 0, "train.schedule": "constant", "engine.device": "cpu"}
    values |= {name.replace("__", "."): value for name, value in more.items()}
    run = made("pstl", *(f"{name}={value}" for name, value in values.items()))
    head = {f"tower.head.{name}": tensor for name, tensor in head_state(case, "head/").items()}
    run.method.load_state_dict({**renamed(case, "state/", in_pstl), **head})
    return run


def test_training(case: Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = pstl(case)
    method: Any = run.method
    weight = degrees(method.clip.layout)
    assert weight.tolist() == case.config["degree_centrality"]
    pooled = spied(monkeypatch, method.tower, "pooled")
    calm, central = (spied(monkeypatch, sslskel.methods.pstl, name) for name in ("calm_frames", "central_joints"))

    def on_step(step: int, output: StepOutput) -> None:
        for name in ("temporal", "spatial"):
            wanted = float(case[f"loss/{name}"][step])
            assert value(output, name) == pytest.approx(wanted, rel=1e-2 if step else 1e-4)
        wanted = float(case["loss/total"][step])
        assert float(output.loss().detach()) == pytest.approx(wanted, rel=1e-2 if step else 1e-4)
        [(_, removed)] = central.taken()
        assert removed.tolist() == case[f"step{step}/draws/joints_removed"].tolist()
        for at, (_, feature) in enumerate(pooled.taken()):
            # Adam turns rounding of zero gradients into full steps.
            close(feature.detach(), case.tensor(f"step{step}/out/feature{at}"), 2e-2 if step else 1e-5)
        [((tracks, clips, *_), kept)] = calm.taken()
        if f"step{step}/view1/after_temporal_mask" in case:
            left = tracks.take_along_dim(kept[clips.owner][:, :, None, None], 1)
            dense = clips._replace(tracks=left, valid=torch.ones(left.shape[:2], dtype=torch.bool)).dense(2)
            close(dense, case.tensor(f"step{step}/view1/after_temporal_mask"), 1e-6)
        if step == 0:
            check_gradients(method, case, in_pstl, 2e-4, part="tower.backbone.")

    train(
        run,
        DrawnClips(case, run, tmp_path / "data"),
        tmp_path / "run",
        on_step,
        draws=lambda step: masks(case, step, weight),
    )
    check_graphs(method, case)
    state = method.state_dict()
    wanted = renamed(case, "state_after/", in_pstl)
    wanted |= {f"tower.head.{name}": tensor for name, tensor in head_state(case, "head_after/").items()}
    before = renamed(case, "state/", in_pstl) | {
        f"tower.head.{name}": tensor for name, tensor in head_state(case, "head/").items()
    }
    rate = case.config["lr"]
    for name, value_after in wanted.items():
        if value_after.is_floating_point() and "running" not in name:
            moved = (state[name] - before[name]).abs()
            assert float(moved.max()) <= 2.1 * rate, "a step of Adam is at most about its rate"
            # Vectors are mostly biases before a norm, whose gradients are rounding alone.
            apart = float((state[name] - value_after).abs().median())
            assert apart < (0.1 if value_after.ndim > 1 else 4.2) * rate, name
        else:
            close(state[name].double(), value_after.double(), 5e-2)


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_another_weight_off_the_diagonal(shared: Path, seed: int, tmp_path: Path) -> None:
    case = case_of(shared, f"obj_pstl_seed{seed}")
    weight = degrees(NTU25)
    seen: list[float] = []

    def on_step(step: int, output: StepOutput) -> None:
        seen.append(float(output.loss().detach()))

    for off_diagonal in (0.0, 2e-4, 4e-4, 1.0):
        run = pstl(case, method__off_diagonal=off_diagonal, train__epochs=1)
        folder = tmp_path / str(off_diagonal)
        clips = DrawnClips(case, run, folder / "data")
        train(run, clips, folder / "run", on_step, draws=lambda step: masks(case, step, weight))
    none, usual, twice, whole = seen
    assert usual == pytest.approx(float(case["loss/total"][0]), rel=1e-4)
    assert twice - none == pytest.approx(2 * (usual - none), rel=1e-3)
    assert whole > twice
