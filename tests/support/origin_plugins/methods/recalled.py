"""Takes its weights from a file and no step."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sslskel import Origin

from .common import Reading, ReadingConfig


class Recalled(Reading):
    trains = False

    @classmethod
    def origins(cls, config: ReadingConfig) -> tuple[Origin, ...]:
        return (Origin(Path(config.source), seen=config.made_from),) if config.source else ()

    def load_start(self) -> None:
        if self.config.source:
            scale = float(np.load(self.config.source))
            for value in self.backbone.parameters():
                value.mul_(scale)
