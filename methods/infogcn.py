"""InfoGCN: a supervised reference whose latent is drawn around its mean, and held near a point for each class."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    Classifier,
    ClipSpec,
    Encoder,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    require,
)
from sslskel.contrastive import mean_term

MOST_SPREAD = 100.0
"""Largest standard deviation of a latent."""


@dataclass
class InfoGcnConfig:
    """Defaults are those of the released code."""

    prior_weight: float = 0.1
    """Of the distance between the classes' mean latents and their points."""
    norm_weight: float = 1e-4
    """Of the length of the mean latent."""
    gain: float = 3.0
    """Length of the classes' points, which are orthogonal to each other."""
    smoothing: float = 0.1
    """Of labels in the cross entropy."""
    noise_ratio: float = 0.5
    """What the logarithm of a latent's variance is multiplied by for its standard deviation's."""

    def __post_init__(self) -> None:
        for name in ("prior_weight", "norm_weight", "gain", "noise_ratio"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"method.{name} is {value}; it must be a number from 0")
        require(0 <= self.smoothing < 1, f"method.smoothing is {self.smoothing}; it must be in [0, 1)")


class Bottleneck(Classifier):
    """A latent z of mean mu, classes by a linear layer, and z held near the points of the classes (section 3.4).

    The paper calls the terms a maximum mean discrepancy; released code takes distances of means. Here the points are
    saved with the weights.
    """

    def __init__(self, encoder: Encoder, classes: int, config: InfoGcnConfig) -> None:
        super().__init__()
        self.encoder, self.config, dim = encoder, config, encoder.dim
        self.layer, self.mean, self.log_variance = (nn.Linear(dim, dim) for _ in range(3))
        self.decoder = nn.Linear(dim, classes)
        nn.init.normal_(self.decoder.weight, 0, math.sqrt(2 / classes))
        self.register_buffer("points", nn.init.orthogonal_(torch.empty(classes, dim), gain=config.gain))

    points: Tensor

    def latent(self, batch: Batch, noise: Noise | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """z, its mean and the logarithm of its variance, (N, D) each; z is the mean where there is no noise."""
        features = functional.relu(self.layer(self.encoder.clip(batch)))
        mean, log_variance = self.mean(features), self.log_variance(features)
        if noise is None:
            return mean, mean, log_variance
        spread = (self.config.noise_ratio * log_variance).exp().clamp(max=MOST_SPREAD)
        drawn = noise.normal("infogcn.latent", (mean.shape[1],), "clip", mean.dtype)
        return mean + drawn * spread, mean, log_variance

    def forward(self, batch: Batch, noise: Noise) -> StepOutput:
        """``class``, ``prior`` (mean over the classes of the batch and the numbers of z) and ``norm``."""
        z, _, _ = self.latent(batch, noise)
        logits = self.decoder(z)
        entropy = functional.cross_entropy(logits, batch.label, label_smoothing=self.config.smoothing, reduction="none")
        member = functional.one_hot(batch.label, len(self.points)).to(z.dtype)
        count = member.sum(0)
        means = (member.T @ z)[count > 0] / count[count > 0, None]
        distance = (means - self.points[count > 0].to(z.dtype)).square().mean(1)
        length = z.mean(0).norm()
        return StepOutput(
            {
                "class": mean_term(entropy),
                "prior": mean_term(distance, self.config.prior_weight),
                "norm": Term(length, torch.ones_like(length), self.config.norm_weight),
            }
        )

    def logits(self, batch: Batch) -> Tensor:
        """(N, classes) of the mean latent."""
        out: Tensor = self.decoder(self.latent(batch)[0])
        return out


class InfoGcnReference(PretextMethod[InfoGcnConfig]):
    """A backbone trained on labels with :class:`Bottleneck`, by protocols that train all weights.

    Chi et al., "InfoGCN: Representation Learning for Human Skeleton-based Action Recognition", CVPR 2022.
    """

    Config = InfoGcnConfig
    card = MethodCard(
        paper="Chi et al., InfoGCN: Representation Learning for Human Skeleton-based Action Recognition, CVPR 2022",
        year=2022,
        family="supervised reference",
        checked="released code: latents, losses and gradients of 3 steps, in the fp32 that it cannot run itself",
        departures="distances of means for a discrepancy of distributions; the table of positions has no effect",
    )
    trains = False
    reads_labels = True
    default_backbone = "infogcn"

    def __init__(self, config: InfoGcnConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> NoReturn:
        raise RuntimeError("infogcn has no pretext: a method with trains=False takes no step")

    def encoders(self) -> dict[str, Encoder]:
        """The backbone with its classifier."""

        def classifier(encoder: Encoder, classes: int) -> Classifier:
            return Bottleneck(encoder, classes, self.config)

        return {"joint": PooledEncoder(self.backbone, self.clip, classifier=classifier)}
