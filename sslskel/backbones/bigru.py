"""A bidirectional GRU over whole clips: one direction from the first frame on, one from the last.

The frame-stepped one of the released contrastive codes, which reads forward twice, is ``gru_stepped.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.nn.gru import GruConfig, entered, init_matrices, input_norm, numbers_of, sequence


class BiGru(Backbone[GruConfig]):
    """A norm of the input, then layers of a bidirectional GRU; T' = T, V' = 1, D = 2 * hidden.

    :meth:`pool` joins the two final states: the forward one after the last frame and the
    backward one after the first, as Predict & Cluster does (Su et al., CVPR 2020).
    """

    Config = GruConfig
    joins_persons = True
    batch_statistics = True

    def __init__(self, config: GruConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self._clip = 2 * config.hidden, clip
        self.input_norm = input_norm(config, clip)
        self.gru = nn.GRU(numbers_of(clip), config.hidden, config.layers, batch_first=True, bidirectional=True)
        init_matrices(self.gru)

    def sequence(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, V*C*M), the order in which prompts see a frame."""
        return sequence(tracks, self._clip)

    def encode(self, frames: Tensor, added: Tensor | None = None) -> Tensor:
        """(N, T, V*C*M) in the order of :meth:`sequence` -> (N, T, 1, D); ``added`` (V*C*M,) joins behind the norm."""
        states: Tensor = self.gru(entered(frames, self.input_norm, added))[0]
        return states[:, :, None]

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, 1, D), the states of the last layer at each frame."""
        return self.encode(self.sequence(tracks))

    def pool(self, features: Tensor) -> Tensor:
        """(N, T, 1, D) -> (N, D)."""
        half = self.dim // 2
        return torch.cat([features[:, -1, 0, :half], features[:, 0, 0, half:]], -1)
