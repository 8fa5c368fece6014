"""A one-directional LSTM over whole clips, as AS-CAL has it; GRUs are in ``bigru.py`` and ``gru_stepped.py``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.gru import axis_by_axis, numbers_of


class Pooled(Enum):
    """What of the states of all frames becomes the feature of a clip; padding counts, as released."""

    mean = "mean"
    last = "last"
    sum = "sum"


@dataclass
class LstmConfig:
    """Defaults are those of the released AS-CAL for NTU RGB+D."""

    hidden: int = 256
    """Units of a layer, and numbers of a feature."""
    layers: int = 1
    """LSTMs, one on the outputs of the other."""
    pooled: Pooled = Pooled.mean

    def __post_init__(self) -> None:
        for name in ("hidden", "layers"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")


class Lstm(Backbone[LstmConfig]):
    """Layers that read from the first frame to the last; T' = T, V' = 1, D = hidden.

    Rao et al., "Augmented Skeleton Based Contrastive Action Learning with Momentum LSTM for Unsupervised Action
    Recognition", Information Sciences 2021. Weights start as torch starts them, as released.
    """

    Config = LstmConfig
    joins_persons = True

    def __init__(self, config: LstmConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self._clip, self._pooled = config.hidden, clip, config.pooled
        self.lstm = nn.LSTM(numbers_of(clip), config.hidden, config.layers, batch_first=True)

    def forward(self, tracks: Tensor) -> Tensor:
        """(N, T, M*V, C) -> (N, T, 1, D), the state of the last layer after each frame."""
        states: Tensor = self.lstm(axis_by_axis(tracks, self._clip))[0]
        return states[:, :, None]

    def pool(self, features: Tensor) -> Tensor:
        """(N, T, 1, D) -> (N, D)."""
        if self._pooled is Pooled.last:
            return features[:, -1, 0]
        return features[:, :, 0].sum(1) if self._pooled is Pooled.sum else features[:, :, 0].mean(1)
