"""S-JEPA: from a few tokens of a turned clip, a teacher's features of the others are predicted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    CosineSchedule,
    Encoder,
    Features,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Teacher,
    Term,
    require,
    sum_over_processes,
)
from sslskel.nn.token_decoder import DecoderSize, TokenDecoder
from sslskel.nn.token_masks import SeenTokens
from sslskel.nn.transformer_blocks import take_tokens
from sslskel.transforms.clip import RandomRotation


@dataclass
class SJEPAConfig:
    """What the description states, and where it is silent, what is marked as ours."""

    mask_ratio: float = 0.9
    """Share of tokens hidden."""
    tau: float = 0.8
    """Temperature of MAMP's motion-aware masking; 0 masks at random; ours, as in MAMP."""
    predictor_depth: int = 5
    """Blocks of the predictor."""
    predictor_dim: int = 256
    """Numbers of a token of the predictor; a multiple of ``predictor_heads``."""
    predictor_heads: int = 8
    """Attention heads of the predictor."""
    turn: float = 0.3
    """Largest turn of the view about each axis, in radians; ours."""
    shift: float = 0.1
    """Largest shift of the view along each axis, in the unit of the clips; ours."""
    flip: float = 0.5
    """Chance that the view is mirrored; ours."""
    momentum: float = 0.9999
    """What of the teacher stays in a step; rises to 1 over training along half a cosine."""
    temperature: float = 0.1
    """Of what is predicted."""
    teacher_temperature: float = 0.06
    """Of the teacher's features."""
    centre_momentum: float = 0.9
    """What of the centre of the teacher's features stays in a step."""

    def __post_init__(self) -> None:
        require(0 < self.mask_ratio < 1, f"method.mask_ratio is {self.mask_ratio}; it must lie between 0 and 1")
        for name in ("predictor_depth", "predictor_dim", "predictor_heads"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.predictor_dim % self.predictor_heads == 0,
            f"method.predictor_dim={self.predictor_dim} is not divisible by"
            f" method.predictor_heads={self.predictor_heads}",
        )
        for name in ("tau", "turn", "shift"):
            value = getattr(self, name)
            require(0 <= value < math.inf, f"method.{name} is {value}; it must be a number from 0")
        for name in ("flip", "momentum", "centre_momentum"):
            require(0 <= getattr(self, name) <= 1, f"method.{name} is {getattr(self, name)}; it must be in [0, 1]")
        for name in ("temperature", "teacher_temperature"):
            value = getattr(self, name)
            require(0 < value < math.inf, f"method.{name} is {value}; it must be positive")


def feature_entropy(predicted: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over the features of a token between softmaxes of two logits: (..., D) twice -> (...)."""
    return -(target.softmax(-1) * predicted.log_softmax(-1)).sum(-1)


class SJEPA(PretextMethod[SJEPAConfig]):
    """A network that sees a tenth of a clip should know what a network that sees all of it makes of the rest.

    Abdelfattah and Alahi, "S-JEPA: A Joint Embedding Predictive Architecture for Skeletal Action Recognition", ECCV
    2024. Written after the description alone: no code was released. The view encoder reads the seen tokens of the
    clip turned, shifted and mirrored; a predictor fills in the hidden ones; the target encoder, which follows the view
    encoder, reads the whole clip as it is. ``predict`` is the cross-entropy between the softmaxes over the features of
    a hidden token. That a mirrored view keeps the numbers of its joints, that the centre is the mean over
    hidden tokens, and that protocols read the view encoder, is ours.
    """

    Config = SJEPAConfig
    card = MethodCard(
        paper=(
            "Abdelfattah and Alahi, S-JEPA: A Joint Embedding Predictive Architecture for Skeletal Action "
            "Recognition, ECCV 2024"
        ),
        year=2024,
        family="prediction of features",
        described=True,
    )
    cross_batch = True  # the centre is of the whole batch
    recipe: ClassVar[Mapping[str, Any]] = {"train": {"epochs": 1200, "batch_size": 256}}
    centre: Tensor  # (D,)

    def __init__(self, config: SJEPAConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        self.seen = seen = SeenTokens(backbone, clip, "s_jepa", config.mask_ratio, config.tau)
        self.teacher = Teacher(backbone)
        size = DecoderSize(config.predictor_dim, config.predictor_depth, config.predictor_heads)
        self.predictor = TokenDecoder(size, backbone.dim, seen.segments, seen.joints, backbone.dim)
        self.register_buffer("centre", torch.zeros(backbone.dim))

    def on_part_loaded(self) -> None:
        """The teacher begins as what was loaded."""
        self.teacher.follow(self.seen.backbone, 0.0)

    def on_step_start(self, progress: Progress, noise: Noise) -> None:
        """The teacher follows."""
        self.teacher.follow(self.seen.backbone, CosineSchedule(self.config.momentum, 1.0).at(progress))

    def moved(self, batch: Batch, noise: Noise) -> Batch:
        """The batch turned, shifted and, by chance, mirrored, all persons of a clip alike; missing frames stay zero."""
        config, tracks = self.config, batch.tracks
        draws, coordinates = noise.on(batch), tracks.shape[-1]
        there = (tracks != 0).flatten(2).any(-1)[..., None, None]
        turned = RandomRotation(config.turn)(batch, noise, self.clip).tracks
        shift = (2 * draws.uniform("shift", (coordinates,), "clip", tracks.dtype) - 1) * config.shift
        sign = torch.ones_like(shift)
        sign[:, 0] -= 2 * (draws.uniform("flip", per="clip") < config.flip)
        sign, shift = (one[batch.owner][:, None, None] for one in (sign, shift))
        return batch._replace(tracks=(turned * sign + shift) * there)

    def wanted(self, batch: Batch) -> Tensor:
        """The teacher's features of all tokens: (P, L, D)."""
        known = (batch.known,) if batch.lacks_joints and self.seen.backbone.masks_joints else ()
        return Features.of(self.teacher(batch.tracks, *known)).grid.flatten(1, 2)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``predict``."""
        batch, seen, config = views[0], self.seen, self.config
        draws = noise.view(0).on(batch)
        seen.backbone.bind(draws)
        order = seen.order(batch, draws)
        known = seen.known(batch)
        in_order = None if known is None else known.gather(1, order)
        latent = seen(self.moved(batch, noise.view(1)).tracks, order[:, : seen.kept])
        predicted = self.predictor(latent, order, in_order)
        target = take_tokens(self.wanted(batch), order[:, seen.kept :]).to(predicted)
        counted = target.new_ones(target.shape[:2]) if in_order is None else in_order[:, seen.kept :].to(target)
        self.sums = torch.cat([(target * counted[..., None]).sum((0, 1)), counted.sum()[None]])
        logits = (target - self.centre.to(target)) / config.teacher_temperature
        loss = feature_entropy(predicted / config.temperature, logits)
        return StepOutput({"predict": Term((loss * counted).sum(), counted.sum())})

    def on_step_end(self, progress: Progress, noise: Noise) -> None:
        """The centre moves towards the mean of what was to be predicted."""
        sums = sum_over_processes(self.sums)
        mean = sums[:-1] / sums[-1].clamp(min=1)
        self.centre.lerp_(mean.to(self.centre), 1 - self.config.centre_momentum)

    def encoders(self) -> dict[str, Encoder]:
        """The view encoder."""
        return {"joint": PooledEncoder(self.seen.backbone, self.clip)}
