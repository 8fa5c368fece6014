"""Masked modelling of skeletons: hide most space-time tokens, predict what they hold.

One method with independent options; MAMP, SkeletonMAE and the cells between them
are presets in ``configs/method``. The encoder itself is a backbone's business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone, SparseTokenBackbone, TokenBackbone
from sslskel.api.batch import Batch, StepOutput, Term
from sslskel.api.encoder import Encoder, PooledEncoder, unchanged
from sslskel.api.method import BuildBackbone, MethodCard, PretextMethod, Progress
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.backbones.transformer import Block, init_linears, learned_table, patchify, take_tokens
from sslskel.config.groups import EmptyBodies, require
from sslskel.errors import UsageError
from sslskel.transforms.clip import motion


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
    paper's text says 5, as the scripts for NTU-120 and PKU-MMD do.
    """

    input: Signal = Signal.joint
    target: Signal = Signal.motion
    masking: Masking = Masking.motion_aware
    mask_ratio: float = 0.9
    """Share of tokens hidden; int(L * (1 - mask_ratio)) are kept, 74 of 750."""
    tau: float = 0.8
    """Temperature of motion-aware masking; 0 or less masks at random, as released."""
    motion_stride: int = 1
    """Frames between the two poses whose difference is the motion, zero in the last ones
    (as released; the paper describes the zeros at the start)."""
    decoder_depth: int = 3
    decoder_dim: int = 256
    decoder_heads: int = 8
    decoder_mlp_ratio: float = 4.0
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


def normalise_tokens(tokens: Tensor) -> Tensor:
    """Zero mean, unit (unbiased) variance over the values of each token: (P, L, S) -> (P, L, S)."""
    variance, mean = torch.var_mean(tokens, dim=-1, keepdim=True)
    return (tokens - mean) / torch.sqrt(variance + 1e-6)


def motion_intensity(tracks: Tensor, segment: int) -> Tensor:
    """How much each token differs from the one a segment earlier: (P, T, V, C) -> (P, L), in the tracks' unit.

    The mean absolute difference over the token's values; the first segment has no
    predecessor and copies the second (MAMP, motion-aware masking).
    """
    rows, frames, joints, coordinates = tracks.shape
    values = patchify(tracks, segment).reshape(rows, frames // segment, joints, segment * coordinates)
    change = (values[:, 1:] - values[:, :-1]).abs().mean(-1)
    first = change[:, :1] if change.shape[1] else values.new_zeros(values[:, :1].shape[:-1])
    return torch.cat([first, change], 1).flatten(1)


def motion_scores(intensity: Tensor, uniform: Tensor, tau: float) -> Tensor:
    """Gumbel-top-k keys of motion-aware masking, (P, L) each; the smallest are kept.

    Log-probabilities softmax(I / (tau * max I)) plus Gumbel noise, so that sorting
    draws without replacement (MAMP, motion-aware masking). The division by the
    person's maximum is in the released code alone.
    """
    scaled = intensity / (intensity.amax(-1, keepdim=True) * tau + 1e-10)
    gumbel = -torch.log(-torch.log(uniform + 1e-10) + 1e-10)
    return torch.log_softmax(scaled, -1) + gumbel


def mask_order(tracks: Tensor, segment: int, uniform: Tensor, config: MaskedModellingConfig) -> Tensor:
    """Token ids (P, L) in the order in which they are kept: the first K are seen, the rest hidden.

    ``uniform`` (P, L) decides: alone where masking is random, else by way of :func:`motion_scores`.
    """
    if config.masking is Masking.random or config.tau <= 0:
        return uniform.argsort(-1)
    return motion_scores(motion_intensity(tracks, segment), uniform, config.tau).argsort(-1)


class Decoder(nn.Module):
    """Predicts the values of hidden tokens from the encoder's view of the others.

    It works in the order [seen | hidden], since attention has no order but the
    positions added, so that the hidden part is a slice and nothing is un-shuffled.
    """

    def __init__(self, config: MaskedModellingConfig, dim: int, segments: int, joints: int, values: int) -> None:
        super().__init__()
        width = config.decoder_dim
        self.embed = nn.Linear(dim, width)
        self.mask_token = learned_table(1, 1, width)
        self.time_table = learned_table(segments, width)
        self.joint_table = learned_table(joints, width)
        self.blocks = nn.ModuleList(
            Block(width, config.decoder_heads, config.decoder_mlp_ratio) for _ in range(config.decoder_depth)
        )
        self.norm = nn.LayerNorm(width)
        self.pred = nn.Linear(width, values)
        init_linears(self)

    def forward(self, seen: Tensor, order: Tensor) -> Tensor:
        """(P, K, D) features of the first K tokens of ``order`` (P, L) -> (P, L-K, S) values of the others."""
        embedded = self.embed(seen)
        kept, hidden = embedded.shape[1], order.shape[1] - embedded.shape[1]
        table = (self.time_table[:, None] + self.joint_table).flatten(0, 1)
        positions = table.index_select(0, order.flatten()).reshape(*order.shape, table.shape[1])
        content = torch.cat([embedded, self.mask_token.to(embedded.dtype).expand(order.shape[0], hidden, -1)], 1)
        x = content + positions
        for at, block in enumerate(self.blocks, start=1):
            # Nothing is predicted for the seen tokens, so that the last block need not finish them.
            x = block(x, first=kept if at == len(self.blocks) else 0)
        values: Tensor = self.pred(self.norm(x))
        return values


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
    )

    def __init__(self, config: MaskedModellingConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        if not isinstance(backbone, TokenBackbone) or backbone.joins_persons:
            raise UsageError(
                f"masked_modelling hides single tokens, which backbone {type(backbone).__name__} does not offer"
                " (it has no tokens() and encode()); use a token backbone, for instance --backbone transformer"
            )
        segments, joints = clip.frames // backbone.segment, clip.layout.num_joints
        self.segment, self.num_tokens = backbone.segment, segments * joints
        self.num_kept = int(self.num_tokens * (1 - config.mask_ratio))
        self._require_work()
        self.backbone: Backbone = backbone
        self.decoder = Decoder(config, backbone.dim, segments, joints, backbone.segment * clip.coordinates)

    def _require_work(self) -> None:
        size = (
            f"the {self.num_tokens} tokens of clip.frames={self.clip.frames} and {self.clip.layout.num_joints} joints"
        )
        require(self.num_kept > 0, f"method.mask_ratio={self.config.mask_ratio} keeps none of {size}; lower it")
        require(
            self.num_kept < self.num_tokens,
            f"method.mask_ratio={self.config.mask_ratio} hides none of {size}; raise it",
        )
        require(
            self.config.motion_stride < self.clip.frames
            or Signal.motion not in (self.config.input, self.config.target),
            f"method.motion_stride={self.config.motion_stride} is not shorter than clip.frames={self.clip.frames}",
        )

    def signal(self, tracks: Tensor, signal: Signal) -> Tensor:
        """The tracks themselves, or their motion: (P, T, V, C) -> (P, T, V, C)."""
        return tracks if signal is Signal.joint else motion(tracks, self.config.motion_stride)

    def targets(self, tracks: Tensor, ids: Tensor) -> Tensor:
        """What the tokens with these ids (P, K) hold: (P, T, V, C) -> (P, K, segment*C)."""
        tokens = take_tokens(patchify(self.signal(tracks, self.config.target), self.segment), ids)
        return normalise_tokens(tokens) if self.config.normalise_target else tokens

    def latent(self, tracks: Tensor, keep: Tensor) -> Tensor:
        """Encoder output for the tokens with these ids alone: (P, T, V, C), (P, K) -> (P, K, D)."""
        signal = self.signal(tracks, self.config.input)
        if isinstance(self.backbone, SparseTokenBackbone):
            return self.backbone.encode(self.backbone.kept_tokens(signal, keep))
        assert isinstance(self.backbone, TokenBackbone)
        return self.backbone.encode(self.backbone.tokens(signal), keep)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``masked``: squared error over hidden tokens, summed, and how many there are."""
        batch = views[0]
        if self.config.empty_bodies is EmptyBodies.reference:
            batch = batch.filled(self.clip.persons)
        tracks, noise = batch.tracks, noise.view(0).on(batch)
        self.backbone.bind(noise)
        uniform = noise.uniform("mask", (self.num_tokens,), per="person", dtype=tracks.dtype)
        order = mask_order(tracks, self.segment, uniform, self.config)
        keep, hidden = order[:, : self.num_kept], order[:, self.num_kept :]
        predicted = self.decoder(self.latent(tracks, keep), order)
        target = self.targets(tracks, hidden)
        total = (predicted.to(target.dtype) - target).square().mean(-1).sum()
        return StepOutput({"masked": Term(total, total.new_full((), hidden.numel()))})

    def as_released(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """The step as the released code takes it, which ``sslskel speed --against as_released`` measures."""
        from sslskel.methods.masked_modelling.as_released import released_step

        return released_step(self, views, noise, progress)

    def encoders(self) -> dict[str, Encoder]:
        """One encoder, named for what it is fed: ``joint`` or ``motion``."""
        prepare = unchanged if self.config.input is Signal.joint else partial(motion, stride=self.config.motion_stride)
        return {self.config.input.value: PooledEncoder(self.backbone, self.clip, prepare=prepare)}
