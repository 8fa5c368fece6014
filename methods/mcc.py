"""MCC: a clip is recognised at another playback speed, and one is known whose continuity is broken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    EmptyBodies,
    Encoder,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    clip_counts,
    gather_rows,
    mean_term,
    own_rows,
    require,
)
from sslskel.contrastive import WHOLE_CLIP, Tower, require_temperature, require_weight, sgd_recipe


@dataclass
class MCCConfig:
    """No source at hand states a value: all are ours."""

    stream: Stream = Stream.joint
    dim: int = 128
    """Numbers of an embedding; ours."""
    speed: int = 2
    """How many times faster the second view of a clip is played; 1 is the clip itself; ours."""
    temperature: float = 0.1
    """Of the similarities between the two views; ours."""
    pieces: int = 4
    """Into how many pieces a clip is cut that are then put together in another order; ours."""
    continuity: float = 1.0
    """Weight of telling broken clips from whole ones; ours."""
    empty_bodies: EmptyBodies = EmptyBodies.present

    def __post_init__(self) -> None:
        for name, least in (("dim", 1), ("speed", 1), ("pieces", 2)):
            value = getattr(self, name)
            require(value >= least, f"method.{name} is {value}; it must be at least {least}")
        require_temperature("temperature", self.temperature)
        require_weight("continuity", self.continuity)


def played(batch: Batch, speed: int) -> Batch:
    """Every ``speed``-th frame: the clip itself at speed 1."""
    return batch._replace(tracks=batch.tracks[:, ::speed], valid=batch.valid[:, ::speed])


def broken_order(frames: int, pieces: int, order: Tensor) -> Tensor:
    """Frames of clips cut into nearly equal pieces that stand in these orders: (N, pieces) int64 -> (N, frames)."""
    piece = torch.arange(frames, device=order.device) * pieces // frames
    # A stable sort by the new place of each frame's piece keeps the order inside the pieces.
    return order.argsort(1)[:, piece].argsort(dim=1, stable=True)


class MCC(PretextMethod[MCCConfig]):
    """The feature should not change with the speed of playing, and show whether a movement is continuous.

    Su et al., "Self-Supervised 3D Skeleton Action Representation Learning With Motion
    Consistency and Continuity", ICCV 2021. Written after the description alone: no code was
    released. ``consistency``: of all clips of a step the one that is played faster must be found
    by its embedding (InfoNCE within the batch). ``continuity``: half of the clips, other ones in
    every step, are cut into pieces that change places; a linear layer on the feature must tell
    which. Both losses, and how clips are broken, are ours.
    """

    Config = MCCConfig
    card = MethodCard(
        paper=(
            "Su et al., Self-Supervised 3D Skeleton Action Representation Learning With Motion Consistency and "
            "Continuity, ICCV 2021"
        ),
        year=2021,
        family="contrast and order of frames",
        described=True,
    )
    cross_batch = negatives_per_part = True
    default_backbone = "agcn2s"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=150, batch_size=64, lr=0.05, milestone=100),
        "clip": {**WHOLE_CLIP, "frames": 64},
    }

    def __init__(self, config: MCCConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        require(
            config.pieces <= clip.frames,
            f"method.pieces is {config.pieces}, but a clip has {clip.frames} frames; lower it or raise clip.frames",
        )
        backbone = build_backbone(clip)
        head = nn.Sequential(nn.Linear(backbone.dim, backbone.dim), nn.ReLU(), nn.Linear(backbone.dim, config.dim))
        self.tower = Tower(backbone, head, clip, config.stream, config.empty_bodies)
        self.whole_or_broken = nn.Linear(backbone.dim, 2)

    def broken(self, batch: Batch, noise: Noise) -> tuple[Batch, Tensor]:
        """The batch with half of its clips cut and put together in another order, and which ones, (N,) bool."""
        frames, pieces = batch.tracks.shape[1], self.config.pieces
        chosen = noise.stratified("broken") < 0.5
        order = noise.permutation("order", pieces, per="clip")  # (N, pieces)
        straight = torch.arange(pieces, device=order.device)
        order = torch.where((order == straight).all(1, keepdim=True), order.roll(1, 1), order)
        order = torch.where(chosen[:, None], order, straight)
        at = broken_order(frames, pieces, order)[batch.owner]  # (P, T)
        tracks = batch.tracks.take_along_dim(at[..., None, None], 1)
        return batch._replace(tracks=tracks, valid=batch.valid.gather(1, at)), chosen

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``consistency`` and ``continuity``."""
        batch, noise = views[0], noise.view(0)
        query = self.tower(batch, noise.view(0))  # (N, dim)
        counts = clip_counts(len(query), query.device)
        keys = gather_rows(self.tower(played(batch, self.config.speed), noise.view(1)), counts)
        own = own_rows(torch.arange(len(keys), device=keys.device), len(query), counts)
        consistency = cross_entropy(query @ keys.T / self.config.temperature, own, reduction="none")
        mixed, chosen = self.broken(batch, noise.on(batch))
        logits = self.whole_or_broken(self.tower.feature(mixed, noise.view(2)))
        continuity = cross_entropy(logits, chosen.long(), reduction="none")
        return StepOutput(
            {"consistency": mean_term(consistency), "continuity": mean_term(continuity, self.config.continuity)}
        )

    def encoders(self) -> dict[str, Encoder]:
        """The backbone of one stream; the paper's two are ``sslskel ensemble`` of two runs."""
        return {self.config.stream.value: self.tower.encoder()}
