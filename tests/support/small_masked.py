"""A small masked modelling, clips of a star-shaped body, and one step on them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from undrawn_clips import star, undrawn

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.backbones.transformer import Transformer, TransformerConfig
from sslskel.methods.masked_modelling import MaskedModelling, MaskedModellingConfig

PROGRESS = Progress(0, 1, 1)


SMALL = {"decoder_depth": 1, "decoder_dim": 8, "decoder_heads": 2, "mask_ratio": 0.6}


def clip_spec(frames: int = 8, joints: int = 5, coordinates: int = 3, persons: int = 2) -> ClipSpec:
    return undrawn(star(joints), frames, persons, coordinates)


def build(clip: ClipSpec, segment: int = 4, depth: int = 2, drop_path: float = 0, **options: Any) -> MaskedModelling:
    backbone = TransformerConfig(dim=16, depth=depth, heads=4, segment=segment, drop_path=drop_path)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = MaskedModellingConfig(**{**SMALL, **options})
        return MaskedModelling(config, lambda spec: Transformer(backbone, spec), clip)


def dense(clip: ClipSpec, clips: int = 4, seed: int = 0) -> Tensor:
    shape = (clips, clip.coordinates, clip.frames, clip.layout.num_joints, clip.persons)
    walk = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).cumsum(2)
    walk[0, ..., 1:] = 0
    return walk


def step(method: MaskedModelling, batch: Batch, seed: int = 0) -> StepOutput:
    return method([batch], Noise(seed), PROGRESS)
