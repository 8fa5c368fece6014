"""HiCLR against recorded runs of the released code: losses, masks, mined positives, gradients, keys, weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import batch, check_gradients, check_graphs, check_state, close, load, ours, value
from replays import Made, contrasts, made, options, spied, train
from small_methods import small
from torch import Tensor
from torch.nn import functional

import sslskel.methods.hiclr
from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.view import Augment
from sslskel.methods.hiclr import hidden_joints
from sslskel.transforms.augment import FillPersons

WARM = 0.2


def in_hiclr(name: str) -> str | None:
    """Our name of a released array."""
    if name == "mask_param":
        return "hidden_value"
    importance = re.sub(r"edge_importance(\d+)$", lambda found: f"edge_importance.{int(found[1]) - 1}", name)
    return ours(importance, place=lambda stream: "contrast.")


@pytest.fixture(params=[0, pytest.param(1, marks=pytest.mark.long)])
def case(shared: Path, request: pytest.FixtureRequest) -> Recorded:
    return Recorded(shared / "golden_more" / f"hiclr_seed{request.param}.npz")


def hiclr(case: Recorded, **more: object) -> tuple[Made, list[Any]]:
    config = case.config
    own = {
        "method__temperature": config["Temp"],
        "method__neighbours": config["topk"],
        "method__mining_epoch": float(config["mining_from_step"]),
        "method__mask_ratio": config["mask_ratio"],
        "backbone__width": config["hc"],
        "backbone__dim": config["hd"],
        "backbone__dropout": 0.0,
        "clip__frames": config["T"],
    }
    run = made("hiclr", *options(case, **{**own, **more}))
    load(run.method, case, in_hiclr)
    return run, [batch(case, f"in/{name}") for name in ("query", "key", "normal", "strong")]


def drawn(case: Recorded, step: int) -> Noise:
    """An order of the joints of every frame that begins with the recorded hidden ones."""
    kept = case.tensor(f"draws/joint_kept/step{step}")
    return ReplayNoise({"mask.joints": kept.int().argsort(dim=1, stable=True)})


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("fp32", 1e-3), pytest.param("fp64", 1e-4, marks=pytest.mark.long)]
)
def test_training(
    case: Recorded, precision: str, tolerance: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run, views = hiclr(case, engine__precision=precision)
    if precision == "fp64":
        # The rounding of four steps in single precision is larger than what weights may be apart.
        run.method.double()
        views = [view._replace(tracks=view.tracks.double()) for view in views]
    calls = spied(monkeypatch, contrasts(run.method)["contrast"], "similarities")
    mined = spied(monkeypatch, sslskel.methods.hiclr, "positives_nce")
    hidden = spied(monkeypatch, sslskel.methods.hiclr, "hidden_joints")

    def on_step(step: int, output: StepOutput) -> None:
        for term in ("contrast", "normal", "strong"):
            assert value(output, term) == pytest.approx(case[f"loss/{term}"][step], rel=1e-5), term
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=1e-5)
        [(_, mask)] = hidden.taken()
        assert torch.equal(mask, ~case.tensor(f"draws/joint_kept/step{step}"))
        logits = [similar.detach() / case.config["Temp"] for _, similar in calls.taken()]
        positives = mined.taken()
        assert bool(positives) is (step >= case.config["mining_from_step"])
        for (_, positive), _ in positives:
            assert torch.equal(positive, case.tensor(f"step{step}/positive_mask").bool())
        if step == 0:
            close(logits[0].float(), case.tensor("out/logits"), 2e-5)
            chances = zip(logits, ("target_normal", "probabilities_normal", "probabilities_strong"), strict=True)
            for mine, name in chances:
                close(mine.softmax(1).float(), case.tensor(f"out/{name}"), 2e-5)
            close(logits[1].softmax(1).float(), case.tensor("out/target_strong"), 2e-5)
            check_gradients(run.method, case, in_hiclr, 2e-5)
            check_state(run.method, case, "after_forward/", in_hiclr, 2e-5)

    train(run, views, tmp_path, on_step, draws=lambda step: drawn(case, step))
    check_state(run.method, case, "state_after/", in_hiclr, tolerance)
    check_graphs(run.method.float(), case)


def test_another_temperature(case: Recorded, tmp_path: Path) -> None:
    logits = case.tensor("out/logits").double() * (case.config["Temp"] / WARM)

    def on_step(step: int, output: StepOutput) -> None:
        wanted = functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64))
        assert value(output, "contrast") == pytest.approx(float(wanted), rel=1e-4)
        chances = [case.tensor(f"out/probabilities_{name}").double().log() for name in ("normal", "strong")]
        student = [(one * (case.config["Temp"] / WARM)).log_softmax(1) for one in chances]
        for name, teacher, mine in zip(("normal", "strong"), (logits, student[0]), student, strict=True):
            wanted = -(teacher.softmax(1) * mine).sum(1).mean()
            assert value(output, name) == pytest.approx(float(wanted), rel=1e-3)

    run, views = hiclr(case, method__temperature=WARM)
    train(run, views, tmp_path, on_step, draws=lambda step: drawn(case, step), steps=1)


def test_neighbours_of_all_three_views_are_positives(monkeypatch: pytest.MonkeyPatch) -> None:
    near = spied(monkeypatch, sslskel.methods.hiclr, "nearest")
    mined = spied(monkeypatch, sslskel.methods.hiclr, "positives_nce")
    small("hiclr", mining_epoch=0.0, neighbours=5).output()
    of_views = torch.stack([marked for _, marked in near.taken()])
    [((_, positive), _)] = mined.taken()
    assert torch.equal(positive[:, 1:], of_views.any(0))
    assert positive[:, 0].all()
    assert (of_views.any(0) & ~of_views[0]).any(), "they differ"


def test_each_frame_loses_joints_of_its_own() -> None:
    hidden = hidden_joints(40, 25, 2, Noise(0))
    assert hidden.sum(1).tolist() == [2] * 40
    assert len(hidden.unique(dim=0)) > 20


def names(changes: tuple[Augment, ...]) -> list[str]:
    return [type(change).__name__ for change in changes]


@pytest.mark.parametrize("fidelity", ["released", "paper"])
def test_views(fidelity: str) -> None:
    query, key, normal, strong = made("hiclr", "method.queue=8", f"method.fidelity={fidelity}").method.views()
    basic, more = names(query.augment), names(normal.augment)
    assert basic == names(key.augment)
    assert basic[-1] == "Shear"
    assert more == names(strong.augment)
    expected = ["Flip", "TiltRotation", "FillPersons", "GaussianNoise", "GaussianBlur", "AxisMask"]
    if fidelity == "paper":
        expected.remove(FillPersons.__name__)
    assert more == [*basic, *expected]


def test_persons_side_by_side_lose_the_same_joints(monkeypatch: pytest.MonkeyPatch) -> None:
    run = made("hiclr", "method.queue=8", "clip.frames=8", "backbone.width=2", "backbone.dim=4", "backbone.dropout=0")
    method = run.method
    tower = contrasts(method)["contrast"].query
    seen: list[Tensor] = []
    read = tower.backbone.read
    monkeypatch.setattr(tower.backbone, "read", lambda tracks, valid: seen.append(tracks) or read(tracks, valid))
    with torch.no_grad():
        method.hidden_value.fill_(7.0)  # type: ignore[operator, union-attr]
    clips = Batch.from_dense(torch.randn(3, 3, 8, 25, 2, generator=torch.Generator().manual_seed(0)))
    method.strong(clips, Noise(1))  # type: ignore[operator]
    lost = (seen[0] == 7.0).all(-1)
    assert lost.sum(2).eq(2).all()
    assert (lost == lost[0]).all()
