"""The frame-stepped "bidirectional" GRU of ISC, CMD and PCM3, all frames of a layer at once.

The released codes call a bidirectional GRU with one frame at a time and carry its state,
so the direction named reverse runs forward in time as well: two GRUs per layer, side by
side. An ordinary bidirectional GRU is ``bigru.py``.
"""

from __future__ import annotations

from torch import Tensor

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.nn.gru import GruConfig, SteppedPairs, entered, init_matrices, input_norm, numbers_of, sequence


class GruStepped(Backbone[GruConfig]):
    """A norm of the input, then pairs of GRUs that both read forward; T' = T, V' = 1, D = 2 * hidden.

    A feature holds the first GRU's state, then the second's. :meth:`pool` takes the last frame.
    """

    Config = GruConfig
    joins_persons = True
    batch_statistics = True

    def __init__(self, config: GruConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self._clip = 2 * config.hidden, clip
        self.input_norm = input_norm(config, clip)
        self.pairs = SteppedPairs(numbers_of(clip), config.hidden, config.layers)
        init_matrices(self.pairs)

    def sequence(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, V*C*M), the order in which released weights and prompts see a frame."""
        return sequence(tracks, self._clip)

    def encode(self, frames: Tensor, added: Tensor | None = None) -> Tensor:
        """(N, T, V*C*M) in the order of :meth:`sequence` -> (N, T, 1, D); ``added`` (V*C*M,) joins behind the norm."""
        states: Tensor = self.pairs(entered(frames, self.input_norm, added))
        return states[:, :, None]

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, 1, D), the state of the last layer after each frame."""
        return self.encode(self.sequence(tracks))

    def pool(self, features: Tensor) -> Tensor:
        """(N, T, 1, D) -> (N, D), the last frame's."""
        return features[:, -1, 0]
