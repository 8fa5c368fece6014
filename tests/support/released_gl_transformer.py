"""What replays of recorded GL-Transformer runs share: places of its weights, its draws, and its padded clips."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
from recorded import Recorded
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import ReplayNoise

PLACES = (
    ("attention_sp.", "over_tokens."),
    ("attention_tm.", "over_frames."),
    ("norm1_sp.", "token_norm."),
    ("norm1_tm.", "frame_norm."),
    ("norm2.", "norm."),
    ("feedforward.", "mlp."),
    ("encoder_blocks.", "blocks."),
    ("positional_emb", "table"),
    ("transformer.emb_global.", "transformer.embed_way."),
    ("transformer.emb.", "transformer.embed."),
)
"""Beginnings of released names, and ours."""


def in_gl_transformer(name: str) -> str:
    """Our name of a released array."""
    if match := re.fullmatch(r"(dir|mag)_pred_list\.(\d)\.linear\.0\.(.+)", name):
        return f"{ {'dir': 'directions', 'mag': 'magnitudes'}[match[1]] }.{match[2]}.{match[3]}"
    for theirs, mine in PLACES:
        name = name.replace(theirs, mine)
    return name.replace("transformer.", "encoder.backbone.", 1)


def padded(position: Tensor, pad: float) -> Batch:
    """Recorded clips (N, C, T, V, M), ``pad`` behind their end -> rows of the persons who are there, zeros behind."""
    real = (position[:, 0, :, 0, 0] != pad)[:, None, :, None, None]
    batch = Batch.from_dense(position * real)
    frames = real[:, 0, :, 0, 0]
    return batch._replace(valid=frames[batch.owner])


def tokens(batch: Batch) -> Tensor:
    """(N, C, T, V*M), token 2 * joint + person, as the released network reads clips."""
    return batch.dense(2).flatten(3)


def draws(signs: Sequence[float], ratios: Sequence[float], shear: Any = None, amplitude: float = 1.0) -> ReplayNoise:
    """What released code drew for each clip: the sign and ratio of a stretch, six numbers of a shear."""
    sites = {
        "stretch.sign": torch.tensor([0.75 if sign < 0 else 0.25 for sign in signs], dtype=torch.float64),
        "stretch.ratio": torch.as_tensor(ratios, dtype=torch.float64),
    }
    if shear is not None:
        row_by_row = torch.as_tensor(shear, dtype=torch.float64)[:, [0, 3, 1, 4, 2, 5]]
        sites["shear.off_diagonal"] = (row_by_row / amplitude + 1) / 2
    return ReplayNoise(sites)


def recorded_draws(case: Recorded, amplitude: float = 0.3) -> ReplayNoise:
    """The draws of a recorded file."""
    return draws(case["draws/sign"], case["draws/ratio"], case["draws/shear"], amplitude)
