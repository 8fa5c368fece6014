"""ActCLR against recorded runs of the released code with actionlets: actionlets, mixes, losses, gradients, weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import batch, check_gradients, check_graphs, check_state, close, load, ours, value
from replays import Made, contrasts, made, options, spied, train
from torch import Tensor
from torch.nn import functional

import sslskel.methods.actclr as actclr
from sslskel.api.batch import Batch, StepOutput
from sslskel.api.encoder import unchanged
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import NTU25, PARTS
from sslskel.contrastive import Tower
from sslskel.methods.actclr import mixing

in_contrast = partial(ours, place=lambda stream: "contrast.")
ONE_JOINT = {"trunk": 20, "left_hand": 8, "right_hand": 4, "left_leg": 16, "right_leg": 12}
"""Released name of a part -> one of its joints; left and right are the other way round there."""
NARROW_FROM = 200


@pytest.fixture(params=[0, pytest.param(1, marks=pytest.mark.long)])
def case(shared: Path, request: pytest.FixtureRequest) -> Recorded:
    return Recorded(shared / "golden_more" / f"actclr_seed{request.param}.npz")


def run_of(case: Recorded, **more: object) -> tuple[Made, list[Any]]:
    """The method with the recorded sizes and weights; recorded inputs are streams already."""
    config = case.config
    own = {
        "method__temperature": config["student_T"],
        "method__teacher_temperature": config["teacher_T"],
        "method__neighbours": config["topk"],
        "method__stream": config["mode"],
        "method__narrow_epoch": 0 if config["epoch"] >= NARROW_FROM else 1000,
        "backbone__width": config["hc"],
        "backbone__dim": config["hd"],
        "backbone__dropout": 0.0,
        "clip__frames": config["T"],
    }
    run = made("actclr", *options(case, **{**own, **more}))
    load(run.method, case, in_contrast, optional="picked")
    contrast = contrasts(run.method)["contrast"]
    contrast.query.prepare = contrast.key.prepare = unchanged
    return run, [batch(case, f"in/{name}") for name in ("strong", "query", "positive", "key")]


def drawn(case: Recorded, step: int) -> Noise:
    """Recorded draws under our sites."""
    numbers, floats, parts = (
        case[f"draws/{name}/step{step}"].tolist() for name in ("random_ints", "random_floats", "body_parts")
    )
    shifts = (case.tensor(f"draws/shifts/step{step}") - 1).unbind()
    assert sorted(case[f"draws/shuffle/step{step}"].tolist()) == list(range(case.config["N"])), "for batch statistics"
    place = [
        next(at for at, part in enumerate(PARTS) if ONE_JOINT[name] in NTU25.part(part))
        for name in case.config["part_order"]
    ]
    sites: dict[str, Tensor] = {"swap.shift": shifts[0]}
    for at, mix in enumerate(("first", "second")):
        count, units, start = numbers[3 * at : 3 * at + 3]
        low = (1, 1) if mix == "first" and case.config["epoch"] >= NARROW_FROM else (2, 3)
        taken = [place[part] for part in parts[at] if part >= 0]
        assert len(taken) == count
        kind = floats.pop(0)
        sites |= {
            f"{mix}.shift": shifts[1 + at],
            f"{mix}.count": torch.tensor(count - low[0]),
            f"{mix}.parts": torch.tensor([*taken, *(part for part in range(len(PARTS)) if part not in taken)]),
            f"{mix}.units": torch.tensor(units - low[1]),
            f"{mix}.start": torch.tensor(start),
            f"{mix}.kind": torch.tensor(kind, dtype=torch.float64),
            f"{mix}.blend": torch.tensor(floats.pop(0) if kind <= 0.25 else 0.0, dtype=torch.float64),
        }
    return ReplayNoise(sites)


class FedActionlets:
    """Ours, held to the recorded ones of the first step and then replaced by them.

    Activations are divided by 1e-8, so that rounding shows where they are between 0 and 1.
    """

    def __init__(self, case: Recorded) -> None:
        self.own = actclr.actionlets
        self.recorded = [None, *(case.tensor(f"out/actionlet_{name}")[:, 0] for name in ("query", "positive"))]

    def __call__(self, tower: Tower, maps: Tensor, batch: Batch, anchor: Tensor) -> Tensor:
        """Of the keys first, then of queries and positives."""
        found = self.own(tower, maps, batch, anchor)
        wanted = self.recorded.pop(0) if self.recorded else None
        if wanted is None:
            return found
        close(found, wanted, 0.05)
        return wanted


def test_training(case: Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run, views = run_of(case)
    config, clips = case.config, case.config["N"]
    found = FedActionlets(case)
    monkeypatch.setattr(actclr, "actionlets", found)
    compared = spied(monkeypatch, actclr, "divergence")
    shares = spied(monkeypatch, mixing, "actionlet_share")
    inputs, anchors, keys = (spied(monkeypatch, run.method, name) for name in ("maps", "anchor", "keys"))

    def on_step(step: int, output: StepOutput) -> None:
        for term in ("query", "transformed", "mixed"):
            assert value(output, term) == pytest.approx(case[f"loss/{term}"][step], rel=2e-3 if step else 1e-5), term
        wanted = case["loss/total"][step]
        assert float(output.loss().detach()) == pytest.approx(wanted, rel=2e-3 if step else 1e-5)
        if step:
            return
        [(_, anchor)], [(_, key)] = anchors.taken(), keys.taken()
        close(anchor, case.tensor("out/mean_key_embedding"), 2e-5)
        both = case.tensor("out/key_embedding") + case.tensor("out/key_actionlet_embedding")
        shuffled = case.tensor(f"draws/shuffle/step{step}")
        close(key[shuffled], functional.normalize(both, dim=1), 2e-5)
        # Of the encoders' inputs the last three are those of the terms.
        for name, ((_, slots, _, _), _) in zip(("query", "transformed", "mixed"), inputs.taken()[-3:], strict=True):
            close(slots.permute(0, 4, 2, 3, 1), case.tensor(f"out/{name}_input"), 2e-5)
        [(_, share)] = shares.taken()
        close(torch.stack([share, 1 - share]), case.tensor("out/mix_weights"), 2e-5)
        for at, ((student, teacher), _) in enumerate(compared.taken()):
            close(student.detach() * config["student_T"], case.tensor(f"out/student_similarity{at}"), 2e-5)
            close(teacher * config["teacher_T"], case.tensor(f"out/teacher_similarity{at}"), 2e-5)
        close(contrasts(run.method)["contrast"].queue.entries, case.tensor("out/queue_after").T, 2e-5)
        assert contrasts(run.method)["contrast"].queue.place == clips % config["K"]
        check_gradients(run.method, case, in_contrast, 1e-4)

    train(run, views, tmp_path, on_step, draws=lambda step: drawn(case, step))
    assert not found.recorded
    check_state(run.method, case, "state_after/", in_contrast, 3e-2)
    check_graphs(run.method, case)
