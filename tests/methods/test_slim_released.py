"""SLiM against recorded runs of the released code: masks, changes of views, a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import close, value
from released_slim import group, in_slim, recorded_run
from replays import Spied, made, train

from sslskel.api.batch import StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.config.groups import Fidelity
from sslskel.engine.optim import build_optimiser, set_decay, set_rate
from sslskel.methods.slim.views import LONGEST, SHORTEST
from sslskel.nn.self_distillation import PrototypeHead
from sslskel.nn.tube_masks import MOST, TRIES, least, tube_masks
from sslskel.transforms.augment import without_axis
from sslskel.transforms.bin_crop import BinCrop, reflected
from sslskel.transforms.clip import mirrored, resized, rotation_matrices, transformed
from sslskel.transforms.limbs import scaled

SEEDS = pytest.mark.parametrize("seed", [0, 1])
LIMBS = list(NTU25.parts.values())
TORSO = [0, 1, 20, 2, 3]
"""The order of the released torso; ours is that of the layout."""
TERMS = {"local": "dino_local", "whole": "dino_global", "spread": "koleo_weighted", "tokens": "ibot"}
"""Our name of a term -> the recorded one."""


def case_of(shared: Path, name: str) -> Recorded:
    return Recorded(shared / "golden_more" / f"{name}.npz")


def as_shares(tubes: Any, wanted: int, mask: Any, limbs: list[Any]) -> torch.Tensor:
    """Recorded draws (S, 5) of one mask as numbers in [0, 1), which say the same of a mask like this one."""
    steps, hidden, shares = len(mask), torch.zeros(mask.shape, dtype=torch.bool), []
    for limb, width, first, area, top in tubes:
        joints, rest = limbs[int(limb)], min(wanted - int(hidden.sum()), MOST)
        height = min(max(round(area / width), 1), steps)
        size = (area - least(steps)) / (rest - least(steps)) if rest != least(steps) else 0.0
        places = (limb / len(limbs), (width - 1) / len(joints), first / (len(joints) - width + 1))
        inside = 0.5 / 64  # within the step of an integer, whatever its range
        shares.append([*(place + inside for place in places), size, top / (steps - height + 1) + inside])
        tube = torch.zeros_like(hidden)
        tube[int(top) : int(top) + height, joints[int(first) : int(first) + int(width)]] = True
        if 0 < int((tube & ~hidden).sum()) <= rest:
            hidden |= tube
    return torch.tensor(shares, dtype=torch.float64)


@SEEDS
def test_masks(shared: Path, seed: int) -> None:
    case = case_of(shared, f"slim_parts_seed{seed}")
    limbs = [TORSO, *map(list, LIMBS[1:])]
    masks = case.beginnings("mask")
    assert len(masks) == 12
    for name in masks:
        wanted, mask = int(case[f"{name}/wanted"]), case.tensor(f"{name}/mask")
        draws = case[f"{name}/draws"][:, 1].reshape(-1, 5)
        shares = as_shares(draws, wanted, mask, limbs)
        # What was drawn ends where the mask is complete, or where nothing fitted any more.
        more = torch.cat([shares, torch.rand(TRIES, 5, dtype=torch.float64)])
        ours = tube_masks(torch.tensor([wanted]), more[None], [len(mask)], limbs, 25)[0]
        assert torch.equal(ours, mask), name


@SEEDS
def test_changes_of_views(shared: Path, seed: int) -> None:
    case = case_of(shared, f"slim_parts_seed{seed}")
    clip = made("slim", "backbone.depth=1", "backbone.dim=8", "backbone.heads=2", *SMALL).method.clip
    tracks = case.tensor("aug/x").permute(3, 1, 2, 0)
    draws = {name: case.tensor(f"aug/{name}/draws") for name in ("flip", "scale", "rotate", "axis_drop")}
    assert [case.config["draw_kinds"][int(kind)] for kind in draws["scale"][:, 0]] == ["random", *["uniform"] * 3]
    assert case.config["scale_range"] == [SHORTEST, LONGEST]
    # Drawn about x, z and y, and turned the other way round, which is as likely.
    turn = -draws["rotate"][1:, 1][[0, 2, 1]][None]
    out = {
        "flip": mirrored(tracks, clip.layout),
        "scale": scaled(tracks, draws["scale"][1:, 1][None], clip, Fidelity.released),
        "rotate": transformed(tracks, rotation_matrices(turn)),
        "axis_drop": without_axis(tracks, draws["axis_drop"][1:, 1].long()),
    }
    for name, ours in out.items():
        close(ours, case.tensor(f"aug/{name}/out").permute(3, 1, 2, 0), 1e-6)
    neck = tracks[:, :, 20] - tracks[:, :, 2], out["scale"][:, :, 20] - out["scale"][:, :, 2]
    for name, way in zip(("in", "out"), neck, strict=True):
        recorded = float(case[f"aug/scale/joint20_distance_to_neck_{name}"])
        assert float(way.norm(dim=-1).mean()) == pytest.approx(recorded, rel=1e-6)
    attached = scaled(tracks, torch.ones(1, 3, dtype=tracks.dtype), clip, Fidelity.paper)
    close(attached, tracks, 1e-9)


SMALL = ("method.hidden=4", "method.bottleneck=4", "method.prototypes=4", "method.token_prototypes=4")


@SEEDS
def test_frames_of_crops(shared: Path, seed: int) -> None:
    case = case_of(shared, f"slim_parts_seed{seed}")
    clip = case.tensor("crop/x").double()
    for name in case.beginnings("crop"):
        if name == "crop":
            continue
        frames, (begin, end) = case.tensor(f"{name}/frames"), case[f"{name}/range"]
        wanted = case.tensor(f"{name}/out").double()
        size, read = torch.tensor([end - begin]), wanted.shape[1]
        assert begin <= int(frames.min()) <= int(frames.max()) < end
        if int(size) >= 2 * read:
            edges = torch.arange(read + 1) * int(size) // read + begin
            assert bool(((frames >= edges[:-1]) & (frames < edges[1:])).all())
        at = resized(torch.zeros(1, dtype=torch.int64), torch.tensor([len(frames)]), read)[0]
        low, part = at.floor().long(), (at % 1)[None, :, None, None]
        parts = clip[:, frames]
        ours = parts[:, low] * (1 - part) + parts[:, (low + 1).clamp(max=len(frames) - 1)] * part
        close(ours, wanted, 2e-5)
        positions = BinCrop(1.0, 1.0)(size, read, Noise(3).on(batch_of_one()))[0]
        assert bool((positions.diff() > 0).all())
        assert 0 <= float(positions[0]) < float(positions[-1]) < int(size)


def batch_of_one() -> Any:
    from sslskel.api.batch import Batch

    return Batch.from_dense(torch.ones(1, 3, 1, 25, 2))


def test_short_clips_go_back_and_forth() -> None:
    ours = reflected(torch.arange(8.0)[None].double(), torch.tensor([3]))
    assert ours[0].tolist() == [0, 1, 2, 2, 1, 0, 0, 1]


@SEEDS
def test_outputs_and_gradients(shared: Path, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(shared, f"slim_step_seed{seed}")
    run, views = recorded_run(case)
    method: Any = run.method.train()
    heads = Spied()
    monkeypatch.setattr(PrototypeHead, "forward", heads.around(PrototypeHead.forward))
    taught = Spied()
    method.taught = taught.around(method.taught)
    output = method(views, Noise(0), Progress(0, 1, 1))
    [(_, (shares, token_shares))] = taught
    (_, _), (_, _), ((_, own), _), ((_, tokens), logits), ((_, _), hidden) = heads
    close(shares, case.tensor("out/teacher_cls").flatten(0, 1), 2e-5)
    close(token_shares, case.tensor("out/teacher_patch"), 2e-5)
    close(tokens, case.tensor("out/student_global_cls"), 2e-5)
    close(own, case.tensor("out/student_local_cls"), 2e-5)
    close(hidden, case.tensor("out/student_patch_logits"), 2e-5)
    close(logits, case.tensor("out/student_cls_logits"), 2e-5)
    masks = case.tensor("in/masks")
    assert torch.equal(masks.flatten().nonzero()[:, 0], case.tensor("in/index"))
    close((1 / masks.sum(1).clamp(min=1))[:, None].expand_as(masks)[masks], case.tensor("in/weight"), 1e-6)
    assert int(case["in/upperbound"]) >= int(masks.sum())
    output.loss().backward()
    total = float(case["grad/total_norm"])
    ours = {name: p.grad for name, p in method.student.named_parameters()}
    assert len(ours) == len(case["grad/names"])
    for name, norm in zip(case["grad/names"], case["grad/norms"], strict=True):
        assert abs(float(ours[in_slim(str(name))].double().norm()) - norm) < 2e-5 * total, name
    for name, full in group(case, "gradfull/", "").items():
        assert float((ours[name] - full).norm()) < 2e-5 * total, name


@SEEDS
def test_training(shared: Path, seed: int, tmp_path: Path) -> None:
    case = case_of(shared, f"slim_step_seed{seed}")
    run, views = recorded_run(case)
    method: Any = run.method

    def on_step(step: int, output: StepOutput) -> None:
        for mine, theirs in TERMS.items():
            scale = output.terms[mine].scale
            assert value(output, mine) * scale == pytest.approx(case[f"loss/{theirs}"][step], rel=1e-5), mine
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=1e-5)
        # Gradients are clipped here.
        recorded = case[f"grad/norm_per_part/step{step}"]
        for (name, part), norm in zip(method.student.named_children(), recorded, strict=True):
            filler = [method.student.filler] if part is method.student.backbone else []
            size = torch.stack([p.grad.double().norm() for p in (*part.parameters(), *filler)]).norm()
            assert float(size) == pytest.approx(min(norm, case.config["clip"]), rel=1e-4), name

    train(run, views, tmp_path, on_step)
    state = method.state_dict()
    for part, place in (("student", "student."), ("teacher", "teacher.network.")):
        after = group(case, f"{part}_after/", place)
        assert len(after) == len(case["opt/names"])
        for name, wanted in after.items():
            close(state[name], wanted, 1e-2)


@SEEDS
def test_rates_and_decay_of_each_tensor(shared: Path, seed: int) -> None:
    case = case_of(shared, f"slim_step_seed{seed}")
    run, _ = recorded_run(case)
    method: Any = run.method
    optimiser = build_optimiser(method.parameter_groups(), run.resolved.train)
    set_rate(optimiser, 1.0)
    set_decay(optimiser, 1.0)
    of = {id(p): each for each in optimiser.param_groups for p in each["params"]}
    ours = {name: of[id(p)] for name, p in method.student.named_parameters()}
    kept = {id(p) for p in (*method.student.head.last_layer(), *method.student.token_head.last_layer())}
    names = {name: id(p) in kept for name, p in method.student.named_parameters()}
    columns = [case[f"opt/{name}"] for name in ("names", "lr_multiplier", "wd_multiplier", "is_last_layer")]
    for name, rate, decay, last in zip(*columns, strict=True):
        mine = in_slim(str(name))
        assert (ours[mine]["lr"], ours[mine]["weight_decay"], names[mine]) == (rate, decay, last), name
