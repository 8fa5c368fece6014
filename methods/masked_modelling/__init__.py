"""Masked modelling of skeletons: hide most space-time tokens, predict what they hold.

One method with independent options; MAMP, SkeletonMAE and the cells between them
are presets in ``configs/method``. The encoder is the backbone of the run.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

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
    motion,
    require,
)
from sslskel.api.encoder import unchanged
from sslskel.methods.masked_modelling.as_released import released_step
from sslskel.methods.masked_modelling.config import MaskedModellingConfig, Signal
from sslskel.methods.masked_modelling.masking import mask_order
from sslskel.nn.token_decoder import DecoderSize, TokenDecoder
from sslskel.nn.token_masks import encode_kept, known_tokens, normalise_tokens, require_kept, require_tokens
from sslskel.nn.transformer_blocks import patchify, take_tokens


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
        tokens = take_tokens(patchify(self.apart(self.signal(tracks, self.config.target)), self.segment), ids)
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
        each = (predicted.to(target.dtype) - target).square().mean(-1)
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
        """The step as the released code takes it, which ``sslskel speed --against as_released`` measures."""
        return released_step(self, views, noise, progress)

    def encoders(self) -> dict[str, Encoder]:
        """One encoder, named for what it is fed: ``joint`` or ``motion``."""
        prepare = unchanged if self.config.input is Signal.joint else partial(motion, stride=self.config.motion_stride)
        return {self.config.input.value: PooledEncoder(self.backbone, self.clip, prepare=prepare)}
