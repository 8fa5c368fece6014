"""AMR: few large patches are predicted by queries that look at what is seen, moving parts before others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

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
    Term,
    motion,
    require,
)
from sslskel.nn.attention import attention
from sslskel.nn.token_masks import SeenTokens, equal_parts, normalise_tokens
from sslskel.nn.transformer_blocks import MLP, init_linears, learned_table, patchify


@dataclass
class AMRConfig:
    """What the description states, and where it is silent, what is marked as ours."""

    mask_ratio: float = 0.9
    """Share of tokens hidden, at random."""
    reduction: int = 6
    """Tokens of a joint in the patch of one query, at least: 125 queries for 750 tokens."""
    windows: list[int] = field(default_factory=lambda: [4, 8, 12])
    """Frames of the windows in which a joint's variance is measured."""
    emphasis: float = 1.0
    """k: how much less what moves little counts; 0 for all alike; ours."""
    decoder_dim: int = 256
    """Width of the decoder; ours, as in MAMP."""
    decoder_depth: int = 3
    """Blocks of the decoder; ours, as in MAMP."""
    decoder_heads: int = 8
    """Attention heads of a block; ours, as in MAMP."""

    def __post_init__(self) -> None:
        require(0 < self.mask_ratio < 1, f"method.mask_ratio is {self.mask_ratio}; it must lie between 0 and 1")
        require(0 <= self.emphasis < math.inf, f"method.emphasis is {self.emphasis}; it must be a number from 0")
        require(
            bool(self.windows) and min(self.windows) >= 2,
            f"method.windows is {self.windows}; it must be numbers of frames from 2, at least one",
        )
        for name in ("reduction", "decoder_dim", "decoder_depth", "decoder_heads"):
            require(getattr(self, name) >= 1, f"method.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.decoder_dim % self.decoder_heads == 0,
            f"method.decoder_dim={self.decoder_dim} is not divisible by method.decoder_heads={self.decoder_heads}",
        )


class CrossBlock(nn.Module):
    """A pre-norm block in which queries attend to what is seen, and not to each other."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm_seen, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.query, self.seen, self.proj = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim), nn.Linear(dim, dim)
        self.mlp = MLP(dim, 4 * dim)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        """(P, Q, D), (P, K, D) -> (P, Q, D)."""
        q = self.query(self.norm1(x)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        k, v = self.seen(self.norm_seen(seen)).unflatten(-1, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        x = x + self.proj(attention(q, k, v).transpose(1, 2).flatten(2))
        changed: Tensor = self.mlp(self.norm2(x))
        return x + changed


class QueryDecoder(nn.Module):
    """One learned query for every stretch of every joint, whatever the encoder's tokens: cross-attention and MLP."""

    def __init__(self, config: AMRConfig, dim: int, stretches: int, joints: int, values: int) -> None:
        super().__init__()
        width = config.decoder_dim
        self.embed = nn.Linear(dim, width)
        self.time_table, self.joint_table = learned_table(stretches, width), learned_table(joints, width)
        self.blocks = nn.ModuleList(CrossBlock(width, config.decoder_heads) for _ in range(config.decoder_depth))
        self.norm, self.pred = nn.LayerNorm(width), nn.Linear(width, values)
        init_linears(self)

    def forward(self, seen: Tensor) -> Tensor:
        """(P, K, D) -> (P, Q, S): S values of each of the Q patches, stretch by stretch."""
        embedded = self.embed(seen)
        x = (self.time_table[:, None] + self.joint_table).flatten(0, 1).expand(len(seen), -1, -1)
        for block in self.blocks:
            x = block(x, embedded)
        values: Tensor = self.pred(self.norm(x))
        return values


def energy(tracks: Tensor, windows: Sequence[int]) -> Tensor:
    """How much a joint moves about a frame: (P, T, V, C) -> (P, T, V), in the squared unit of the tracks.

    The variance within the window in which the frame lies, summed over coordinates; the mean over all window lengths.
    Windows follow each other from the first frame on; the last one may be shorter.
    """
    by_length = []
    for length in windows:
        parts = torch.split(tracks, length, 1)
        spread = [part.var(1, correction=0, keepdim=True).sum(-1).expand(-1, part.shape[1], -1) for part in parts]
        by_length.append(torch.cat(spread, 1))
    return torch.stack(by_length).mean(0)


def emphasis(moved: Tensor, k: float) -> Tensor:
    """Weights 1 / (1 + k * mean(e) / e) of energies e (P, T, V), each person's mean over frames and joints."""
    mean = moved.mean((1, 2), keepdim=True)
    return 1 / (1 + k * mean / (moved + 1e-6))


class AMR(PretextMethod[AMRConfig]):
    """Hide most tokens at random, and predict a clip in patches that are larger than the tokens.

    Sun et al., "Exploring Adaptive Masked Reconstruction for Self-Supervised Skeleton-Based Action Recognition", CVPR
    2026. Written after the description alone: no code was released. ``masked`` is the squared error of all patches,
    each frame of a joint weighed by how much it moves there. That patches hold motion, normalised within each patch
    as in MAMP, is ours, as is the mean to which a joint's movement is compared, over a person's clip, and the mean of
    the movements in windows of several lengths.
    """

    Config = AMRConfig
    card = MethodCard(
        paper=(
            "Sun et al., Exploring Adaptive Masked Reconstruction for Self-Supervised Skeleton-Based Action "
            "Recognition, CVPR 2026"
        ),
        year=2026,
        family="masked prediction",
        described=True,
        protocols=("linear_amr",),
    )

    def __init__(self, config: AMRConfig, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        backbone = build_backbone(clip)
        self.seen = seen = SeenTokens(backbone, clip, "amr", config.mask_ratio, tau=0.0)
        self.stretches = equal_parts(seen.segments, max(1, seen.segments // config.reduction))
        self.frames = clip.frames // self.stretches  # of a patch
        self.decoder = QueryDecoder(config, backbone.dim, self.stretches, seen.joints, self.frames * seen.values)

    def weights(self, batch: Batch) -> Tensor:
        """What each value of a patch counts: (P, Q, S), 0 for joints that a body lacks."""
        moved = emphasis(energy(batch.tracks, self.config.windows), self.config.emphasis)
        if batch.lacks_joints:
            moved = moved * batch.known[:, None]
        alike = self.seen.apart(moved[..., None].expand_as(batch.tracks))
        return patchify(alike, self.frames)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """One term, ``masked``."""
        batch, seen = views[0], self.seen
        draws = noise.view(0).on(batch)
        seen.backbone.bind(draws)
        predicted = self.decoder(seen(batch.tracks, seen.order(batch, draws)[:, : seen.kept]))
        target = normalise_tokens(patchify(seen.apart(motion(batch.tracks)), self.frames))
        weights = self.weights(batch)
        error = weights * (predicted.to(target) - target).square()
        return StepOutput({"masked": Term(error.sum(), (weights > 0).sum())})

    def encoders(self) -> dict[str, Encoder]:
        """The encoder, which protocols show all tokens."""
        return {"joint": PooledEncoder(self.seen.backbone, self.clip)}
