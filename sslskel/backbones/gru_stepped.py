"""The frame-stepped "bidirectional" GRU of ISC, CMD and PCM3, all frames of a layer at once.

The released codes call a bidirectional GRU with one frame at a time and carry its state,
so the direction named reverse runs forward in time as well: two GRUs per layer, side by
side. An ordinary bidirectional GRU is ``bigru.py``.
"""

from __future__ import annotations

from torch import Tensor, nn

from sslskel.api.view import ClipSpec
from sslskel.nn.gru import GruBackbone, GruConfig, init_matrices, numbers_of
from sslskel.nn.recurrence import side_by_side


class GruStepped(GruBackbone):
    """Layers of two GRUs that both read from the first frame to the last; T' = T, V' = 1, D = 2 * hidden.

    A feature holds the first GRU's state, then the second's. :meth:`pool` takes the last frame.
    """

    def __init__(self, config: GruConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        sizes = [numbers_of(clip), *[self.dim] * (config.layers - 1)]
        self.pairs = nn.ModuleList(
            nn.ModuleList(nn.GRU(size, config.hidden, batch_first=True) for _ in range(2)) for size in sizes
        )
        init_matrices(self.pairs)

    def run(self, frames: Tensor) -> Tensor:
        """(N, T, V*C*M) -> (N, T, D)."""
        x = frames
        for pair in self.pairs:
            x = side_by_side([gru for gru in pair.children() if isinstance(gru, nn.GRU)], x)
        return x

    def pool(self, features: Tensor) -> Tensor:
        """(N, T, 1, D) -> (N, D), the last frame's."""
        return features[:, -1, 0]
