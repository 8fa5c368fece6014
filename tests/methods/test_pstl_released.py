"""PSTL and its Barlow Twins head against the recorded released code; momentum methods have a file of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from released_contrast import Case, batch, case_of, check_gradients, clip_spec, close, graph, ours, renamed, value
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.method import Progress
from sslskel.api.noise import ReplayNoise
from sslskel.methods.pstl import PSTL, PSTLConfig, barlow_head, barlow_term, cross_correlation, degrees

SEEDS = (0, pytest.param(1, marks=pytest.mark.long))
DRAWN = ("crop_start", "shear_matrix", "rotate_axis", "rotate_degrees", "flip_p")


def head_name(name: str) -> str:
    """A released head's array -> ours, in one sequence."""
    return name.replace("projector.", "").replace("bn.", "7.")


def head_state(case: Case, prefix: str) -> dict[str, Tensor]:
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
    close(cross_correlation(*out).detach(), case.tensor("out/cross_correlation"), 1e-5)
    assert float(term.total.detach()) == pytest.approx(float(case.data["loss/total"]), rel=1e-4)
    term.total.backward()
    for name, x in zip("ab", inputs, strict=True):
        assert x.grad is not None
        close(x.grad, case.tensor(f"grad/{name}"), 1e-4)
    norms = {name: p.grad.norm() for name, p in head.named_parameters() if p.grad is not None}
    for name, norm in zip(case.data["grad/names"], case.data["grad/norms"], strict=True):
        assert float(norms[head_name(str(name))]) == pytest.approx(float(norm), rel=1e-4, abs=1e-6)
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


def seen(case: Case, method: PSTL, step: int, at: int) -> Batch:
    """One view as the released step drew it, cut and changed by our own view."""
    drawn = {name: case.tensor(f"step{step}/view{at}/{name}") for name in DRAWN}
    off_diagonal = ~torch.eye(3, dtype=torch.bool)
    about = torch.where(torch.arange(3) == drawn["rotate_axis"], 30.0, 1.0)
    draws = ReplayNoise(
        {
            "crop.start": drawn["crop_start"],
            # Their shear stands on the other side of the coordinates.
            "shear.off_diagonal": (drawn["shear_matrix"].T[off_diagonal] + 1) / 2,
            "tilt.axis": drawn["rotate_axis"],
            "tilt.angles": drawn["rotate_degrees"] / about,
            "flip": drawn["flip_p"],
        }
    )
    view, whole = method.views()[at], batch(case, "in/x").filled(2)
    positions = view.sample(torch.full((whole.num_clips,), whole.tracks.shape[1]), whole.tracks.shape[1], draws)
    moved = whole._replace(tracks=whole.tracks[:, positions[0].to(torch.int64)])
    for augment in view.augment:
        moved = augment(moved, draws, method.clip)
    return moved


def masks(case: Case, step: int, weight: Tensor) -> ReplayNoise:
    """The released step's draws of joints and frames."""
    kept = case.tensor(f"step{step}/view1/kept_second_stage")
    rest = [at for at in range(case.config["T"] - case.config["mask_frame"]) if at not in kept.tolist()]
    joints = entries_of(case.tensor(f"step{step}/draws/joints_drawn"), weight)
    return ReplayNoise({"mask.joints": joints, "mask.frames": torch.cat([kept, torch.tensor(rest)])})


@pytest.mark.parametrize("seed", SEEDS)
def test_pstl(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_pstl_seed{seed}")
    names = {"width": "pj_size", "mask_joints": "mask_joint", "mask_frames": "mask_frame", "off_diagonal": "lambd"}
    config = PSTLConfig(**{mine: case.config[theirs] for mine, theirs in names.items()})
    method = PSTL(config, graph(case), clip_spec(case.config["T"])).train()
    weight = degrees(method.clip.layout)
    assert weight.tolist() == case.config["degree_centrality"]
    head = {f"tower.head.{name}": tensor for name, tensor in head_state(case, "head/").items()}
    method.load_state_dict({**renamed(case, "state/", in_pstl), **head})
    optimiser = torch.optim.Adam(method.parameter_groups(), lr=case.config["lr"], weight_decay=1e-5)
    for step in range(case.config["steps"]):
        views = [seen(case, method, step, at) for at in range(3)]
        output = method(views, masks(case, step, weight), Progress(step, 1, 1000))
        for name in ("temporal", "spatial"):
            wanted = float(case.data[f"loss/{name}"][step])
            assert value(output, name) == pytest.approx(wanted, rel=1e-2 if step else 1e-4)
        optimiser.zero_grad()
        output.loss().backward()
        if step == 0:
            check_gradients(method, case, in_pstl, 2e-4)
        optimiser.step()
