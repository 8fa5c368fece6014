"""USDRL: several views of a clip agree in features of its frames, its joints and both, without negatives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
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
from sslskel.nn.transformer_blocks import Attention
from sslskel.nn.two_axes import AxesBackbone

SHARES = {"frames": 0.5, "joints": 0.5, "clip": 1.0}
"""Weights of the three kinds of features in the loss."""


@dataclass
class USDRLConfig:
    """Defaults are those of the released NTU-60 scripts."""

    agreement: float = 5.0
    """Weight of agreement between views."""
    spread: float = 1.0
    """Weight of spread and redundancy within each view."""
    correlation: float = 1e-3
    """Weight of correlations between two views, which should be the identity."""
    off_diagonal: float = 0.005
    """Weight of correlations between different numbers among these."""
    stream: Stream = Stream.joint

    def __post_init__(self) -> None:
        for name in ("agreement", "spread", "correlation", "off_diagonal"):
            require_weight(name, getattr(self, name))


def correlations(first: Tensor, second: Tensor, off_diagonal: float) -> Tensor:
    """How far the correlation matrix of (N, D) with (N, D) is from the identity: squares on and off the diagonal."""
    unit = [(one - one.mean(0)) / one.std(0) for one in (first, second)]
    matrix = unit[0].T @ unit[1] / len(first)
    beside = matrix.square().sum() - matrix.diagonal().square().sum()
    return (matrix.diagonal() - 1).square().sum() + off_diagonal * beside


class USDRL(PretextMethod[USDRLConfig]):
    """Four views of a clip should agree, and the numbers of an embedding should spread and not repeat each other.

    Weng et al., "USDRL: Unified Skeleton-Based Dense Representation Learning with Multi-Grained Feature Decorrelation",
    AAAI 2025. Three views are pulled to the fourth and to their own mean. Features are those of frames, of joints and
    of both side by side; ``--backbone sttr`` is the other published encoder. The released script takes no notice of
    its stream; here ``method.stream`` chooses it.
    """

    Config = USDRLConfig
    card = MethodCard(
        paper=(
            "Weng et al., USDRL: Unified Skeleton-Based Dense Representation Learning with Multi-Grained Feature "
            "Decorrelation, AAAI 2025"
        ),
        year=2025,
        family="redundancy reduction",
        checked=(
            "released code, both encoders: every term of 3 steps, embeddings, gradients, features of clips and frames"
        ),
        protocols=("linear_usdrl", "knn"),
    )
    cross_batch = True
    default_backbone = "dste"
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
            "batch_size": 356,
        },
        "clip": CROPPED_CLIP,
        "backbone": {"drop_path": 0.1},
    }
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        name: {
            "clip": {"frames": 32, "min_frames": 32},
            "train": {"epochs": epochs, "batch_size": 16, "lr": 1e-3, "milestones": [epochs * 4 // 5]},
        }
        for name, epochs in (("cpu", 60), ("quick", 15))
    }

    def __init__(self, config: USDRLConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        if not isinstance(backbone, AxesBackbone):
            raise UsageError(
                f"usdrl compares tokens of frames and of joints, which backbone {type(backbone).__name__} does not"
                " have; use --backbone dste or sttr"
            )
        self.encoder = PooledEncoder(backbone, clip, prepare=stream_input(config.stream, clip))
        width, both = backbone.width, backbone.dim
        sizes = {"frames": (width, both), "joints": (width, both), "clip": (both, 2 * both)}
        self.heads = nn.ModuleDict({name: normalised_head(dim, both, out) for name, (dim, out) in sizes.items()})
        # As released, where attention's joint projection is no linear layer.
        joint = [part.qkv for part in self.modules() if isinstance(part, Attention)]
        for layer in self.modules():
            if isinstance(layer, nn.Linear) and layer not in joint:
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def views(self) -> tuple[ViewSpec, ...]:
        """Four alike."""
        return (crop_view(self.clip),) * 4

    def embeddings(self, view: Batch, noise: Noise) -> dict[str, Tensor]:
        """Of the frames, the joints and the whole of each clip: (n, 2 * width) twice and (n, 4 * width)."""
        backbone = self.encoder.backbone
        assert isinstance(backbone, AxesBackbone)
        self.encoder.bind(view, noise)
        tracks = self.encoder.prepare(view.joined(self.clip.persons))
        largest = backbone.encode(backbone.embed(tracks)).largest()
        features = {"frames": largest.frames, "joints": largest.joints, "clip": largest.side_by_side()}
        return {name: self.heads[name](feature) for name, feature in features.items()}

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``agreement``, ``spread`` and ``correlation`` of each kind of features, over the clips of all processes."""
        embedded = [self.embeddings(view, noise.view(at)) for at, view in enumerate(views)]
        terms = {}
        for name, share in SHARES.items():
            own = torch.stack([one[name] for one in embedded], 1)
            exact = own.to(torch.promote_types(own.dtype, torch.float32))
            every = gather_rows(exact, clip_counts(len(own), own.device)).unbind(1)
            for kind, total in self.losses(every).items():
                terms[f"{kind}_{name}"] = Term(total, total.new_ones(()), share * getattr(self.config, kind))
        return StepOutput(terms)

    def losses(self, views: Sequence[Tensor]) -> dict[str, Tensor]:
        """Of the embeddings (N, D) of four views."""
        *some, last = views
        pairs = [correlations(first, second, self.config.off_diagonal) for first, second in combinations(views, 2)]
        return {
            "agreement": pulled_together(some, last) + pulled_together(some, torch.stack(some).mean(0)),
            "spread": torch.stack([spread_out(view) for view in views]).sum(),
            "correlation": torch.stack(pairs).sum(),
        }

    def encoders(self) -> dict[str, Encoder]:
        """Features of frames and of joints side by side."""
        return {self.config.stream.value: self.encoder}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Released code decays biases and gains too."""
        return decay_all(self)
