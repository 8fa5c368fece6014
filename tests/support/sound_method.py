"""A method with nothing wrong about it, for checks to pass and for faulty methods to spoil."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from sslskel.api.batch import Batch, StepOutput, Term
from sslskel.api.encoder import Encoder, PooledEncoder
from sslskel.api.method import PretextMethod
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.checks import CheckResult
from sslskel.config.groups import require


def failed(results: Sequence[CheckResult]) -> dict[str, str]:
    """Name and reason of every check that failed."""
    return {result.name: result.detail for result in results if result.failed}


@dataclass
class Config:
    jitter: float = 0.05

    def __post_init__(self) -> None:
        require(self.jitter > 0, f"method.jitter is {self.jitter}; it must be positive")


class Sound(PretextMethod[Config]):
    """Denoising of joints, with nothing wrong about it."""

    Config = Config

    def __init__(self, config: Any, build_backbone: Any, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)
        self.head = nn.Linear(self.backbone.dim, clip.coordinates)

    def tracks(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        tracks = views[0].tracks
        jitter = noise.on(views[0]).normal("jitter", tuple(tracks.shape[1:]), dtype=tracks.dtype)
        return tracks + self.config.jitter * jitter

    def error(self, views: Sequence[Batch], noise: Noise) -> Tensor:
        predicted = self.head(self.backbone(self.tracks(views, noise)))
        target = views[0].tracks.unflatten(1, (predicted.shape[1], -1)).mean(2)
        return (predicted - target).square()

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Any) -> StepOutput:
        error = self.error(views, noise)
        return StepOutput({"recover": Term(error.sum(), error.new_tensor(float(error.numel())))})

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": PooledEncoder(self.backbone, self.clip)}


def scaled(output: StepOutput, factor: Any) -> StepOutput:
    return StepOutput({name: term._replace(total=term.total * factor) for name, term in output.terms.items()})
