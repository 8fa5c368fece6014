"""A bidirectional GRU over whole clips: one direction from the first frame on, one from the last.

The frame-stepped one of the released contrastive codes, which reads forward twice, is ``gru_stepped.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.api.view import ClipSpec
from sslskel.nn.gru import GruBackbone, GruConfig, init_matrices, numbers_of


class BiGru(GruBackbone):
    """Layers of a bidirectional GRU; T' = T, V' = 1, D = 2 * hidden.

    :meth:`pool` joins the two final states: the forward one after the last frame and the
    backward one after the first, as Predict & Cluster does (Su et al., CVPR 2020).
    """

    def __init__(self, config: GruConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.gru = nn.GRU(numbers_of(clip), config.hidden, config.layers, batch_first=True, bidirectional=True)
        init_matrices(self.gru)

    def run(self, frames: Tensor) -> Tensor:
        """(N, T, V*C*M) -> (N, T, D)."""
        states: Tensor = self.gru(frames)[0]
        return states

    def pool(self, features: Tensor) -> Tensor:
        """(N, T, 1, D) -> (N, D)."""
        half = self.dim // 2
        return torch.cat([features[:, -1, 0, :half], features[:, 0, 0, half:]], -1)
