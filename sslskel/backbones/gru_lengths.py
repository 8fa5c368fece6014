"""GRUs that end where a clip ends: what follows its last valid frame is not read (Predict & Cluster).

``bigru.py`` and ``gru_stepped.py`` read all frames of a view, padding included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

import torch
from torch import Tensor

from sslskel.api.backbone import Backbone, Features
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.gru import SteppedPairs, init_matrices, numbers_of, sequence
from sslskel.nn.original_gru import OriginalBiGru


class GruKind(Enum):
    """``original``: the first published GRU, from both ends; ``stepped``: torch's, both directions forward in time."""

    original = "original"
    stepped = "stepped"


@dataclass
class GruLengthsConfig:
    """Sizes; defaults are those of the released Predict & Cluster."""

    hidden: int = 1024
    """Units of each direction; a feature has twice as many numbers."""
    layers: int = 3
    """GRUs, one on the outputs of the other."""
    kind: GruKind = GruKind.original

    def __post_init__(self) -> None:
        for name in ("hidden", "layers"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")


class GruLengths(Backbone[GruLengthsConfig]):
    """Layers of two GRUs over the valid frames of a clip; T' = T, V' = 1, D = 2 * hidden, a token per clip.

    Su et al., CVPR 2020. A frame in which no person is valid is left out, wherever it stands, and
    its features are zeros. The token joins the final states of both directions; of kind ``stepped``, where
    both read forward, the states at the last valid frame. A clip without a valid frame has zeros.
    """

    Config = GruLengthsConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        name: {"hidden": 64, "layers": 2} for name in ("quick", "cpu")
    }
    joins_persons = True
    reads_validity = True

    def __init__(self, config: GruLengthsConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self._clip = 2 * config.hidden, clip
        sizes = (numbers_of(clip), config.hidden, config.layers)
        self.gru = OriginalBiGru(*sizes) if config.kind is GruKind.original else SteppedPairs(*sizes)
        if config.kind is GruKind.stepped:
            init_matrices(self.gru)

    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Features:
        """(N, T, M*V, C) and (N, T, M) bool, without which all is valid -> (N, T, 1, D), and a token (N, D)."""
        if valid is None:
            valid = tracks.new_ones((*tracks.shape[:2], 1), dtype=torch.bool)
        there = valid.repeat_interleave(tracks.shape[2] // valid.shape[2], 2)[..., None]
        frames, seen = sequence(torch.where(there, tracks, 0.0), self._clip), valid.any(2)
        order = (~seen).to(torch.int8).argsort(dim=1, stable=True)
        frames, kept = frames.take_along_dim(order[..., None], 1), seen.gather(1, order)
        if isinstance(self.gru, OriginalBiGru):
            states, token = self.gru(frames, kept)
        else:
            states = self.gru(frames) * kept[..., None]
            last = (kept.sum(1) - 1).clamp(min=0)
            token = states[torch.arange(len(states), device=states.device), last]
        return Features(states.take_along_dim(order.argsort(1)[..., None], 1)[:, :, None], token)
