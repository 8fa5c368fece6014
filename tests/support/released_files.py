"""Files like the released ones, small, with random values."""

from __future__ import annotations

import torch
from torch import Tensor


def released_state(
    dim: int = 16, depth: int = 2, segments: int = 3, joints: int = 5, coordinates: int = 3, segment: int = 4
) -> dict[str, Tensor]:
    """A state dict with the names and shapes of the released pretraining model, random values."""
    shapes: dict[str, tuple[int, ...]] = {
        "temp_embed": (1, segments, 1, dim),
        "pos_embed": (1, 1, joints, dim),
        "mask_token": (1, 1, dim),
        "decoder_temp_embed": (1, segments, 1, dim),
        "joints_embed.proj.weight": (dim, coordinates, segment, 1),
        "joints_embed.proj.bias": (dim,),
        "norm.weight": (dim,),
        "norm.bias": (dim,),
        "decoder_pred.weight": (segment * coordinates, dim),
    }
    for block in range(depth):
        for name, shape in {
            "norm1.weight": (dim,),
            "norm1.bias": (dim,),
            "attn.qkv.weight": (3 * dim, dim),
            "attn.qkv.bias": (3 * dim,),
            "attn.proj.weight": (dim, dim),
            "attn.proj.bias": (dim,),
            "norm2.weight": (dim,),
            "norm2.bias": (dim,),
            "mlp.fc1.weight": (3 * dim, dim),
            "mlp.fc1.bias": (3 * dim,),
            "mlp.fc2.weight": (dim, 3 * dim),
            "mlp.fc2.bias": (dim,),
        }.items():
            shapes[f"blocks.{block}.{name}"] = shape
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def dense(clips: int = 3, coordinates: int = 3, frames: int = 12, joints: int = 5, persons: int = 2) -> Tensor:
    x = torch.randn(clips, coordinates, frames, joints, persons, generator=torch.Generator().manual_seed(1))
    x[0, ..., 1:] = 0
    return x
