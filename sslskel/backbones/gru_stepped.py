"""The frame-stepped "bidirectional" GRU of ISC, CMD and PCM3, all frames of a layer at once.

The released codes call a bidirectional GRU with one frame at a time and carry its state,
so the direction named reverse runs forward in time as well: two GRUs per layer, side by
side. An ordinary bidirectional GRU is ``bigru.py``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.backbone import Backbone
from sslskel.backbones._gru import GruConfig, init_matrices, numbers_of, sequence
from sslskel.contrastive.norm import GlobalBatchNorm
from sslskel.view import ClipSpec


class GruStepped(Backbone):
    """Layers of two GRUs that both read from the first frame to the last; T' = T, V' = 1, D = 2 * hidden.

    A feature holds the first GRU's state, then the second's. :meth:`pool` takes the last frame.
    """

    Config = GruConfig
    joins_persons = True
    batch_statistics = True

    def __init__(self, config: GruConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self._clip = 2 * config.hidden, clip
        self.input_norm = GlobalBatchNorm(numbers_of(clip)) if config.input_norm else None
        sizes = [numbers_of(clip), *[self.dim] * (config.layers - 1)]
        self.layers = nn.ModuleList(
            nn.ModuleList(nn.GRU(size, config.hidden, batch_first=True) for _ in range(2)) for size in sizes
        )
        init_matrices(self.layers)

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, 1, D), the state of the last layer after each frame."""
        return self.encode(self.sequence(tracks))

    def sequence(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, V*C*M), the order in which released weights and prompts see a frame."""
        return sequence(tracks, self._clip)

    def encode(self, frames: Tensor) -> Tensor:
        """(N, T, V*C*M) numbers in the order of :meth:`sequence` -> (N, T, 1, D)."""
        x = frames if self.input_norm is None else self.input_norm(frames.transpose(1, 2)).transpose(1, 2)
        for pair in self.layers:
            x = torch.cat([gru(x)[0] for gru in pair.children()], -1)
        return x[:, :, None]

    def pool(self, features: Tensor) -> Tensor:
        """(N, T, 1, D) -> (N, D), the last frame's."""
        return features[:, -1, 0]
