"""What the methods here share: an encoder that comes near to something that was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sslskel import BuildBackbone, ClipSpec, Encoder, PooledEncoder, PretextMethod, StepOutput, Term


@dataclass
class ReadingConfig:
    source: str = ""
    made_from: str = ""


class Reading(PretextMethod[ReadingConfig]):
    """A backbone, its encoder, and whatever ``build`` adds."""

    Config = ReadingConfig

    def __init__(self, config: ReadingConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)
        self.build(build_backbone)

    def build(self, build_backbone: BuildBackbone) -> None:
        """Further parts."""

    @property
    def own(self) -> PooledEncoder:
        """What protocols judge."""
        return PooledEncoder(self.backbone, self.clip)

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.own}

    def forward(self, views: Any, noise: Any, progress: Any) -> StepOutput:
        features: Tensor = self.own.clip(views[0])
        distances = (features - self.wanted(views[0])).square().mean(1)
        return StepOutput({"near": Term(distances.sum(), torch.tensor(len(features)))})

    def wanted(self, batch: Any) -> Tensor:
        """What features (N, D) come near to."""
        raise NotImplementedError
