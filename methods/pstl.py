"""PSTL: partial skeletons in space and time should give the features of the whole one (Barlow Twins)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    EmptyBodies,
    Encoder,
    Fidelity,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    SkeletonLayout,
    StepOutput,
    Stream,
    Term,
    UsageError,
    ViewSpec,
    motion,
    require,
    shifted_view,
    sum_over_processes,
)
from sslskel.api.noise import Per
from sslskel.contrastive import EMPTY_BODIES_COUNT, WHOLE_CLIP, Tower, decay_all, require_shear
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.transforms.augment import Flip, TiltRotation, require_swaps


def turned_view(clip: ClipSpec, shear: float, per: Per) -> ViewSpec:
    """The shifted and sheared view, then tilted and with left and right exchanged at even odds.

    Raises ``DataError`` where the layout names no left and right.
    """
    require_swaps(clip.layout, "this view")
    shifted = shifted_view(clip, shear, per)
    return ViewSpec(shifted.sample, (*shifted.augment, TiltRotation(per=per), Flip(per=per)))


@dataclass
class PSTLConfig:
    """Defaults are those of the released NTU-60 scripts."""

    width: int = 6144
    """Numbers of an embedding whose correlations are compared."""
    mask_joints: int = 8
    """Joints that are hidden, central ones more often."""
    mask_frames: int = 10
    """Frames with most motion that go; as many others go by chance."""
    off_diagonal: float = 2e-4
    """Weight of redundancy between numbers of an embedding."""
    shear: float = 1.0
    """Largest shear of one axis by another."""
    stream: Stream = Stream.joint
    empty_bodies: EmptyBodies = EmptyBodies.reference
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        require(self.width >= 1, f"method.width is {self.width}; it must be at least 1")
        for name in ("mask_joints", "mask_frames"):
            require(getattr(self, name) >= 0, f"method.{name} is {getattr(self, name)}; it must not be negative")
        require(0 <= self.off_diagonal < math.inf, f"method.off_diagonal is {self.off_diagonal}; it must be from 0")
        require_shear(self.shear)


def degrees(layout: SkeletonLayout) -> Tensor:
    """(V,) int64: how many bones meet in each joint."""
    ends = [end for joint, parent in enumerate(layout.parents) if parent >= 0 for end in (joint, parent)]
    return torch.tensor(ends, dtype=torch.int64, device="cpu").bincount(minlength=layout.num_joints)


def central_joints(layout: SkeletonLayout, count: int, fidelity: Fidelity, noise: Noise) -> Tensor:
    """Joints to leave out (R,), the same for all clips; one where more bones meet is likelier to go.

    As released ``count`` draws may hit a joint twice, so that fewer go: they are made on the host, which must know
    how many. Noise site: ``mask.joints``, an order of the ends of all bones.
    """
    weight = degrees(layout)
    order = noise.at("cpu").permutation("mask.joints", int(weight.sum()), per="batch")
    drawn = torch.arange(len(weight), device="cpu").repeat_interleave(weight)[order]
    if fidelity is Fidelity.released:
        gone = torch.zeros(len(weight), dtype=torch.bool, device="cpu").index_fill(0, drawn[:count], True)
        return gone.nonzero().flatten()
    first = torch.full_like(weight, len(drawn))
    first = first.scatter_reduce(0, drawn, torch.arange(len(drawn), device="cpu"), "amin")
    return first.argsort(stable=True)[:count].sort().values


def calm_frames(tracks: Tensor, batch: Batch, count: int, noise: Noise) -> Tensor:
    """Frames that stay (N, T - 2 * count), in order: without the liveliest, then without some by chance.

    Motion is that of all joints and persons of a clip in ``tracks`` (P, T, V, C), and nothing in
    the last frame. Of equally lively frames, which mirrored ends bring, later ones stay. Noise
    site: ``mask.frames``, an order of the T - count frames, per batch.
    """
    energy = motion(tracks).square().sum((2, 3))
    clips = energy.new_zeros(batch.num_clips, energy.shape[1]).index_add(0, batch.owner, energy)
    left = tracks.shape[1] - count
    calm = tracks.shape[1] - 1 - clips.flip(1).argsort(dim=1, stable=True)[:, :left]
    calm = calm.sort(1).values
    kept = noise.permutation("mask.frames", left, per="batch")[: left - count].sort().values
    return calm[:, kept]


def barlow_head(dim: int, width: int) -> nn.Sequential:
    """The head of Barlow Twins: (N, dim) -> (N, width), normalised over the batch.

    Three linear layers with norms between them, and one without scale and shift behind.
    """
    return nn.Sequential(
        nn.Linear(dim, width, bias=False),
        GlobalBatchNorm(width),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        GlobalBatchNorm(width),
        nn.ReLU(),
        nn.Linear(width, width, bias=False),
        GlobalBatchNorm(width, affine=False),
    )


def cross_correlation(a: Tensor, b: Tensor) -> Tensor:
    """(N, D) twice, normalised over the global batch -> (D, D), the mean of products over the global batch."""
    whole = torch.cat([(a.T @ b).flatten(), a.new_full((1,), len(a))])
    sums = sum_over_processes(whole)
    return sums[:-1].reshape(a.shape[1], b.shape[1]) / sums[-1].detach()


def barlow_term(a: Tensor, b: Tensor, off_diagonal: float, scale: float = 1.0) -> Term:
    """Barlow Twins (Zbontar et al. 2021, eq. 1): the cross-correlation should be the identity.

    ``a``, ``b`` (N, D) are normalised over the global batch; ``off_diagonal`` weighs redundancy.
    """
    correlation = cross_correlation(a, b)
    invariance = (correlation.diagonal() - 1).square().sum()
    redundancy = correlation.square().sum() - correlation.diagonal().square().sum()
    total = invariance + off_diagonal * redundancy
    return Term(total, total.new_ones(()), scale)


class PSTL(PretextMethod[PSTLConfig]):
    """A view without its central joints, and one without its liveliest frames, should agree with a whole view.

    Zhou et al., "Self-supervised Action Representation Learning from Partial Spatio-Temporal
    Skeleton Sequences", AAAI 2023. Released: augmentations are drawn once for all clips of
    a step, and a joint can be drawn twice, so that fewer than ``mask_joints`` go. Paper: each
    clip has its own augmentations, and exactly ``mask_joints`` joints go. In both the same
    joints are left out of all clips; the graph is cut and not normalised again.
    """

    Config = PSTLConfig
    card = MethodCard(
        paper=(
            "Zhou et al., Self-supervised Action Representation Learning from Partial Spatio-Temporal Skeleton "
            "Sequences, AAAI 2023"
        ),
        year=2023,
        family="redundancy reduction",
        checked="released code: views, losses of 2 steps, gradients of the first",
        departures="augmentations drawn once per batch; a joint can be drawn twice",
        protocols=("linear_pstl",),
    )
    cross_batch = True
    default_backbone = "st_gcn"
    # The released rate warms up by epochs, from none at all in the first; here by steps.
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": {
            "optimiser": "adam",
            "weight_decay": 1e-5,
            "beta2": 0.999,
            "epochs": 150,
            "batch_size": 128,
            "lr": 5e-3,
            "schedule": "cosine",
            "min_lr": 0.0,
            "warmup_epochs": 10,
        },
        "clip": WHOLE_CLIP,
        "backbone": {"dropout": 0.5},
    }
    expected_failed_checks: ClassVar[Mapping[str, str]] = EMPTY_BODIES_COUNT

    def __init__(self, config: PSTLConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        for name, value, most in (
            ("mask_joints", config.mask_joints, clip.layout.num_joints - 1),
            ("mask_frames", config.mask_frames, (clip.frames - 1) // 2),
        ):
            require(value <= most, f"method.{name} is {value}, but clips like these can lose {most} at most")
        backbone = build_backbone(clip)
        if not backbone.drops_joints:
            raise UsageError("pstl leaves joints out of the body, which this backbone cannot; use st_gcn")
        if backbone.reads_validity:
            raise UsageError("pstl takes frames out, so that validity would not fit; use a backbone like st_gcn")
        head = barlow_head(backbone.dim, config.width)
        self.tower = Tower(backbone, head, clip, config.stream, config.empty_bodies)

    def views(self) -> tuple[ViewSpec, ...]:
        """The whole one, the one that loses frames, the one that loses joints."""
        per: Per = "batch" if self.config.fidelity is Fidelity.released else "clip"
        return (turned_view(self.clip, self.config.shear, per),) * 3

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """Two Barlow Twins terms: ``temporal`` and ``spatial``."""
        config, tower = self.config, self.tower
        whole, calm, partial = (tower.rows(view) for view in views)
        removed = central_joints(self.clip.layout, config.mask_joints, config.fidelity, noise)
        tracks = tower.tracks(calm)
        kept = calm_frames(tracks, calm, config.mask_frames, noise)[calm.owner]
        tracks = tracks.take_along_dim(kept[:, :, None, None], 1)
        seen = [(whole, tower.tracks(whole), None), (calm, tracks, None), (partial, tower.tracks(partial), removed)]
        features = []
        for at, (batch, rows, gone) in enumerate(seen):
            tower.backbone.bind(noise.view(at).on(batch))
            maps = tower.backbone(rows) if gone is None else tower.backbone(rows, gone)
            features.append(tower.pooled(maps, batch))
        return StepOutput(
            {
                name: barlow_term(tower.head(features[0]), tower.head(feature), config.off_diagonal)
                for name, feature in zip(("temporal", "spatial"), features[1:], strict=True)
            }
        )

    def encoders(self) -> dict[str, Encoder]:
        """The backbone."""
        return {self.config.stream.value: self.tower.encoder()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group: weight decay on everything, as released."""
        return decay_all(self)
