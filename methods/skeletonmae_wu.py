"""SkeletonMAE of Wu et al.: joints and whole frames are hidden, and what they held is predicted."""

from __future__ import annotations

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
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    StepOutput,
    Stream,
    Term,
    UsageError,
    require,
)
from sslskel.contrastive import WHOLE_CLIP, Tower
from sslskel.nn.transformer_blocks import Block


@dataclass
class SkeletonMAEWuConfig:
    """No source at hand states a value: all are ours."""

    hidden_joints: float = 0.4
    """Share of a person's joints that are hidden in all frames; ours."""
    hidden_frames: float = 0.4
    """Share of a clip's frames in which all joints are; ours."""
    decoder_dim: int = 64
    """Width of the decoder; ours."""
    decoder_depth: int = 3
    """Blocks of the decoder; ours."""
    decoder_heads: int = 4
    """Attention heads of a block; ours."""

    def __post_init__(self) -> None:
        for name in ("hidden_joints", "hidden_frames"):
            require(0 <= getattr(self, name) < 1, f"method.{name} is {getattr(self, name)}; it must be in [0, 1)")
        require(
            self.hidden_joints + self.hidden_frames > 0,
            "method.hidden_joints and method.hidden_frames are 0, so that nothing is hidden; raise one of them",
        )
        for name in ("decoder_dim", "decoder_depth", "decoder_heads"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.decoder_dim % self.decoder_heads == 0,
            f"method.decoder_dim={self.decoder_dim} is not divisible by method.decoder_heads={self.decoder_heads}",
        )


def share_of(share: float, count: int) -> int:
    """How many of ``count`` are hidden: one at least, unless the share is 0, and never all."""
    return min(max(1, round(share * count)), count - 1) if share else 0


def hidden_error(predicted: Tensor, wanted: Tensor, hidden: Tensor) -> Term:
    """The mean squared error over what is hidden, (P, T, V) bool, of (P, T, V, C) twice."""
    error = (predicted.to(wanted) - wanted).square() * hidden[..., None]
    return Term(error.sum(), hidden.sum() * wanted.shape[-1])


class SkeletonMAEWu(PretextMethod[SkeletonMAEWuConfig]):
    """An autoencoder of clips in which a learned point stands for every hidden joint.

    Wu et al., "SkeletonMAE: Spatial-Temporal Masked Autoencoders for Self-supervised Skeleton Action
    Recognition", ICMEW 2023. Written after the description alone: no code was released; the preset
    ``skeletonmae`` is another network, as re-made by the authors of MAMP. Hidden joints keep their
    places in the input, since STTFormer's learned attention is over a fixed number of them. The
    decoder attends among the features of one step; its form is ours.
    """

    Config = SkeletonMAEWuConfig
    card = MethodCard(
        paper=(
            "Wu et al., SkeletonMAE: Spatial-Temporal Masked Autoencoders for Self-supervised Skeleton Action "
            "Recognition, ICMEW 2023"
        ),
        year=2023,
        family="masked prediction",
        described=True,
    )
    default_backbone = "sttformer"
    recipe: ClassVar[Mapping[str, Any]] = {"clip": {**WHOLE_CLIP, "frames": 120}}

    def __init__(self, config: SkeletonMAEWuConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone, width = build_backbone(clip), config.decoder_dim
        self.tower = Tower(backbone, nn.Identity(), clip, Stream.joint, EmptyBodies.present)
        self.point = nn.Parameter(torch.zeros(clip.coordinates))
        self.joints = clip.layout.num_joints * (clip.persons if backbone.joins_persons else 1)
        self.steps, self.parts = self._grid(clip)
        numbers = clip.frames * self.joints * clip.coordinates // (self.steps * self.parts)
        self.embed = nn.Linear(backbone.dim, width)
        self.decoder = nn.Sequential(*(Block(width, config.decoder_heads, 2.0) for _ in range(config.decoder_depth)))
        self.read_out = nn.Linear(width, numbers)

    def _grid(self, clip: ClipSpec) -> tuple[int, int]:
        """T' and V' of the backbone; ``UsageError`` where its steps and parts divide no clip."""
        backbone, training = self.tower.backbone, self.tower.backbone.training
        tracks = torch.zeros(1, clip.frames, self.joints, clip.coordinates)
        valid = torch.ones(1, clip.frames, *([clip.persons] if backbone.joins_persons else []), dtype=torch.bool)
        with torch.no_grad():
            grid = backbone.eval().read(tracks, valid).grid
        backbone.train(training)
        steps, parts = grid.shape[1], grid.shape[2]
        if clip.frames % steps or (clip.frames // steps * self.joints) % parts:
            raise UsageError(
                f"skeletonmae_wu predicts {clip.frames} frames of {self.joints} joints from {steps} x {parts} features"
                f" of {type(backbone).__name__}, which do not divide them; change clip.frames or take --backbone"
                " sttformer"
            )
        return steps, parts

    def hidden(self, draws: Noise, frames: int, joints: int) -> Tensor:
        """What the encoder does not see, noise bound to P persons: (P, T, V) bool."""
        config = self.config
        lost_frames = draws.permutation("frames", frames) < share_of(config.hidden_frames, frames)  # (P, T)
        lost_joints = draws.permutation("joints", joints) < share_of(config.hidden_joints, joints)  # (P, V)
        return lost_frames[:, :, None] | lost_joints[:, None]

    def predicted(self, batch: Batch) -> Tensor:
        """Coordinates of all joints in all frames of the backbone's rows: (P, T, V, C)."""
        grid = self.tower.maps(batch)
        numbers: Tensor = self.read_out(self.decoder(self.embed(grid.flatten(0, 1))))
        frames, coordinates = self.clip.frames // self.steps, self.clip.coordinates
        if self.parts == self.joints:  # a feature covers one joint in several frames
            numbers = numbers.reshape(len(numbers), self.joints, frames, coordinates).transpose(1, 2)
        return numbers.reshape(len(grid), self.clip.frames, self.joints, coordinates)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``masked``: the error over hidden joints in frames in which the person is seen."""
        batch, noise = self.tower.rows(views[0]), noise.view(0)
        hidden = self.hidden(noise.on(batch), *batch.tracks.shape[1:3]) & batch.valid[..., None]
        seen = batch._replace(tracks=torch.where(hidden[..., None], self.point.to(batch.tracks), batch.tracks))
        self.tower.backbone.bind(noise.on(batch))
        made = self.predicted(seen)
        if self.tower.backbone.joins_persons:
            hidden = seen._replace(tracks=hidden[..., None].to(made)).joined(self.clip.persons)[..., 0] > 0
        return StepOutput({"masked": hidden_error(made, self.tower.tracks(batch), hidden)})

    def encoders(self) -> dict[str, Encoder]:
        """The backbone alone."""
        return {"joint": self.tower.encoder()}
