"""What replays of recorded Hi-TRS runs share: places of its weights, its draws, its tasks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from recorded import Recorded
from torch import Tensor, nn

from sslskel.api.noise import ReplayNoise
from sslskel.methods.hi_trs.tasks import Tasks

PLACES = (
    ("s_input_map.", "embed."),
    ("c_input_map.", "widen.0."),
    ("v_input_map.", "widen.1."),
    ("s_pe.pe", "joint_table"),
    ("c_pe.pe", "window_table"),
    ("v_pe.pe", "sequence_table"),
    ("clip_fuse_token", "window_token"),
    ("video_fuse_token", "sequence_token"),
    ("s_enc.layer_stack.", "over_joints."),
    ("c_enc.layer_stack.", "over_frames."),
    ("v_enc.layer_stack.", "over_windows."),
    (".self_attn_norm.", ".norm1."),
    (".pff_norm.", ".norm2."),
    (".pos_ffn.w_1.", ".fc1."),
    (".pos_ffn.w_2.", ".fc2."),
    (".slf_attn.fc.", ".attn.proj."),
)
"""Parts of released names, and ours."""
HEADS = {"s_pose_reg": "pose", "c_motion_cls": "frame_order", "v_motion_cls": "window_order", "v_ft_reg": "next_window"}


def in_hi_trs(name: str) -> tuple[str, int | None]:
    """Our name of a released array, and which third of it that is where queries, keys and values are one."""
    head, _, rest = name.partition(".")
    if head in HEADS:
        return f"{HEADS[head]}.{rest}", None
    third = None
    if match := re.search(r"\.slf_attn\.w_([qkv])s\.", name):
        third = "qkv".index(match[1])
        name = name.replace(match[0], ".attn.qkv.")
    for theirs, mine in PLACES:
        name = name.replace(theirs, mine)
    return f"encoder.backbone.{name}", third


def part(values: Mapping[str, Tensor], name: str) -> Tensor:
    """What is ours of a released array."""
    place, third = in_hi_trs(name)
    return values[place] if third is None else values[place].chunk(3)[third]


@torch.no_grad()
def load(method: nn.Module, case: Recorded) -> None:
    """Put the recorded start into a method; every weight of ours is recorded."""
    state, filled = method.state_dict(), dict.fromkeys(method.state_dict(), 0)
    for name, value in case.group("state/").items():
        part(state, name).copy_(value)
        filled[in_hi_trs(name)[0]] += value.numel()
    assert filled == {name: value.numel() for name, value in state.items()}


def recorded_tasks(case: Recorded) -> Tasks:
    """The recorded collated batch, as our step makes it."""
    hidden = case.tensor("in/w_pad_mask")[:, :-1] > 0
    return Tasks(
        shown=case.tensor("in/masked_seq"),
        wanted=case.tensor("in/org_seq"),
        asked=case.tensor("in/mask_seq_mask").squeeze(3) > 0,
        window=case.tensor("in/c_motion_clip"),
        moves=case.tensor("in/c_motion_valid_flg") > 0,
        order=case.tensor("in/permute_v"),
        last=case.tensor("in/last_c"),
        windows=(~hidden).sum(1),
    )


def pair_number(tried: list[tuple[int, int]]) -> tuple[int, list[tuple[int, int]]]:
    """Number of the first pair at least two apart, in the order of its second place; and what was tried then."""
    at = next(number for number, (a, b) in enumerate(tried) if abs(a - b) >= 2)
    first, second = sorted(tried[at])
    return (second - 1) * (second - 2) // 2 + first, tried[at + 1 :]


def item_draws(case: Recorded, count: int, frames: int) -> ReplayNoise:
    """What released code drew for the tasks of its items, under the names of our sites, padded to so many frames."""

    def per_joint(name: str, dtype: Any, fill: float) -> Tensor:
        rows = []
        for item in range(count):
            drawn = case[f"item{item}/{name}"]
            rows.append(np.pad(drawn, ((0, frames - len(drawn)), (0, 0)), constant_values=fill))
        return torch.from_numpy(np.stack(rows)).to(dtype)

    sites = {"mask.chosen": per_joint("mask_first", torch.float64, 1.0)}
    sites["mask.kind"] = per_joint("mask_second", torch.float64, 1.0)
    # Ours are numbers among the others, theirs are the places themselves.
    frame, joint = (per_joint(f"mask_from_{what}", torch.int64, 0).clamp(min=0) for what in ("frame", "joint"))
    sites["mask.frame"] = frame - (frame > torch.arange(frames)[:, None]).long()
    sites["mask.joint"] = joint - (joint > torch.arange(frame.shape[2])).long()
    swaps: dict[str, list[int]] = {"window.swap": [], "order.swap": []}
    for item in range(count):
        tried = [tuple(pair) for pair in case[f"item{item}/swaps_tried"].reshape(-1, 2).tolist()]
        number, rest = pair_number(tried)
        swaps["window.swap"].append(number)
        swaps["order.swap"].append(pair_number(rest)[0] if rest else 0)
    sites |= {name: torch.tensor(numbers) for name, numbers in swaps.items()}
    # All windows of these clips move, so that the number among them is where one begins.
    sites["window.begin"] = torch.tensor([int(case[f"item{item}/clip"][0]) for item in range(count)])
    return ReplayNoise(sites)


def change_draws(case: Recorded, name: str, joints: int) -> ReplayNoise:
    """What one recorded change of a sequence drew, under the names of our sites."""
    place, time = case[f"{name}/ids"].tolist()
    uniform, shear = list(case[f"{name}/numpy_uniform"]), case[f"{name}/random_uniform"]
    moved, begin = case[f"{name}/joints"].astype(int).tolist(), case[f"{name}/crop_begin"]
    scale = uniform.pop(0) if place == 0 else 1.0
    offsets = [uniform.pop(0) for _ in range(3 * len(moved))] if place == 1 else [0.0] * 15
    [last] = uniform
    gone = round(int(case.config["lengths"][0]) * last)

    def row(*values: float) -> Tensor:
        return torch.tensor([values], dtype=torch.float64)

    sheared = [shear[at] for at in (0, 3, 1, 4, 2, 5)] if place == 2 else [0.0] * 6
    return ReplayNoise(
        {
            "change.chance": torch.zeros(1),
            "change.place": torch.tensor([place]),
            "change.scale": (row(scale)[0] - 0.8) / 0.4,
            "change.joints": torch.tensor([moved + [at for at in range(joints) if at not in moved]]),
            "change.offsets": (torch.tensor(offsets, dtype=torch.float64).reshape(1, 5, 3) + 0.2) / 0.4,
            "change.shear": row(*sheared) + 0.5,
            "change.time": torch.tensor([time - 3]),
            "change.share": row(last)[0],
            "change.cut": row(last)[0] / 0.2,
            "change.begin": torch.tensor([(float(begin[0]) + 0.5) / (gone + 1) if len(begin) else 0.0]),
        }
    )
