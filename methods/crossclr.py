"""CrosSCLR: momentum contrast in several streams that later share their nearest neighbours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Fidelity,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    ViewSpec,
    require,
    shifted_view,
)
from sslskel.contrastive import (
    EMPTY_BODIES_COUNT,
    WHOLE_CLIP,
    ContrastConfig,
    HeadInit,
    MomentumSteps,
    info_nce,
    mean_term,
    momentum_contrast,
    nearest,
    positives_nce,
    require_shear,
    require_streams,
    sgd_recipe,
    start_normal,
)


@dataclass
class CrosSCLRConfig(ContrastConfig):
    """Defaults are those of the released NTU-60 scripts of 3s-CrosSCLR."""

    queue: int = 32768
    streams: list[Stream] = field(default_factory=lambda: [Stream.joint, Stream.motion, Stream.bone])
    """Representations that learn from each other, each with an encoder of its own."""
    cross_epoch: float = 150.0
    """Epoch from which streams learn from each other's neighbours."""
    neighbours: int = 1
    """Nearest queue entries of one stream that count as positives in another."""
    context: bool = True
    """Compare the products of two streams' similarities too."""
    shear: float = 0.5
    """Largest shear of one axis by another."""
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        super().__post_init__()
        require_streams(self.streams, 3)
        require_shear(self.shear)
        require(
            0 <= self.cross_epoch < math.inf, f"method.cross_epoch is {self.cross_epoch}; it must be an epoch from 0"
        )
        require(
            1 <= self.neighbours <= self.queue,
            f"method.neighbours is {self.neighbours}; it must be 1 to method.queue={self.queue}",
        )


class CrosSCLR(MomentumSteps, PretextMethod[CrosSCLRConfig]):
    """SkeletonCLR in each stream; from ``cross_epoch`` on, neighbours in one stream are positives in the others.

    Li et al., "3D Human Action Representation Learning via Cross-View Consistency
    Pursuit", CVPR 2021. Released: key encoders start from weights of their own; the heads
    of the second and third stream are two layers around the first stream's head, whose key
    therefore moves once per stream and step; and in the second phase only the motion
    stream's key moves (the shared head with it), the other keys stand still. Paper: keys
    start as copies, every stream has its own head, every key moves in every step.
    """

    Config = CrosSCLRConfig
    card = MethodCard(
        paper=("Li et al., 3D Human Action Representation Learning via Cross-View Consistency Pursuit, CVPR 2021"),
        year=2021,
        family="momentum contrast",
        checked="released code: losses, gradients, keys, weights of 3 steps in both phases",
        departures=(
            "key encoders initialised separately; one head shared by all streams; only the motion key moves in the"
            " second phase"
        ),
        protocols=("linear_crossclr",),
    )
    cross_batch = True
    default_backbone = "st_gcn"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=300, batch_size=128, lr=0.1, milestone=250),
        "clip": WHOLE_CLIP,
        "backbone": {"dropout": 0.5},
    }
    expected_failed_checks: ClassVar[Mapping[str, str]] = EMPTY_BODIES_COUNT

    def __init__(self, config: CrosSCLRConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.released = config.fidelity is Fidelity.released
        self.streams = nn.ModuleDict()
        for stream in config.streams:
            contrast = momentum_contrast(config, build_backbone, clip, stream, HeadInit.normal, apart=self.released)
            first = next(iter(self.contrasts().values()), None)
            if self.released and first is not None:
                for tower, shared in ((contrast.query, first.query), (contrast.key, first.key)):
                    first_layer = nn.Linear(tower.backbone.dim, tower.backbone.dim)
                    start_normal(first_layer)
                    tower.head = nn.Sequential(first_layer, nn.ReLU(), shared.head)
                contrast.key.requires_grad_(False)
            self.streams[stream.value] = contrast

    def crosses(self, progress: Progress) -> bool:
        """Whether streams learn from each other by now."""
        return len(self.streams) > 1 and progress.epoch >= self.config.cross_epoch

    def views(self) -> tuple[ViewSpec, ...]:
        """Query and key; all streams are computed from the same two."""
        return (shifted_view(self.clip, self.config.shear),) * 2

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        """Move the key encoders; in the released second phase, motion's alone."""
        for name, contrast in self.contrasts().items():
            if not (self.released and self.crosses(progress)) or name == Stream.motion.value:
                contrast.follow()

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term per stream: InfoNCE, or from ``cross_epoch`` on its mean over the other streams' neighbours."""
        similar: dict[str, Tensor] = {}
        for at, (name, contrast) in enumerate(self.contrasts().items()):
            query = contrast.query(views[0], noise.view(0).view(at))
            key = contrast.keys(views[1], noise.view(1).view(at))
            similar[name] = contrast.similarities(query, key)
        if not self.crosses(progress):
            rows = {name: info_nce(similarity / self.config.temperature) for name, similarity in similar.items()}
        else:
            rows = {
                name: torch.stack([self._cross(own, other) for o, other in similar.items() if o != name]).mean(0)
                for name, own in similar.items()
            }
        return StepOutput({name: mean_term(values) for name, values in rows.items()})

    def _cross(self, own: Tensor, other: Tensor) -> Tensor:
        """InfoNCE of one stream's similarities (N, 1+K), the other's neighbours as further positives: (N,)."""
        marked = nearest(other[:, 1:], self.config.neighbours)
        positive, logits = [torch.ones_like(marked[:, :1]), marked], [own]
        if self.config.context:
            positive.append(marked)
            logits.append(own[:, 1:] * other[:, 1:])
        return positives_nce(torch.cat(logits, 1) / self.config.temperature, torch.cat(positive, 1))

    def encoders(self) -> dict[str, Encoder]:
        """Every stream's query."""
        return {name: contrast.query.encoder() for name, contrast in self.contrasts().items()}
