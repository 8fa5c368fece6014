"""What replays of recorded MacDiff runs share: places of its weights, its clips and draws."""

from __future__ import annotations

import re

import torch
from recorded import Recorded
from torch import Tensor

from sslskel.api.noise import ReplayNoise

PLACES = (
    ("decoder_temp_embed", "decoder.time_table"),
    ("decoder_pos_embed", "decoder.joint_table"),
    ("decoder_embed.proj.", "decoder.embed."),
    ("decoder_", "decoder."),
    ("temp_embed", "backbone.time_table"),
    ("pos_embed", "backbone.joint_table"),
    ("joints_embed.proj.", "backbone.embed."),
)
"""Beginnings of released names, and ours; the others are the encoder's."""


def in_macdiff(name: str) -> str:
    """Our name of a released array."""
    for theirs, ours in PLACES:
        if name.startswith(theirs):
            name = ours + name[len(theirs) :]
            break
    else:
        name = f"backbone.{name}"
    return re.sub(r"fc_([zt])\.", lambda found: {"z": "condition.", "t": "level."}[found[1]], name)


def in_our_shape(name: str, value: Tensor) -> Tensor:
    """A released tensor in our shape: frames before coordinates in embeddings, tables without empty axes."""
    if name.endswith("embed.proj.weight"):
        return value.squeeze(-1).transpose(1, 2).flatten(1)
    return value.reshape(-1, value.shape[-1]) if name.endswith(("temp_embed", "pos_embed")) else value


def group(case: Recorded, prefix: str) -> dict[str, Tensor]:
    """Recorded arrays under our names."""
    return {in_macdiff(name): in_our_shape(name, value) for name, value in case.group(prefix).items()}


def rows(case: Recorded, values: Tensor) -> Tensor:
    """(N, C, T, V, M) -> the rows that were trained on, (P, T, V, C)."""
    by_person = values.permute(0, 4, 2, 3, 1)
    return by_person[:, 0] if case.config["one_person"] else by_person.flatten(0, 1)


def recorded_draws(case: Recorded, step: int) -> ReplayNoise:
    """What a step drew; what was added to the source is that of unit standard deviation."""
    draws = {
        name: case.tensor(f"draws/{theirs}/step{step}")
        for name, theirs in (
            ("level", "t"),
            ("added", "noise"),
            ("mask", "mask_uniform"),
            ("unconditional", "uncond_uniform"),
            ("layer_mask", "layer_mask_uniform"),
        )
    }
    added = rows(case, case.tensor("in/x_aug").double() - case.tensor("in/x").double())
    shown = draws.pop("layer_mask").unflatten(0, (-1, 2))
    return ReplayNoise({**draws, "source": added, "layer_mask": torch.as_tensor(shown)})
