"""A bidirectional GRU over whole clips: one direction from the first frame on, one from the last.

The frame-stepped one of the released contrastive codes, which reads forward twice, is ``gru_stepped.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.backbone import Backbone
from sslskel.backbones._gru import GruConfig, init_matrices, numbers_of, sequence
from sslskel.contrastive.norm import GlobalBatchNorm
from sslskel.view import ClipSpec


class BiGru(Backbone):
    """Layers of a bidirectional GRU; T' = T, V' = 1, D = 2 * hidden.

    :meth:`pool` joins the two final states: the forward one after the last frame and the
    backward one after the first, as Predict & Cluster does (Su et al., CVPR 2020).
    """

    Config = GruConfig
    joins_persons = True
    batch_statistics = True

    def __init__(self, config: GruConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self._clip = 2 * config.hidden, clip
        self.input_norm = GlobalBatchNorm(numbers_of(clip)) if config.input_norm else None
        self.gru = nn.GRU(numbers_of(clip), config.hidden, config.layers, batch_first=True, bidirectional=True)
        init_matrices(self.gru)

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, 1, D)."""
        x = sequence(tracks, self._clip)
        if self.input_norm is not None:
            x = self.input_norm(x.transpose(1, 2)).transpose(1, 2)
        states: Tensor = self.gru(x)[0]
        return states[:, :, None]

    def pool(self, features: Tensor) -> Tensor:
        """(N, T, 1, D) -> (N, D)."""
        half = self.dim // 2
        return torch.cat([features[:, -1, 0, :half], features[:, 0, 0, half:]], -1)
