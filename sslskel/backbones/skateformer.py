"""SkateFormer (Do and Kim, "SkateFormer: Skeletal-Temporal Transformer for Human Action Recognition", ECCV 2024).

All joints of all persons in one sequence: graph convolution, convolution over time, and attention in windows of
neighbouring or distant frames and joints. Sizes and the order of NTU's joints are those of the released code.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sslskel.api.backbone import Backbone
from sslskel.api.devices import constant
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.api.unbound import Unbound
from sslskel.api.view import ClipSpec
from sslskel.config.groups import Fidelity, require
from sslskel.errors import UsageError
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.dropout import dropped
from sslskel.nn.transformer_blocks import MLP

ORDER = {NTU25.name: (6, 7, 21, 22, 10, 11, 23, 24, 12, 13, 14, 15, 16, 17, 18, 19, 4, 8, 5, 9, 1, 2, 0, 3)}
"""Joints that the network reads, by layout: of NTU's body six groups of four, without the one between the shoulders."""


@dataclass
class SkateFormerConfig:
    """Sizes of the network; defaults are those of the released code."""

    stem_dim: int = 96
    """Channels of the first stage, a multiple of 8 times ``heads``."""
    channels: list[int] = field(default_factory=list)
    """Channels of each stage; empty for ``stem_dim`` times 1, 2, 2, 2. From the second stage on, time is halved."""
    depths: list[int] = field(default_factory=lambda: [2, 2, 2, 2])
    """Blocks of each stage."""
    heads: int = 4
    """Of each of the four kinds of attention; an eighth of the number in released scripts."""
    mlp_ratio: float = 4.0
    """Hidden units of an MLP, as a multiple of its stage's channels."""
    kernel: int = 7
    """Frames that a convolution over time spans."""
    window: int = 8
    """Frames of an attention window; fewer where a stage's frames are no multiple."""
    near: int = 8
    """Joints of a window of neighbouring joints; fewer where all joints are no multiple."""
    far: int = 12
    """Joints of a window of distant joints; fewer where all joints are no multiple."""
    sinusoids: bool = True
    """Whether a frame's place in the clip scales a table for joints; without, each frame has a table of its own."""
    fidelity: Fidelity = Fidelity.released
    """Over neighbouring joints ``released`` takes the bias of the wrong pair of tokens, ``paper`` that of the frames
    between two tokens."""
    dropout: float = 0.0
    """Share of attention weights dropped in training; 0.5 in released trainings."""
    drop_path: float = 0.0
    """Chance of skipping the last block's branches in training, rising to it linearly from 0; 0.2 as released."""

    def __post_init__(self) -> None:
        for name in ("stem_dim", "heads", "kernel", "window", "near", "far"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.kernel % 2 == 1, f"backbone.kernel is {self.kernel}; it must be an odd number")
        for name in ("dropout", "drop_path"):
            require(0 <= getattr(self, name) < 1, f"backbone.{name} is {getattr(self, name)}; it must be in [0, 1)")
        require(
            0 < self.mlp_ratio < math.inf and self.stem_dim * self.mlp_ratio >= 1,
            f"backbone.mlp_ratio is {self.mlp_ratio}; the hidden layer needs at least one unit",
        )
        require(
            len(self.depths) == len(self.sizes) and min(self.depths, default=0) >= 1,
            f"backbone.depths is {self.depths}; it needs a number from 1 for each of the {len(self.sizes)} stages",
        )
        require(
            all(size >= 1 and size % (8 * self.heads) == 0 for size in self.sizes),
            f"backbone.channels is {self.sizes}; each stage needs a multiple of 8 * backbone.heads={8 * self.heads}",
        )
        require(
            self.sizes[0] == self.stem_dim,
            f"backbone.channels begins with {self.sizes[0]}, but the first stage has backbone.stem_dim={self.stem_dim}",
        )

    @property
    def sizes(self) -> list[int]:
        """Channels of each stage."""
        return self.channels or [self.stem_dim * times for times in (1, 2, 2, 2)]


class Windows(NamedTuple):
    """A way to cut frames and joints into windows."""

    frames: int
    joints: int
    frames_apart: bool
    """Whether a window's frames lie as far apart as they can, not side by side."""
    joints_apart: bool

    def cut(self, x: Tensor) -> Tensor:
        """(N, T, L, C) -> (N, W, frames * joints, C), token n being frame n // joints and joint n % joints."""
        rows, frames, joints, channels = x.shape
        wide, tall = frames // self.frames, joints // self.joints
        x = x.reshape(rows, *((self.frames, wide) if self.frames_apart else (wide, self.frames)), joints, channels)
        x = x.transpose(1, 2) if self.frames_apart else x
        inner = (self.joints, tall) if self.joints_apart else (tall, self.joints)
        x = x.reshape(rows, wide, self.frames, *inner, channels)
        x = x.permute(0, 1, 4, 2, 3, 5) if self.joints_apart else x.permute(0, 1, 3, 2, 4, 5)
        return x.reshape(rows, wide * tall, self.frames * self.joints, channels)

    def joined(self, windows: Tensor, frames: int, joints: int) -> Tensor:
        """What :meth:`cut` took apart: (N, W, frames * joints, C) -> (N, T, L, C)."""
        rows, channels = len(windows), windows.shape[-1]
        wide, tall = frames // self.frames, joints // self.joints
        x = windows.reshape(rows, wide, tall, self.frames, self.joints, channels)
        x = x.permute(0, 1, 3, 4, 2, 5) if self.joints_apart else x.permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(rows, wide, self.frames, joints, channels)
        x = x.transpose(1, 2) if self.frames_apart else x
        return x.reshape(rows, frames, joints, channels)


class WindowAttention(nn.Module):
    """Attention within windows, with a bias for each pair of tokens (section 3.2).

    ``near``: one for each distance of frames; otherwise one for each distance and pair of joints.
    """

    frames_between: Tensor
    joint: Tensor

    def __init__(self, windows: Windows, heads: int, fidelity: Fidelity) -> None:
        super().__init__()
        self.windows, self.heads = windows, heads
        reach = 2 * windows.frames - 1
        count = windows.frames * windows.joints
        shape = (reach, windows.joints, windows.joints, heads) if windows.joints_apart else (reach, heads)
        self.bias = nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))
        token = torch.arange(count)
        # Released code takes a token's number modulo the window's frames for its frame (types 1 and 3).
        wrong = fidelity is Fidelity.released and not windows.joints_apart
        frame = token % windows.frames if wrong else token // windows.joints
        between = frame[:, None] - frame + windows.frames - 1
        self.register_buffer("frames_between", between, persistent=False)
        self.register_buffer("joint", token % windows.joints, persistent=False)

    def pairs(self) -> Tensor:
        """The bias of each pair of tokens, (H, L, L)."""
        if self.windows.joints_apart:
            return self.bias[self.frames_between, self.joint[:, None], self.joint].permute(2, 0, 1)
        return self.bias[self.frames_between].permute(2, 0, 1)

    def forward(self, x: Tensor, rate: float, noise: Noise | None, site: str) -> Tensor:
        """(N, T, L, 3C) of queries, keys and values -> (N, T, L, C)."""
        frames, joints = x.shape[1:3]
        cut = self.windows.cut(x)
        q, k, v = cut.reshape(*cut.shape[:3], 3, self.heads, -1).permute(3, 0, 1, 4, 2, 5)
        weights = (q * self.heads**-0.5) @ k.transpose(-2, -1)
        weights = (weights + self.pairs().to(weights.dtype)).softmax(-1)
        if noise is not None:
            weights = dropped(weights, rate, noise, site)
        mixed = (weights.to(v.dtype) @ v).transpose(2, 3).flatten(3)
        return self.windows.joined(mixed, frames, joints)


class SkateBlock(nn.Module):
    """Six branches side by side with a way around, then two layers for each token with a way around."""

    def __init__(self, dim: int, frames: int, joints: int, config: SkateFormerConfig, site: str) -> None:
        super().__init__()
        self.rate, self.site, self.dim = config.dropout, site, dim
        groups = 2 * config.heads
        self.norm = nn.LayerNorm(dim)
        self.spread = nn.Linear(dim, 2 * dim)
        self.graph = nn.Parameter(nn.init.trunc_normal_(torch.empty(groups, joints, joints), std=0.02))
        span = (config.kernel, 1), 1, (config.kernel // 2, 0)
        self.temporal = nn.Conv2d(dim // 4, dim // 4, *span, groups=groups)
        window, near, far = (
            math.gcd(most, all_of)
            for most, all_of in ((config.window, frames), (config.near, joints), (config.far, joints))
        )
        self.attention = nn.ModuleList(
            WindowAttention(Windows(window, far if apart else near, late, apart), config.heads, config.fidelity)
            for late in (False, True)
            for apart in (False, True)
        )
        self.project = nn.Linear(dim, dim)
        self.second_norm = nn.LayerNorm(dim)
        self.mlp = MLP(dim, round(dim * config.mlp_ratio))

    def branches(self, x: Tensor, noise: Noise | None) -> Tensor:
        """(N, T, L, C) -> (N, T, L, C), before the projection."""
        graph, temporal, *attended = self.spread(self.norm(x)).split([self.dim // 4] * 2 + [3 * self.dim // 8] * 4, -1)
        parts = graph.unflatten(-1, (len(self.graph), -1))
        out = [torch.einsum("ntugc,gvu->ntvgc", parts, self.graph.to(parts.dtype)).flatten(3)]
        out.append(self.temporal(temporal.permute(0, 3, 1, 2)).permute(0, 2, 3, 1))
        for at, (attention, part) in enumerate(zip(self.attention, attended, strict=True)):
            out.append(attention(part, self.rate, noise, f"{self.site}.{at}"))
        return torch.cat(out, -1)

    def forward(self, x: Tensor, noise: Noise | None, kept: Tensor | None) -> Tensor:
        """(N, T, L, C) -> (N, T, L, C); ``kept`` (2, N, 1, 1, 1) scales what the two halves add."""
        mixed = self.project(self.branches(x, noise))
        x = x + (mixed if kept is None else kept[0] * mixed)
        changed: Tensor = self.mlp(self.second_norm(x))
        return x + (changed if kept is None else kept[1] * changed)


class Halved(nn.Module):
    """A convolution over time that halves it, and batch norm."""

    def __init__(self, channels: int, out: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, (kernel, 1), (2, 1), (kernel // 2, 0))
        self.norm = GlobalBatchNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, L, C) -> (N, T', L, C')."""
        out: Tensor = self.norm(self.conv(x.permute(0, 3, 1, 2)))
        return out.permute(0, 2, 3, 1)


class SkateFormer(Backbone[SkateFormerConfig]):
    """Stages of blocks over all persons of a clip; T' = T / 8, rounded up at each halving, V' = M * joints read.

    Of NTU's body 24 joints are read, of others all. Frames are evenly spaced between -1 and 1 unless a caller names
    their places: released code samples frames unevenly and hands their places over. Raises ``UsageError`` for clips of
    other frames.
    """

    Config = SkateFormerConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "quick": {"stem_dim": 16, "depths": [1, 1, 1, 1], "heads": 2},
        "cpu": {"stem_dim": 32, "depths": [1, 1, 1, 1], "heads": 2},
    }
    joins_persons = True
    batch_statistics = True
    order: Tensor

    def __init__(self, config: SkateFormerConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        sizes, numbers, count = config.sizes, clip.coordinates, clip.layout.num_joints
        read = ORDER.get(clip.layout.name, tuple(range(count)))
        order = [person * count + joint for person in range(clip.persons) for joint in read]
        self.register_buffer("order", torch.tensor(order), persistent=False)
        self.frames, self.dim, self.depths = clip.frames, sizes[-1], config.depths
        self.sinusoids, self.dropout = config.sinusoids, config.dropout
        layers = [nn.Conv2d(a, b, 1) for a, b in pairwise((numbers, 2 * numbers, 3 * numbers, config.stem_dim))]
        self.stem = nn.Sequential(layers[0], nn.GELU(), layers[1], nn.GELU(), layers[2])
        shape = (1 if config.sinusoids else clip.frames, len(order), config.stem_dim)
        self.table = nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))
        self.halved, self.stages, frames = nn.ModuleList(), nn.ModuleList(), clip.frames
        for stage, (channels, out) in enumerate(pairwise([config.stem_dim, *sizes])):
            if stage:
                self.halved.append(Halved(channels, out, config.kernel))
                frames = (frames + 1) // 2
            self.stages.append(
                nn.ModuleList(
                    SkateBlock(out, frames, len(order), config, f"skateformer.dropout.{stage}.{at}")
                    for at in range(config.depths[stage])
                )
            )
        self.set_drop_path(config.drop_path)
        self._noise: Noise | None = None

    def bind(self, noise: Noise) -> None:
        """Draw the drop path and dropout of the following training passes from this noise, bound to their batch."""
        self._noise = noise

    def set_drop_path(self, rate: float) -> bool:
        """Chance of skipping the last block's branches; earlier blocks rise to it linearly from 0."""
        depth = sum(self.depths)
        self.drop_rates = [rate * at / max(depth - 1, 1) for at in range(depth)]
        return depth > 1

    def _kept(self, x: Tensor) -> Tensor | None:
        """Drop-path factors (depth, 2, N, 1, 1, 1) of a training pass, 0 or 1/(1 - rate)."""
        if not self.training or not (self.drop_rates[-1] or self.dropout):
            return None
        if self._noise is None:
            raise Unbound(self, "backbone.drop_path" if self.drop_rates[-1] else "backbone.dropout")
        rates = constant(tuple(self.drop_rates), x.device, x.dtype)[:, None]
        draws = self._noise.uniform("drop_path", (len(self.drop_rates), 2), per="person").to(x.dtype)
        return ((draws >= rates) / (1 - rates)).permute(1, 2, 0)[..., None, None, None]

    def _placed(self, x: Tensor, places: Tensor | None) -> Tensor:
        """(N, T, L, C), places (N, T) of the frames in [-1, 1] -> what is added to tell frames and joints apart."""
        if not self.sinusoids:
            return self.table
        if places is None:
            places = (2 * torch.arange(self.frames, device=x.device) / self.frames - 1)[None]
        step = torch.arange(0, x.shape[-1], 2, device=x.device)
        angles = places[..., None].to(self.table.dtype) * torch.exp(step * -(math.log(10000.0) / x.shape[-1]))
        waves = torch.stack([angles.sin(), angles.cos()], -1).flatten(2)
        placed: Tensor = waves[:, :, None, : x.shape[-1]] * self.table
        return placed

    def forward(self, tracks: Tensor, places: Tensor | None = None) -> Tensor:
        """(N, T, M*V, C) [and (N, T) places of its frames in their clip, in [-1, 1]] -> (N, T', L, D)."""
        if tracks.shape[1] != self.frames:
            raise UsageError(f"this SkateFormer reads {self.frames} frames, but was given {tracks.shape[1]}")
        x: Tensor = self.stem(tracks.index_select(2, self.order).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        x = x + self._placed(x, places)
        kept, at = self._kept(x), 0
        noise = self._noise if self.training and self.dropout else None
        for stage, blocks in enumerate(self.stages):
            x = x if stage == 0 else self.halved[stage - 1](x)
            for block in blocks.children():
                x = block(x, noise, None if kept is None else kept[at])
                at += 1
        return x
