"""Masked modelling of skeletons: hide most space-time tokens, predict what they hold.

One method with independent options; MAMP, SkeletonMAE and the cells between them
are presets in ``configs/method``. The encoder is the backbone of the run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial

import torch
from torch import Tensor

from sslskel import (
    Backbone,
    Batch,
    BuildBackbone,
    ClipSpec,
    EmptyBodies,
    Encoder,
    MethodCard,
    Noise,
    PooledEncoder,
    PretextMethod,
    Progress,
    StepOutput,
    Term,
    TokenBackbone,
    UsageError,
    motion,
    require,
)
from sslskel.api.encoder import unchanged
from sslskel.nn.token_decoder import DecoderSize, TokenDecoder
from sslskel.nn.token_masks import encode_kept, keep_order, known_tokens, normalise_tokens, require_kept, require_tokens
from sslskel.nn.transformer_blocks import patchify, take_tokens


class Signal(Enum):
    """What of the tracks is seen or predicted."""

    joint = "joint"
    motion = "motion"


class Masking(Enum):
    """How the hidden tokens are chosen."""

    random = "random"
    motion_aware = "motion_aware"


@dataclass
class MaskedModellingConfig:
    """Defaults are MAMP (Mao et al., ICCV 2023) as its released NTU-60 scripts train it.

    Those scripts use 3 decoder blocks and reach the printed numbers with them; the
    paper's text states 5, as the scripts for NTU-120 and PKU-MMD do.
    """

    input: Signal = Signal.joint
    """What of the tracks the encoder sees."""
    target: Signal = Signal.motion
    """What of the hidden tokens is predicted."""
    masking: Masking = Masking.motion_aware
    mask_ratio: float = 0.9
    """Share of tokens hidden; int(L * (1 - mask_ratio)) are kept, 74 of 750."""
    tau: float = 0.8
    """Temperature of motion-aware masking; 0 or less masks at random, as released."""
    motion_stride: int = 1
    """Frames between the two poses whose difference is the motion, zero in the last ones
    (as released; the paper describes the zeros at the start)."""
    decoder_depth: int = 3
    """Blocks of the decoder."""
    decoder_dim: int = 256
    """Numbers of a token of the decoder; a multiple of ``decoder_heads``."""
    decoder_heads: int = 8
    """Attention heads of the decoder."""
    decoder_mlp_ratio: float = 4.0
    """Hidden units of an MLP of the decoder, as a multiple of ``decoder_dim``."""
    normalise_target: bool = True
    """Give each target token zero mean and unit variance over its values."""
    empty_bodies: EmptyBodies = EmptyBodies.present

    def __post_init__(self) -> None:
        require(0 < self.mask_ratio < 1, f"method.mask_ratio is {self.mask_ratio}; it must lie between 0 and 1")
        require(math.isfinite(self.tau), f"method.tau is {self.tau}; it must be a finite number")
        for name in ("motion_stride", "decoder_depth", "decoder_dim", "decoder_heads"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.decoder_dim % self.decoder_heads == 0,
            f"method.decoder_dim={self.decoder_dim} is not divisible by method.decoder_heads={self.decoder_heads}",
        )
        require(
            self.decoder_dim * self.decoder_mlp_ratio >= 1,
            f"method.decoder_mlp_ratio is {self.decoder_mlp_ratio}; the hidden layer needs at least one unit",
        )


def mask_order(
    tracks: Tensor, segment: int, uniform: Tensor, config: MaskedModellingConfig, known: Tensor | None = None
) -> Tensor:
    """Token ids (P, L) in the order in which they are kept: the first K are seen, the rest hidden.

    ``uniform`` (P, L) decides: alone where masking is random, else by how tokens move. Tokens that are not ``known``,
    (P, L) bool, come last.
    """
    tau = 0.0 if config.masking is Masking.random else config.tau
    return keep_order(tracks, segment, uniform, tau, known)


def token_errors(predicted: Tensor, target: Tensor) -> Tensor:
    """Squared errors, averaged over a token's values: (P, K, S) twice -> (P, K)."""
    return (predicted.to(target.dtype) - target).square().mean(-1)


class MaskedModelling(PretextMethod[MaskedModellingConfig]):
    """Hide ``mask_ratio`` of the tokens of every person and regress the hidden ones.

    Mao et al., "Masked Motion Predictors are Strong 3D Action Representation
    Learners", ICCV 2023; with joints as target and random masking, its re-made
    SkeletonMAE. The loss is the squared error averaged over a token's values, then
    over all hidden tokens of the step. Motion-aware masking always
    measures the tracks themselves, whatever the input. The decoder has no drop path.
    """

    Config = MaskedModellingConfig
    card = MethodCard(
        paper="Mao et al., Masked Motion Predictors are Strong 3D Action Representation Learners, ICCV 2023",
        year=2023,
        family="masked prediction",
        checked="released MAMP code: losses, gradients, features, released weights",
        protocols=("linear",),
    )

    def __init__(self, config: MaskedModellingConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        require_tokens(backbone, "masked_modelling")
        assert isinstance(backbone, TokenBackbone)
        self.joins_joints, numbers = backbone.joins_joints, clip.layout.num_joints * clip.coordinates
        segments, joints = clip.frames // backbone.segment, 1 if self.joins_joints else clip.layout.num_joints
        self.segment, self.num_tokens = backbone.segment, segments * joints
        self.num_kept = int(self.num_tokens * (1 - config.mask_ratio))
        self._require_work()
        self.backbone: Backbone = backbone
        size = DecoderSize(config.decoder_dim, config.decoder_depth, config.decoder_heads, config.decoder_mlp_ratio)
        self.decoder = TokenDecoder(size, backbone.dim, segments, joints, backbone.segment * numbers // joints)

    def _require_work(self) -> None:
        require_kept(self.num_kept, self.num_tokens, self.config.mask_ratio, self.clip)
        require(
            self.config.motion_stride < self.clip.frames
            or Signal.motion not in (self.config.input, self.config.target),
            f"method.motion_stride={self.config.motion_stride} is not shorter than clip.frames={self.clip.frames}",
        )

    def signal(self, tracks: Tensor, signal: Signal) -> Tensor:
        """The tracks themselves, or their motion: (P, T, V, C) -> (P, T, V, C)."""
        return tracks if signal is Signal.joint else motion(tracks, self.config.motion_stride)

    def apart(self, tracks: Tensor) -> Tensor:
        """Tracks by what a token covers: (P, T, V, C), or (P, T, 1, V*C) where tokens cover all joints."""
        return tracks.flatten(2)[:, :, None] if self.joins_joints else tracks

    def targets(self, tracks: Tensor, ids: Tensor) -> Tensor:
        """What the tokens with these ids (P, K) hold: (P, T, V, C) -> (P, K, S), S numbers per token."""
        return self._normalised(take_tokens(self._target_tokens(tracks), ids))

    def _target_tokens(self, tracks: Tensor) -> Tensor:
        return patchify(self.apart(self.signal(tracks, self.config.target)), self.segment)

    def _normalised(self, tokens: Tensor) -> Tensor:
        return normalise_tokens(tokens) if self.config.normalise_target else tokens

    def latent(self, tracks: Tensor, keep: Tensor) -> Tensor:
        """Encoder output for the tokens with these ids alone: (P, T, V, C), (P, K) -> (P, K, D)."""
        return encode_kept(self.backbone, self.signal(tracks, self.config.input), keep)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``masked``: squared error over hidden tokens, summed, and how many there are."""
        batch = views[0]
        if self.config.empty_bodies is EmptyBodies.reference:
            batch = batch.filled(self.clip.persons)
        tracks, noise = batch.tracks, noise.view(0).on(batch)
        self.backbone.bind(noise)
        uniform = noise.uniform("mask", (self.num_tokens,), per="person", dtype=tracks.dtype)
        known = self._known_tokens(batch)
        order = mask_order(self.apart(tracks), self.segment, uniform, self.config, known)
        keep, hidden = order[:, : self.num_kept], order[:, self.num_kept :]
        in_order = None if known is None else known.gather(1, order)
        predicted = self.decoder(self.latent(tracks, keep), order, in_order)
        target = self.targets(tracks, hidden)
        each = token_errors(predicted, target)
        if in_order is None:
            return StepOutput({"masked": Term(each.sum(), each.new_full((), hidden.numel()))})
        counted = in_order[:, self.num_kept :].to(each.dtype)
        return StepOutput({"masked": Term((each * counted).sum(), counted.sum())})

    def _known_tokens(self, batch: Batch) -> Tensor | None:
        """(P, L) bool, which tokens are of joints that the bodies have; None for all, and where tokens cover all."""
        if self.joins_joints:
            return None
        return known_tokens(batch, self.num_tokens, self.num_kept, self.config.mask_ratio)

    def as_released(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """The step in the plainest way, as released code takes it: to be measured against, never trained with.

        Every token is embedded before most are dropped, and all are predicted though the hidden ones alone count.
        Over every row of the batch; raises ``UsageError`` for backbones without tokens.
        """
        backbone, batch = self.backbone, views[0]
        if not isinstance(backbone, TokenBackbone):
            raise UsageError(
                f"backbone {type(backbone).__name__} offers no tokens, so that this step has no plain form"
            )
        tracks, noise = batch.tracks, noise.view(0).on(batch)
        backbone.bind(noise)
        uniform = noise.uniform("mask", (self.num_tokens,), per="person", dtype=tracks.dtype)
        order = mask_order(self.apart(tracks), self.segment, uniform, self.config)
        restore = order.argsort(-1)
        hidden = torch.ones_like(uniform).index_fill(1, torch.arange(self.num_kept, device=uniform.device), 0)
        hidden = hidden.gather(1, restore)
        seen = take_tokens(backbone.tokens(self.signal(tracks, self.config.input)), order[:, : self.num_kept])
        predicted = self.decoder.as_released(backbone.encode(seen), restore)
        each = token_errors(predicted, self._normalised(self._target_tokens(tracks)))
        return StepOutput({"masked": Term((each * hidden).sum(), hidden.sum())})

    def encoders(self) -> dict[str, Encoder]:
        """One encoder, named for what it is fed: ``joint`` or ``motion``."""
        prepare = unchanged if self.config.input is Signal.joint else partial(motion, stride=self.config.motion_stride)
        return {self.config.input.value: PooledEncoder(self.backbone, self.clip, prepare=prepare)}
