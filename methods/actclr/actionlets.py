"""Actionlets: the joints and moments by which a clip differs from the mean clip (ActCLR, section 3.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sslskel import PARTS, Batch, rank, sum_over_processes
from sslskel.api.devices import constant
from sslskel.contrastive import Tower

SHARPNESS = 1e-8
"""What activations are divided by, so that they are 0 or 1 but for a few."""


def mean_clip(rows: Tensor, batch: Batch, persons: int) -> Batch:
    """Tracks (P, T, V, C) of a batch -> the mean clip of the step over all processes, without slots nobody fills.

    The first process alone has it as a clip; the batch of the others is empty, so that statistics count it once.
    """
    count = sum_over_processes(rows.new_zeros(persons).index_add(0, batch.slot, rows.new_ones(len(rows))))
    total = sum_over_processes(rows.new_zeros(persons, *rows.shape[1:]).index_add(0, batch.slot, rows))
    slot = (count > 0).nonzero().flatten()[: 0 if rank() else persons]
    key = slot.new_zeros(0 if rank() else 1)
    valid = torch.ones(len(slot), rows.shape[1], dtype=torch.bool, device=rows.device)
    mean = total[slot] / count[slot][:, None, None, None]
    return Batch(mean, valid, torch.zeros_like(slot), slot, key, key - 1, key - 1)


def actionlets(tower: Tower, maps: Tensor, batch: Batch, anchor: Tensor) -> Tensor:
    """Maps (P, T', V, D) and the embedding of the mean clip (1, dim) -> (P, T', V), 1 where an actionlet is, else 0.

    As GradCAM finds what a class rests on: channels are weighed by how much they take the embedding away from the
    mean clip's. A part of the body is in or out as a whole. Without gradient.
    """
    with torch.enable_grad():
        leaf = maps.detach().requires_grad_()
        embedding = functional.normalize(tower.head(tower.pooled(leaf, batch)), dim=1)
        count = sum_over_processes(maps.new_full((1,), batch.num_clips))
        apart = (1 - (embedding * functional.normalize(anchor.detach(), dim=1)).sum(1)).sum() / count[0]
        [slope] = torch.autograd.grad(apart, leaf)
    seen = (slope.mean((1, 2), keepdim=True) * leaf.detach()).mean(3).relu() / SHARPNESS
    whole = seen.clone()
    for name in PARTS:
        part = constant(tuple(sorted(tower.clip.layout.part(name))), maps.device)
        whole[:, :, part] = seen[:, :, part].mean(2, keepdim=True)
    return whole.clamp(0, 1)


def actionlet_pooled(maps: Tensor, weight: Tensor) -> Tensor:
    """Maps (P, T', V, D), weights (P, T', V) -> their weighted mean (P, D), 0 where no actionlet is."""
    total: Tensor = (maps * weight[..., None]).sum((1, 2)) / (weight.sum((1, 2)) + 1e-5)[:, None]
    return total


def kept(own: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """The actionlets (N, M, T', V) of clips in the rest of other clips, (N, M, T, V, C) each; linear in time."""
    inside = functional.interpolate(weight, own.shape[2:4], mode="bilinear", align_corners=True)[..., None]
    return own * inside + other * (1 - inside)
