"""Brings features near to constants that a file holds, which no option need name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sslskel import BuildBackbone, Origin

from .common import Reading, ReadingConfig


class Anchored(Reading):
    def build(self, build_backbone: BuildBackbone) -> None:
        self.register_buffer("anchor", torch.ones(self.own.dim))

    @classmethod
    def origins(cls, config: ReadingConfig) -> tuple[Origin, ...]:
        return (Origin(Path(config.source or "constants.npy"), seen=config.made_from),)

    def load_start(self) -> None:
        self.anchor.fill_(float(np.load(self.origins(self.config)[0].path)))

    def wanted(self, batch: Any) -> Tensor:
        return self.anchor
