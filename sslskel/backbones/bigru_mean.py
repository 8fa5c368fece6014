"""A bidirectional GRU whose feature is the mean of all states up to the end of the clip, as MS2L has it.

One whose feature joins the two final states is ``bigru.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from sslskel.api.backbone import Backbone, Features
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.gru import axis_by_axis, numbers_of
from sslskel.nn.lengths import last_valid, mean_up_to


@dataclass
class GruMeanConfig:
    """Defaults are those of the released MS2L."""

    hidden: int = 300
    """Units of each direction; a feature has twice as many numbers."""
    layers: int = 2
    """GRUs, one on the outputs of the other."""

    def __post_init__(self) -> None:
        for name in ("hidden", "layers"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")


class BiGruMean(Backbone[GruMeanConfig]):
    """Layers that read padding too, whatever stands there; T' = T, V' = 1, D = 2 * hidden.

    Lin et al., "MS2L: Multi-Task Self-Supervised Learning for Skeleton Based Action Recognition", ACM MM 2020.
    Input matrices start Xavier-uniform, recurrent ones orthogonal, biases at 0, as released.
    """

    Config = GruMeanConfig
    joins_persons = True

    def __init__(self, config: GruMeanConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self._clip = 2 * config.hidden, clip
        self.gru = nn.GRU(numbers_of(clip), config.hidden, config.layers, batch_first=True, bidirectional=True)
        for name, parameter in self.gru.named_parameters():
            if name.startswith("bias"):
                nn.init.zeros_(parameter)
            elif name.startswith("weight_ih"):
                nn.init.xavier_uniform_(parameter)
            else:
                nn.init.orthogonal_(parameter)

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, 1, D), the states of the last layer at each frame."""
        states: Tensor = self.gru(axis_by_axis(tracks, self._clip))[0]
        return states[:, :, None]

    def summary(self, features: Features, valid: Tensor) -> Tensor:
        """The mean over the frames up to the last that is valid for anyone; ``valid`` (N, T, M): (N, D)."""
        return mean_up_to(features.grid[:, :, 0], last_valid(valid.any(2)))
