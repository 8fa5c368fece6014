"""The floor of every board: the run's backbone with its initial weights, never trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from sslskel import Batch, BuildBackbone, ClipSpec, Encoder, MethodCard, Noise, PooledEncoder, PretextMethod, Progress


@dataclass
class RandomInitConfig:
    """No options: backbone and seed determine the weights."""


class RandomInit(PretextMethod[RandomInitConfig]):
    """Any backbone as its constructor leaves it.

    With the same seed, a method that builds its backbone first starts from these weights.
    """

    Config = RandomInitConfig
    card = MethodCard(family="floor")
    trains = False
    bare_backbone = True

    def __init__(self, config: RandomInitConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> NoReturn:
        raise RuntimeError("random_init has no loss: a method with trains=False takes no step")

    def encoders(self) -> dict[str, Encoder]:
        """The untrained backbone, averaged over time, joints and persons."""
        return {"joint": PooledEncoder(self.backbone, self.clip)}
