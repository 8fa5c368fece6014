"""A level of an encoder in place of its feature, for protocols with ``protocol.level``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from sslskel.api.batch import Batch
from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.errors import UsageError, did_you_mean


class LevelEncoder(Encoder):
    """Another encoder, whose feature of a clip is one of its levels; all else is as it was."""

    def __init__(self, encoder: Encoder, name: str) -> None:
        super().__init__()
        self.encoder, self.name = encoder, name
        self.spec, self.dim = encoder.spec, encoder.levels[name]

    @property
    def provides(self) -> frozenset[str]:
        """As the encoder's own."""
        return self.encoder.provides

    def clip(self, batch: Batch) -> Tensor:
        return self.encoder.level(self.name, batch)

    def steps(self, batch: Batch) -> Tensor:
        return self.encoder.steps(batch)

    def tokens(self, batch: Batch) -> Tensor:
        return self.encoder.tokens(batch)

    def layers(self) -> list[list[nn.Parameter]]:
        """The encoder's."""
        return self.encoder.layers()

    def set_drop_path(self, rate: float) -> bool:
        """The encoder's."""
        return self.encoder.set_drop_path(rate)

    def bind(self, batch: Batch, noise: Noise) -> None:
        """The encoder's."""
        self.encoder.bind(batch, noise)

    def extra_repr(self) -> str:
        """Kept features are named by it."""
        return f"level={self.name!r}"


def check_level(stream: str, encoder: Encoder, level: str) -> None:
    """Raise ``UsageError`` for a level that an encoder has not; the empty name is its feature."""
    if level and level not in encoder.levels:
        known = ", ".join(encoder.levels) or "none"
        raise UsageError(
            f"the {stream} encoder has no level '{level}'{did_you_mean(level, encoder.levels)} (it has: {known})"
        )


def at_level(encoders: Mapping[str, Encoder], level: str) -> Mapping[str, Encoder]:
    """The encoders as they are, or their levels of this name."""
    return {stream: LevelEncoder(encoder, level) for stream, encoder in encoders.items()} if level else encoders
