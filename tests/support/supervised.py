"""Supervised references: latents drawn to an anchor per class, a network of whole clips, and one for each fault."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    Classifier,
    ClipSpec,
    Encoder,
    Noise,
    PooledEncoder,
    PretextMethod,
    StepOutput,
    Term,
    require,
)


@dataclass
class Config:
    pull: float = 0.1

    def __post_init__(self) -> None:
        require(0 <= self.pull < 100, f"method.pull is {self.pull}; it must be from 0 to 100")


class Anchored(Classifier):
    """Cross entropy of a latent drawn around its mean, and the classes' mean latents drawn to fixed anchors."""

    def __init__(self, encoder: Encoder, classes: int, pull: float = 0.1) -> None:
        super().__init__()
        self.encoder, self.pull = encoder, pull
        self.mean, self.spread = nn.Linear(encoder.dim, 8), nn.Linear(encoder.dim, 8)
        self.head = nn.Linear(8, classes)
        self.register_buffer("anchors", 3 * functional.normalize(torch.randn(classes, 8), dim=1))

    def forward(self, batch: Batch, noise: Noise) -> StepOutput:
        features = self.encoder.clip(batch)
        jitter = noise.normal("latent", (8,), "clip", features.dtype)
        latent = self.mean(features) + jitter * (0.5 * self.spread(features)).exp().clamp(max=100)
        member = functional.one_hot(batch.label, len(self.anchors)).to(latent.dtype)
        count = member.sum(0)
        means = member.T @ latent / count.clamp(min=1)[:, None]
        distance = (means - self.anchors).square().mean(1)[count > 0]
        entropy = functional.cross_entropy(self.head(latent), batch.label, label_smoothing=0.1, reduction="none")
        return StepOutput({"class": summed(entropy), "anchor": summed(distance, self.pull)})

    def logits(self, batch: Batch) -> Tensor:
        return self.head(self.mean(self.encoder.clip(batch)))


def summed(values: Tensor, scale: float = 1.0) -> Term:
    return Term(values.sum(), values.new_tensor(float(len(values))), scale)


class Reference(PretextMethod[Config]):
    """The backbone under :class:`Anchored`."""

    Config = Config
    reads_labels = True
    trains = False
    made: Any = Anchored

    def __init__(self, config: Config, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = build_backbone(clip)

    def forward(self, *args: Any) -> StepOutput:
        raise RuntimeError("it is not pretrained")

    def encoders(self) -> dict[str, Encoder]:
        def classifier(encoder: Encoder, classes: int) -> Classifier:
            made: Classifier = type(self).made(encoder, classes, self.config.pull)
            return made

        return {"joint": PooledEncoder(self.backbone, self.clip, classifier=classifier)}


class Flat(Encoder):
    """Whole clips through two layers; it has neither steps nor tokens."""

    def __init__(self, clip: ClipSpec) -> None:
        super().__init__()
        self.spec, self.dim = clip, 32
        self.layer = nn.Linear(clip.persons * clip.frames * clip.layout.num_joints * clip.coordinates, self.dim)

    def clip(self, batch: Batch) -> Tensor:
        return self.layer(batch.dense(self.spec.persons).flatten(1)).relu()

    def classifier(self, classes: int) -> Classifier:
        return Anchored(self, classes, pull=0.0)


class FlatReference(Reference):
    """A reference without a backbone, whose encoder gives a feature per clip alone."""

    uses_backbone = False

    def __init__(self, config: Config, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.backbone = nn.Identity()
        self.flat = Flat(clip)

    def encoders(self) -> dict[str, Encoder]:
        return {"joint": self.flat}


class Peeking(Anchored):
    def logits(self, batch: Batch) -> Tensor:
        return super().logits(batch) + batch.label[:, None]


class Idle(Anchored):
    def forward(self, batch: Batch, noise: Noise) -> StepOutput:
        terms = super().forward(batch, noise).terms
        return StepOutput({name: term._replace(total=term.total * 1e-6 + term.count) for name, term in terms.items()})


class Wide(Anchored):
    def logits(self, batch: Batch) -> Tensor:
        return torch.cat([super().logits(batch)] * 2, 1)


class Half(Anchored):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.extra = nn.Linear(1, 1)


def with_classifier(kind: type[Classifier]) -> type[Reference]:
    return type(f"Of{kind.__name__}", (Reference,), {"made": kind})


class WithoutClassifier(Reference):
    def encoders(self) -> dict[str, Encoder]:
        return {"joint": PooledEncoder(self.backbone, self.clip)}


class Pretrained(Reference):
    trains = True
