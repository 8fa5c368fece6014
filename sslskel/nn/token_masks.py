"""Which tokens of a clip are hidden, and features of those that are seen; for methods on token backbones.

Letters: P persons, T frames, V joints, C coordinates, L tokens of a person, K that are seen, D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone, SparseTokenBackbone, TokenBackbone
from sslskel.api.batch import Batch
from sslskel.api.noise import Noise
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.nn.transformer_blocks import patchify


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


def keep_order(tracks: Tensor, segment: int, uniform: Tensor, tau: float, known: Tensor | None = None) -> Tensor:
    """Token ids (P, L) in the order in which they are kept: the first K are seen, the rest hidden.

    ``uniform`` (P, L) decides: alone where ``tau`` is 0 or less, else by way of :func:`motion_scores`. Tokens that
    are not ``known``, (P, L) bool, come last.
    """
    if tau <= 0:
        keys = uniform
    else:
        intensity = motion_intensity(tracks, segment)
        # A joint that a body lacks stands where another one is, whose motion must not count twice.
        intensity = intensity if known is None else intensity * known
        keys = motion_scores(intensity, uniform, tau)
    return (keys if known is None else keys.masked_fill(~known, torch.inf)).argsort(-1)


def known_tokens(batch: Batch, tokens: int, kept: int, mask_ratio: float) -> Tensor | None:
    """(P, L) bool, which of L tokens are of joints that the bodies have; None for all.

    Raises ``UsageError`` where a body lacks so many joints that the ``kept`` tokens are all it has.
    """
    if not batch.lacks_joints:
        return None
    segments = tokens // batch.known.shape[1]
    fewest = segments * int(batch.known.sum(1).min())
    require(
        fewest > kept,
        f"method.mask_ratio={mask_ratio} keeps {kept} tokens, but the body that lacks most joints has {fewest}; raise"
        " it",
    )
    return batch.known.repeat(1, segments)


def require_tokens(backbone: Backbone, who: str) -> None:
    """Raise ``UsageError`` where a method of this name cannot hide single tokens of the backbone."""
    if not isinstance(backbone, TokenBackbone) or backbone.joins_persons:
        raise UsageError(
            f"{who} hides single tokens, which backbone {type(backbone).__name__} does not offer"
            " (it has no tokens() and encode()); use a token backbone, for instance --backbone transformer"
        )
    if backbone.reads_validity:
        raise UsageError(
            f"{who} hides tokens of whole tracks, padding included, but backbone"
            f" {type(backbone).__name__} asks which frames are valid; use one that does not read validity"
        )


def require_kept(kept: int, tokens: int, mask_ratio: float, clip: ClipSpec) -> None:
    """Raise ``UsageError`` where none of the tokens are seen, or none hidden."""
    size = f"the {tokens} tokens of clip.frames={clip.frames} and {clip.layout.num_joints} joints"
    require(kept > 0, f"method.mask_ratio={mask_ratio} keeps none of {size}; lower it")
    require(kept < tokens, f"method.mask_ratio={mask_ratio} hides none of {size}; raise it")


def encode_kept(backbone: Backbone, tracks: Tensor, keep: Tensor) -> Tensor:
    """Output of a token backbone for the tokens with these ids alone: (P, T, V, C), (P, K) -> (P, K, D)."""
    if isinstance(backbone, SparseTokenBackbone):
        return backbone.encode(backbone.kept_tokens(tracks, keep))
    assert isinstance(backbone, TokenBackbone)
    return backbone.encode(backbone.tokens(tracks), keep)


class SeenTokens(nn.Module):
    """A token backbone, of which ``mask_ratio`` of every person's tokens are hidden; (P, T, V, C), (P, K) -> (P, K, D).

    ``tau`` is the temperature of motion-aware masking; 0 masks at random. Raises ``UsageError`` for backbones and
    shares that leave nothing to hide or to see.
    """

    def __init__(self, backbone: Backbone, clip: ClipSpec, who: str, mask_ratio: float, tau: float) -> None:
        super().__init__()
        require_tokens(backbone, who)
        assert isinstance(backbone, TokenBackbone)
        self.backbone: Backbone = backbone
        self.segment, self.joins_joints = backbone.segment, backbone.joins_joints
        self.mask_ratio, self.tau = mask_ratio, tau
        self.segments, self.joints = clip.frames // self.segment, 1 if self.joins_joints else clip.layout.num_joints
        self.tokens = self.segments * self.joints
        self.kept = int(self.tokens * (1 - mask_ratio))
        require_kept(self.kept, self.tokens, mask_ratio, clip)
        self.values = clip.layout.num_joints * clip.coordinates // self.joints
        """Numbers of a frame that a token covers."""

    def apart(self, tracks: Tensor) -> Tensor:
        """Tracks by what a token covers: (P, T, V, C), or (P, T, 1, V*C) where tokens cover all joints."""
        return tracks.flatten(2)[:, :, None] if self.joins_joints else tracks

    def known(self, batch: Batch) -> Tensor | None:
        """(P, L) bool, which tokens are of joints that the bodies have; None for all, and where tokens cover all."""
        return None if self.joins_joints else known_tokens(batch, self.tokens, self.kept, self.mask_ratio)

    def order(self, batch: Batch, draws: Noise) -> Tensor:
        """Token ids (P, L), seen ones first, with noise that is bound to the batch. Noise site: ``mask``."""
        uniform = draws.uniform("mask", (self.tokens,), per="person", dtype=batch.tracks.dtype)
        return keep_order(self.apart(batch.tracks), self.segment, uniform, self.tau, self.known(batch))

    def forward(self, tracks: Tensor, keep: Tensor) -> Tensor:
        """Features of the tokens with these ids alone: (P, T, V, C), (P, K) -> (P, K, D)."""
        return encode_kept(self.backbone, tracks, keep)


def placed(table: Tensor, ids: Tensor) -> Tensor:
    """The rows of a table (L, D) with these ids: (P, K) -> (P, K, D)."""
    return table.index_select(0, ids.flatten()).reshape(*ids.shape, table.shape[1])


def equal_parts(segments: int, most: int) -> int:
    """The largest number of equal parts of so many segments that is at most ``most``; at least 1."""
    return next(parts for parts in range(max(1, min(most, segments)), 0, -1) if segments % parts == 0)


HIDDEN, EXCHANGED = 0.8, 0.9
"""Below the first a chosen joint becomes (1, 1, 1), below the second another joint, else it stays."""


def masked_joints(tracks: Tensor, valid: Tensor, lengths: Tensor, ratio: float, noise: Noise) -> tuple[Tensor, Tensor]:
    """Joints of single frames hidden, exchanged or left, as words in BERT (Hi-TRS): (P, T, V, C), and which, (P, T, V).

    ``valid`` (P, T) and ``lengths`` (P,) say which frames there are; ``ratio`` is the share of joints that are chosen.
    Noise sites: ``mask.chosen``, ``mask.kind`` (U[0, 1), (P, T, V)), ``mask.frame``, ``mask.joint`` (another one of the
    rest).
    """
    _, frames, joints, _ = tracks.shape
    shape = (frames, joints)
    chosen = (noise.uniform("mask.chosen", shape) < ratio) & valid[..., None]
    kind = noise.uniform("mask.kind", shape)
    other = noise.integers("mask.frame", (lengths - 1).clamp(min=1)[:, None, None], shape)
    other = other + (other >= torch.arange(frames, device=other.device)[:, None])
    other = torch.minimum(other, (lengths - 1).clamp(min=0)[:, None, None])
    joint = noise.integers("mask.joint", max(joints - 1, 1), shape)
    joint = (joint + (joint >= torch.arange(joints, device=joint.device))).clamp(max=joints - 1)
    rows = torch.arange(len(tracks), device=tracks.device)[:, None, None]
    changed = torch.where((kind < HIDDEN)[..., None], torch.ones_like(tracks), tracks[rows, other, joint])
    return torch.where((chosen & (kind < EXCHANGED))[..., None], changed, tracks), chosen
