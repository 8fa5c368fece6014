"""ViA: a clip is taken apart into its motion and its performer, and put together with another performer."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

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
    mean_term,
    require,
)
from sslskel.contrastive import WHOLE_CLIP, Tower, require_weight, sgd_recipe
from sslskel.transforms.clip import RandomRotation


@dataclass
class ViAConfig:
    """No source at hand states a value: all are ours."""

    motion_dim: int = 128
    """Numbers of the motion code at each step of the backbone; ours."""
    static_dim: int = 128
    """Numbers of the code of the performer, one for a clip; ours."""
    decoder_dim: int = 256
    """Channels of the decoder; ours."""
    turn: float = math.pi
    """Largest angle, radians, by which another performer is turned; ours."""
    size: float = 0.3
    """By which share another performer may be larger or smaller; ours."""
    retarget: float = 1.0
    """Weight of the error of clips with another performer, beside that of the same, which has 1; ours."""
    keep: float = 1.0
    """Weight of the distance between the motion codes of a clip with two performers; ours."""
    empty_bodies: EmptyBodies = EmptyBodies.present

    def __post_init__(self) -> None:
        for name in ("motion_dim", "static_dim", "decoder_dim"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(0 <= self.turn <= math.pi, f"method.turn is {self.turn}; it must be in [0, pi]")
        require(0 <= self.size < 1, f"method.size is {self.size}; it must be in [0, 1)")
        require_weight("retarget", self.retarget)
        require_weight("keep", self.keep)


class Codes(NamedTuple):
    """What a clip is taken apart into."""

    motion: Tensor
    """(P, T', motion_dim)."""
    static: Tensor
    """(P, static_dim)."""


class ViA(PretextMethod[ViAConfig]):
    """Motion of one clip and performer of another give the clip in which the one moves as the other did.

    Yang et al., "ViA: View-invariant Skeleton Action Representation Learning via Motion
    Retargeting", IJCV 2024. Written after the description alone: the pretext was not released.
    The other performer is the same clip turned and scaled, so that what retargeting should give is
    known. ``rebuild``: a clip from its own two codes. ``retarget``: from its motion and the other's
    static code. ``motion``: the motion codes of both should be equal. Losses and the change of performer
    are ours. Protocols read the backbone.
    """

    Config = ViAConfig
    card = MethodCard(
        paper=(
            "Yang et al., ViA: View-invariant Skeleton Action Representation Learning via Motion Retargeting, IJCV 2024"
        ),
        year=2024,
        family="motion retargeting",
        described=True,
    )
    default_backbone = "unik"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=100, batch_size=64, lr=0.01, milestone=80),
        "clip": {**WHOLE_CLIP, "frames": 64},
    }

    def __init__(self, config: ViAConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone, width = build_backbone(clip), config.decoder_dim
        self.tower = Tower(backbone, nn.Identity(), clip, Stream.joint, config.empty_bodies)
        self.motion = nn.Linear(backbone.dim, config.motion_dim)
        self.static = nn.Linear(backbone.dim, config.static_dim)
        persons = clip.persons if backbone.joins_persons else 1
        self.decoder = nn.Sequential(
            nn.Conv1d(config.motion_dim + config.static_dim, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv1d(width, width, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv1d(width, persons * clip.layout.num_joints * clip.coordinates, 3, padding=1),
        )

    def other_performer(self, batch: Batch, noise: Noise) -> Batch:
        """The batch turned and scaled, all persons of a clip alike."""
        turned = RandomRotation(self.config.turn)(batch, noise, self.clip)
        share = noise.on(batch).uniform("size", per="clip", dtype=batch.tracks.dtype)
        factor = 1 + self.config.size * (2 * share - 1)  # (N,)
        return turned._replace(tracks=turned.tracks * factor[batch.owner][:, None, None, None])

    def codes(self, batch: Batch, noise: Noise) -> Codes:
        """Motion and performer of every row that the backbone reads."""
        self.tower.backbone.bind(noise.on(batch))
        maps = self.tower.maps(batch)
        return Codes(self.motion(maps.mean(2)), self.static(maps.mean((1, 2))))

    def together(self, motion: Tensor, static: Tensor) -> Tensor:
        """(P, T', motion_dim), (P, static_dim) -> tracks (P, T, V, C), or (N, T, M*V, C) where persons are joined."""
        steps = functional.interpolate(motion.transpose(1, 2), self.clip.frames, mode="linear")  # (P, motion_dim, T)
        made: Tensor = self.decoder(torch.cat([steps, static[..., None].expand(-1, -1, steps.shape[2])], 1))
        return made.transpose(1, 2).reshape(len(made), self.clip.frames, -1, self.clip.coordinates)

    def error(self, made: Sequence[Tensor], wanted: Sequence[Batch], scale: float) -> Term:
        """The mean squared error of what is made of both performers, over frames in which they are seen."""
        totals, counts = [], []
        for one, batch in zip(made, wanted, strict=True):
            tracks, valid = self.tower.tracks(batch), self.tower.valid(batch)
            seen = valid[..., None] if valid.ndim == 2 else valid.repeat_interleave(self.clip.layout.num_joints, 2)
            seen = seen[..., None].expand_as(tracks)
            totals.append(((one.to(tracks) - tracks).square() * seen).sum())
            counts.append(seen.sum())
        return Term(torch.stack(totals).sum(), torch.stack(counts).sum(), scale)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """``rebuild``, ``retarget`` and ``motion``, over both performers."""
        noise, config = noise.view(0), self.config
        pair = [self.tower.rows(views[0]), self.tower.rows(self.other_performer(views[0], noise))]
        (motion, static), (other_motion, other_static) = (
            self.codes(batch, noise.view(at)) for at, batch in enumerate(pair)
        )
        own = [self.together(motion, static), self.together(other_motion, other_static)]
        moved = [self.together(other_motion, static), self.together(motion, other_static)]
        kept = mean_term((motion - other_motion).square().mean((1, 2)), config.keep)
        rebuilt, retargeted = self.error(own, pair, 1.0), self.error(moved, pair, config.retarget)
        return StepOutput({"rebuild": rebuilt, "retarget": retargeted, "motion": kept})

    def encoders(self) -> dict[str, Encoder]:
        """The backbone alone."""
        return {"joint": self.tower.encoder()}
