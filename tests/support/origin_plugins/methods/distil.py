"""Learns the features of a teacher that a checkpoint holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor

from sslskel import BuildBackbone, Frozen, Origin, PooledEncoder, load_encoder

from .common import Reading, ReadingConfig


class Distil(Reading):
    def build(self, build_backbone: BuildBackbone) -> None:
        self.teacher = Frozen(build_backbone(self.clip))

    @classmethod
    def origins(cls, config: ReadingConfig) -> tuple[Origin, ...]:
        return (Origin(Path(config.source), "checkpoint"),) if config.source else ()

    def load_start(self) -> None:
        if self.config.source:
            taught = load_encoder(self.config.source)
            assert isinstance(taught, PooledEncoder)
            self.teacher.network.load_state_dict(taught.backbone.state_dict())

    def wanted(self, batch: Any) -> Tensor:
        return PooledEncoder(self.teacher.network, self.clip).clip(batch).detach()  # type: ignore[arg-type]
