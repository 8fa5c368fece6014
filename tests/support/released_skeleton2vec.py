"""What replays of recorded Skeleton2vec runs share: places of its weights, its clips and draws."""

from __future__ import annotations

import re

import torch
from recorded import Recorded
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import ReplayNoise

PLACES = (
    ("encoder_embedding.projection.1.", "backbone.embed."),
    ("encoder_embedding.spatio_pos_emb", "backbone.joint_table"),
    ("encoder_embedding.temporal_pos_emb", "backbone.time_table"),
    ("encoder.layers.", "backbone.blocks."),
    ("encoder_norm.", "backbone.norm."),
    ("decoder_spatio_pos_emb", "decoder.trunk.joint_table"),
    ("decoder_temporal_pos_emb", "decoder.trunk.time_table"),
    ("decoder_embedding.", "decoder.embed."),
    ("mask_token_emb", "decoder.mask_token"),
    ("decoder.layers.", "decoder.trunk.blocks."),
    ("decoder_norm.", "decoder.trunk.norm."),
    ("decoder_head.", "decoder.head."),
)
"""Beginnings of released names below the auto-encoder, and ours."""
QKV = ("queries", "keys", "values")
UNUSED = "encoder_embedding.mask_token_emb"
"""A parameter that nothing reads."""


def our_name(name: str) -> str:
    """Our name of an array of the auto-encoder."""
    theirs, ours = next(pair for pair in PLACES if name.startswith(pair[0]))
    name = ours + name[len(theirs) :]
    name = re.sub(r"attn\.(queries|keys|values)\.", "attn.qkv.", name)
    return name.replace("gamma_1", "scale1").replace("gamma_2", "scale2")


def in_their_shape(name: str, value: Tensor) -> Tensor:
    """Our array of that name as it was recorded."""
    if name.endswith("projection.1.weight"):
        return value.unflatten(1, (-1, 3)).transpose(1, 2)[..., None]
    if name.endswith("spatio_pos_emb"):
        return value.T[None, :, None]
    if name.endswith("temporal_pos_emb"):
        return value.T[None, :, :, None]
    if match := re.search(r"attn\.(queries|keys|values)\.", name):
        return value.unflatten(0, (3, -1))[QKV.index(match[1])]
    return value


def put(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    """Fill our tensors with recorded ones."""
    for name, value in theirs.items():
        in_their_shape(name, ours[our_name(name)]).copy_(value)


def batch_of(x: Tensor) -> Batch:
    """Recorded clips (N, M, T, V, C)."""
    return Batch.from_dense(x.permute(0, 4, 2, 3, 1))


def by_person(values: Tensor, views: int, persons: int = 2) -> Tensor:
    """Recorded rows by clip, view and person -> ours, by clip, person and view."""
    return values.unflatten(0, (-1, views, persons)).transpose(1, 2).flatten(0, 2)


def recorded_draws(case: Recorded, step: int) -> ReplayNoise:
    """What a step drew. Blocks that skip nothing drew nothing, and get zeros."""
    config, views = case.config, case.config["views"]
    uniform = by_person(case.tensor(f"draws/mask_uniform/step{step}"), views)
    rows = case.tensor(f"draws/drop_path_uniform/step{step}")  # (draws, rows)
    paths = {}
    for site, depth in (("drop_path", config["depth"]), ("decoder_drop_path", config["ddepth"])):
        drawn = torch.zeros(2 * depth, rows.shape[1])
        drawn[2:] = rows[: 2 * depth - 2]
        rows = rows[2 * depth - 2 :]
        paths[site] = by_person(drawn.T, views).unflatten(1, (depth, 2))
    assert not len(rows)
    return ReplayNoise({"mask": uniform.reshape(len(uniform), -1, uniform.shape[-1]), **paths})
