"""UmURL: one encoder reads joints, bones and motion, each alone or all at once, with features that agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sslskel import (
    Backbone,
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Features,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    Term,
    UsageError,
    ViewSpec,
    clip_counts,
    crop_view,
    gather_rows,
    require,
)
from sslskel.contrastive import (
    CROPPED_CLIP,
    decay_all,
    normalised_head,
    pulled_together,
    require_weight,
    spread_out,
    stream_input,
)
from sslskel.nn.two_axes import Axes, AxesBackbone


@dataclass
class UmURLConfig:
    """Defaults are those of the released NTU-60 scripts."""

    dim: int = 4096
    """Numbers of an embedding."""
    agreement: float = 5.0
    """Weight of agreement between embeddings, beside that of their spread and redundancy."""

    def __post_init__(self) -> None:
        require(self.dim >= 1, f"method.dim is {self.dim}; it must be at least 1")
        require_weight("agreement", self.agreement)


class FusedStreams(Backbone[object]):
    """Embeddings of joints, bones and motion, averaged and mapped, through one backbone; rows are joints."""

    joins_persons = True

    def __init__(self, backbone: AxesBackbone, clip: ClipSpec) -> None:
        super().__init__(object(), clip)
        self.backbone, self.dim, width = backbone, backbone.dim, backbone.width
        self.prepare = {stream: stream_input(stream, clip) for stream in Stream}
        self.other = nn.ModuleDict({stream.value: backbone.embedding() for stream in (Stream.bone, Stream.motion)})
        self.to_frames, self.to_joints = (nn.Linear(width, width, bias=False) for _ in range(2))

    def embedded(self, tracks: Tensor, stream: Stream) -> Axes:
        """Tokens of one stream of (N, T, M*V, C) joints."""
        embed = self.backbone.embed if stream is Stream.joint else self.other[stream.value]
        axes: Axes = embed(self.prepare[stream](tracks))
        return axes

    def fused(self, tracks: Tensor) -> Axes:
        """Tokens of all streams in one."""
        streams = [self.embedded(tracks, stream) for stream in Stream]
        frames, joints = (torch.stack(axis).mean(0) for axis in zip(*streams, strict=True))
        return Axes(self.to_frames(frames), self.to_joints(joints))

    def feature(self, tracks: Tensor, stream: Stream | None = None) -> Tensor:
        """(N, T, M*V, C) joints -> (N, D), the feature of one stream, or of all."""
        axes = self.fused(tracks) if stream is None else self.embedded(tracks, stream)
        return self.backbone.encode(axes).largest().side_by_side()

    def forward(self, tracks: Tensor) -> Features:
        """(N, T, M*V, C) joints -> features of all streams."""
        return self.backbone.features(self.backbone.encode(self.fused(tracks)))

    def bind(self, noise: Noise) -> None:
        """The backbone's."""
        self.backbone.bind(noise)

    def set_drop_path(self, rate: float) -> bool:
        """The backbone's."""
        return self.backbone.set_drop_path(rate)


class UmURL(PretextMethod[UmURLConfig]):
    """A stream's embedding should agree with the one that its head makes of the fused feature, and with the others.

    Sun et al., "Unified Multi-modal Unsupervised Representation Learning for Skeleton-based Action Understanding", ACM
    MM 2023. Four views of a clip: joints, bones and motion of the first three, all of them of the fourth. Protocols
    judge the fused feature, as published, which is made from joints alone.
    """

    Config = UmURLConfig
    card = MethodCard(
        paper=(
            "Sun et al., Unified Multi-modal Unsupervised Representation Learning for Skeleton-based Action "
            "Understanding, ACM MM 2023"
        ),
        year=2023,
        family="agreement of streams",
        checked="released code: every term of 3 steps, embeddings, gradients, features of each stream, linear head",
        protocols=("linear_umurl",),
    )
    cross_batch = True
    default_backbone = "sttr"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "optimiser": "adam",
            "lr": 5e-4,
            "weight_decay": 1e-5,
            "beta2": 0.999,
            "schedule": "step",
            "decay": 0.1,
            "milestones": [351],
            "warmup_epochs": 0,
            "epochs": 451,
            "batch_size": 512,
        },
        "clip": CROPPED_CLIP,
        "backbone": {"layers": 1, "joint_positions": False},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {
            "clip": {"frames": 32, "min_frames": 32},
            "method": {"dim": 4 * width},
            "train": {"epochs": epochs, "batch_size": 32, "lr": 1e-3, "milestones": [epochs * 4 // 5]},
        }
        for name, width, epochs in (("cpu", 128, 100), ("quick", 64, 40))
    }

    def __init__(self, config: UmURLConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        if not isinstance(backbone, AxesBackbone):
            raise UsageError(
                f"umurl embeds each stream as tokens of frames and of joints, which backbone {type(backbone).__name__}"
                " does not have; use --backbone sttr or dste"
            )
        self.encoder = PooledEncoder(FusedStreams(backbone, clip), clip)
        dim = backbone.dim
        self.heads = nn.ModuleDict({stream.value: normalised_head(dim, dim, config.dim) for stream in Stream})

    def views(self) -> tuple[ViewSpec, ...]:
        """For joints, bones, motion, and all of them."""
        return (crop_view(self.clip),) * 4

    def embeddings(self, views: Sequence[Batch], noise: Noise) -> list[Tensor]:
        """(n, dim) of joints, bones and motion, each from a view of its own, then of each from the fused view."""
        streams, persons = self.encoder.backbone, self.clip.persons
        assert isinstance(streams, FusedStreams)
        features = []
        for at, stream in enumerate((*Stream, None)):
            self.encoder.bind(views[at], noise.view(at))
            features.append(streams.feature(views[at].joined(persons), stream))
        alone = [self.heads[stream.value](feature) for stream, feature in zip(Stream, features, strict=False)]
        return alone + [self.heads[stream.value](features[-1]) for stream in Stream]

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``intra``: a stream alone and in the fused feature; ``inter``: the streams; ``spread`` of every embedding."""
        own = torch.stack(self.embeddings(views, noise), 1)
        exact = own.to(torch.promote_types(own.dtype, torch.float32))
        every = gather_rows(exact, clip_counts(len(own), own.device)).unbind(1)
        alone, fused, weight = every[:3], every[3:], self.config.agreement
        totals = {
            "intra": torch.stack([pulled_together([a], b) for a, b in zip(alone, fused, strict=True)]).sum(),
            "inter": pulled_together(alone, torch.stack(alone).mean(0)),
            "spread": torch.stack([spread_out(one) for one in every]).sum(),
        }
        weights = {"intra": weight, "inter": weight, "spread": 1.0}
        return StepOutput({name: Term(total, total.new_ones(()), weights[name]) for name, total in totals.items()})

    def encoders(self) -> dict[str, Encoder]:
        """The fused feature."""
        return {"joint": self.encoder}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Released code decays biases and gains too."""
        return decay_all(self)
