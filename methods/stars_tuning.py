"""STARS behind its masked pretraining: a clip's prediction should find the nearest other clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    EmptyBodies,
    Encoder,
    Fidelity,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    ViewSpec,
    clip_counts,
    gather_rows,
    mean_term,
    own_rows,
    require,
)
from sslskel.contrastive import EMPTY_BODIES_COUNT, Queue, require_queue, require_temperature
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.transforms.clip import CentreCrop


class Trained(Enum):
    """What a stage trains: the head alone, or also the upper half of the encoder's blocks and what follows them."""

    head = "head"
    upper = "upper"


@dataclass
class StarsTuningConfig:
    """Defaults are those of the released NTU-60 scripts; the preset ``stars`` has the stages."""

    trained: Trained = Trained.upper
    hidden: int = 4096
    """Width of the predictor."""
    queue: int = 32768
    """Past projections among which neighbours are sought; at least the clips of a step."""
    temperature: float = 0.07
    """Similarities of predictions to neighbours are divided by it."""
    neighbours: int = 1
    """Nearest entries of the queue of which one, drawn at random, is the target."""
    layer_decay: float = 0.45
    """Factor of the rate from each block to the one below it; the final norm and the head have the whole rate."""
    tensor_norm: float = 3.0
    """Largest norm of each parameter's own gradient; 0 for no clipping."""
    empty_bodies: EmptyBodies = EmptyBodies.reference
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        for name in ("hidden", "queue"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require_temperature("temperature", self.temperature)
        require(
            1 <= self.neighbours <= self.queue,
            f"method.neighbours is {self.neighbours}; it must be 1 to method.queue={self.queue}",
        )
        require(0 < self.layer_decay <= 1, f"method.layer_decay is {self.layer_decay}; it must be in (0, 1]")
        require(self.tensor_norm >= 0, f"method.tensor_norm is {self.tensor_norm}; it must not be negative")


class Head(nn.Module):
    """Projection, which is batch normalisation alone, and prediction: (N, D) -> (N, D) twice, of length 1."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.project = GlobalBatchNorm(dim)
        self.predict = nn.Sequential(
            nn.Linear(dim, hidden, bias=False), GlobalBatchNorm(hidden), nn.ReLU(), nn.Linear(hidden, dim)
        )

    def forward(self, feature: Tensor) -> tuple[Tensor, Tensor]:
        projected = self.project(feature)
        return functional.normalize(projected, dim=1), functional.normalize(self.predict(projected), dim=1)


class StarsTuning(PretextMethod[StarsTuningConfig]):
    """The nearest neighbour of a clip in a queue should be more similar to its prediction than to those of other clips.

    Mehraban et al., "STARS: Self-supervised Tuning for 3D Action Recognition in Skeleton Sequences", 2024, with the
    loss of NNCLR. Both views are the whole clip, as released, so that the encoder sees it once and the head twice,
    which moves its batch statistics. Released: the second half of the symmetric loss has no gradient; weight decay is
    torch's 0.01, since the configured one (0.0001 or 0.05) is not passed on. Paper: both halves have a gradient;
    ``train.weight_decay`` is for you to set. With several processes, predictions of all of them are compared (ours).
    """

    Config = StarsTuningConfig
    card = MethodCard(
        paper="Mehraban et al., STARS: Self-supervised Tuning for 3D Action Recognition in Skeleton Sequences, 2024",
        year=2024,
        family="nearest neighbours",
        checked="released code: stages 2 and 3, losses, gradients, queue, weights of 4 steps, features",
        departures="half of the symmetric loss has no gradient; the configured weight decay is not used",
        protocols=("linear", "knn"),
    )
    cross_batch = True
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "lr": 1e-3,
            "weight_decay": 0.01,
            "schedule": "constant",
            "warmup_epochs": 0,
            "epochs": 10,
            "batch_size": 128,
        },
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "cpu": {"method": {"hidden": 256, "queue": 256}, "train": {"warmup_epochs": 0, "batch_size": 16, "epochs": 10}},
        "quick": {
            "method": {"hidden": 128, "queue": 128},
            "train": {"warmup_epochs": 0, "batch_size": 16, "epochs": 10},
        },
    }
    expected_failed_checks: ClassVar[Mapping[str, str]] = EMPTY_BODIES_COUNT
    owners: Tensor
    """(K,) int64: the place in the training set of the clip that each entry of the queue is of; -1 for none."""

    def __init__(self, config: StarsTuningConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.encoder = PooledEncoder(build_backbone(clip), clip, config.empty_bodies.value)
        self.head = Head(self.encoder.dim, config.hidden)
        self.queue = Queue(config.queue, self.encoder.dim)
        self.register_buffer("owners", torch.full((config.queue,), -1))
        layers = self.encoder.layers()
        lowest = len(layers) if config.trained is Trained.head else lowest_trained(len(layers))
        for parameter in (p for layer in layers[:lowest] for p in layer):
            parameter.requires_grad_(False)

    def require_batches(self, smallest: int, largest: int) -> None:
        """The queue must hold a batch."""
        require_queue(self.config.queue, largest)

    def views(self) -> tuple[ViewSpec, ...]:
        """The whole clip, not turned."""
        return (replace(self.clip.test_view, sample=CentreCrop(1.0)),)

    def neighbour(self, projected: Tensor, owners: Tensor, place: Tensor) -> Tensor:
        """Of each row (N, D) the entry in this ``place`` (N,) of those nearest, its own clip's left out: (N, D)."""
        similar = projected @ self.queue.entries.to(projected).T
        similar = similar.masked_fill(self.owners == owners[:, None], -1.0)
        nearest = similar.topk(self.config.neighbours, 1).indices.gather(1, place[:, None])[:, 0]
        return self.queue.entries[nearest].to(projected)

    def loss(self, neighbour: Tensor, predicted: Tensor) -> Tensor:
        """Cross entropy of each neighbour's (N, D) similarities with the predictions of all processes: (N,)."""
        counts = clip_counts(len(predicted), predicted.device)
        every = gather_rows(predicted, counts)
        own = own_rows(torch.arange(len(every), device=every.device), len(predicted), counts)
        return functional.cross_entropy(neighbour @ every.T / self.config.temperature, own, reduction="none")

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Two terms of weight 1/2: each view's predictions by the neighbours of the other one."""
        batch, noise = views[0], noise.view(0)
        feature = self.encoder(batch, noise)
        projected, predicted = self.head(feature)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.fidelity is Fidelity.paper):
            again, second = self.head(feature)
        place = noise.on(batch).integers("neighbour", self.config.neighbours, (2,), per="clip")
        with torch.no_grad():
            first_near = self.neighbour(projected, batch.position, place[:, 0])
            second_near = self.neighbour(again, batch.position, place[:, 1])
        self.new = batch.position, projected.detach()
        losses = {"first": self.loss(second_near, predicted), "second": self.loss(first_near, second)}
        return StepOutput({name: mean_term(loss, 0.5) for name, loss in losses.items()})

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        """Put the first view's projections into the queue, and which clips they are of."""
        owners, projected = self.new
        counts = clip_counts(len(owners), owners.device)
        rows = gather_rows(owners, counts)
        at = (self.queue.place + torch.arange(len(rows), device=rows.device)) % len(self.owners)
        self.owners.index_copy_(0, at, rows)
        self.queue.push(projected, counts)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """A group for each trained parameter, clipped on its own; weight decay on all of them."""
        layers = self.encoder.layers()
        scales = {id(p): self.config.layer_decay ** (len(layers) - 1 - at) for at, of in enumerate(layers) for p in of}
        return [
            {"params": [p], "lr_scale": scales.get(id(p), 1.0), "clip_norm": self.config.tensor_norm}
            for p in self.parameters()
            if p.requires_grad
        ]

    def encoders(self) -> dict[str, Encoder]:
        """The encoder without the head."""
        return {"joint": self.encoder}


def lowest_trained(layers: int) -> int:
    """The first trained of so many layers, of which the first is the embedding and the last the final norm."""
    return min(1 + max(layers - 2, 0) // 2, layers - 1)
