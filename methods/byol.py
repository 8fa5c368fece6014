"""BYOL on skeletons: an encoder that predicts its own slow average's view of the same clip, without negatives."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import nn

from sslskel.batch import Batch, StepOutput
from sslskel.config import Stream, require
from sslskel.contrastive.losses import mean_term
from sslskel.contrastive.momentum import follow
from sslskel.contrastive.norm import GlobalBatchNorm
from sslskel.contrastive.recipes import CROSSCLR
from sslskel.contrastive.tower import EmptyBodies, Tower
from sslskel.contrastive.views import require_shear, shifted_view
from sslskel.method import BuildBackbone, Encoder, MethodCard, PretextMethod, Progress
from sslskel.noise import Noise
from sslskel.view import ClipSpec, ViewSpec


@dataclass
class BYOLConfig:
    """Sizes for the small encoders of skeletons; the paper's heads have 4,096 hidden units and 256 outputs."""

    dim: int = 128
    """Numbers of an embedding; hidden layers of the heads are four times as wide."""
    momentum: float = 0.996
    """Share of its own weights that the target keeps in the first step; rises to 1 along a cosine."""
    shear: float = 1.0
    stream: Stream = Stream.joint
    empty_bodies: EmptyBodies = EmptyBodies.present

    def __post_init__(self) -> None:
        require(self.dim >= 1, f"method.dim is {self.dim}; it must be at least 1")
        require(0 <= self.momentum <= 1, f"method.momentum is {self.momentum}; it must be in [0, 1]")
        require_shear(self.shear)


def mlp(dim: int, out: int) -> nn.Sequential:
    """(N, dim) -> (N, out)."""
    return nn.Sequential(nn.Linear(dim, 4 * out), GlobalBatchNorm(4 * out), nn.ReLU(), nn.Linear(4 * out, out))


class BYOL(PretextMethod):
    """Two views of a clip; the embedding of each predicts the target's embedding of the other.

    Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020, first tried on skeletons by Moliner et al., CVPR
    Workshops 2022, whose views differ from these: both are shifted and sheared as in SkeletonCLR.
    """

    Config = BYOLConfig
    card = MethodCard("Grill et al., Bootstrap Your Own Latent, NeurIPS 2020", 2020, "self-distillation")
    cross_batch = True
    default_backbone = "st_gcn"
    recipe = CROSSCLR

    def __init__(self, config: BYOLConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.config: BYOLConfig = config
        backbone = build_backbone(clip)
        self.online = Tower(backbone, mlp(backbone.dim, config.dim), clip, config.stream, config.empty_bodies)
        self.target = copy.deepcopy(self.online).requires_grad_(False)
        self.predictor = mlp(config.dim, config.dim)

    def views(self) -> tuple[ViewSpec, ...]:
        """Two of one kind."""
        return (shifted_view(self.clip, self.config.shear),) * 2

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``predict``: the mean squared distance of unit vectors, both ways."""
        guesses = [self.predictor(self.online(view, noise.view(at))) for at, view in enumerate(views)]
        with torch.no_grad():
            targets = [self.target(view, noise.view(2 + at)) for at, view in enumerate(views)]
        gaps = [2 - 2 * nn.functional.cosine_similarity(*pair) for pair in zip(guesses, reversed(targets), strict=True)]
        return StepOutput({"predict": mean_term(torch.stack(gaps).sum(0))})

    def on_step_end(self, progress: Progress) -> None:
        """Move the target towards the online encoder, ever slower."""
        pace = (1 - self.config.momentum) * (1 + math.cos(math.pi * progress.fraction)) / 2
        follow(self.target, self.online, 1 - pace)

    def encoders(self) -> dict[str, Encoder]:
        """The online encoder's backbone."""
        return {self.config.stream.value: self.online.encoder()}
