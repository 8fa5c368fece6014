"""A clip as two sequences of tokens, one for each frame and one for each joint, for backbones that read both.

What attends to what within a sequence is the backbone's.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import TypeVar

from sslskel.api.backbone import Backbone, Features
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.errors import UsageError
from sslskel.nn.positions import sinusoids
from sslskel.nn.transformer_blocks import Attention, learned_table


@dataclass
class TwoAxesConfig:
    """Sizes of such a network; defaults are the released ones."""

    width: int = 1024
    """Numbers of a token; a feature has twice as many."""
    heads: int = 1
    """Attention heads; ``width`` is a multiple of them."""
    layers: int = 2
    """Of each axis."""

    def __post_init__(self) -> None:
        for name in ("width", "heads", "layers"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.width % self.heads == 0, f"backbone.width={self.width} is not divisible by backbone.heads={self.heads}"
        )


class Axes(NamedTuple):
    """Tokens of N clips along both axes."""

    frames: Tensor
    """(N, T, W)."""
    joints: Tensor
    """(N, M*V, W), person by person."""

    def largest(self) -> Axes:
        """The largest of each number over an axis: (N, W) twice."""
        return Axes(self.frames.amax(1), self.joints.amax(1))

    def side_by_side(self) -> Tensor:
        """(..., W) twice -> (..., 2 * W)."""
        return torch.cat(self, -1)


def embedding_of(numbers: int, width: int) -> nn.Sequential:
    """(..., numbers) -> (..., width): two linear layers with a norm and ReLU between them."""
    return nn.Sequential(nn.Linear(numbers, width), nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, width))


class AxesEmbedding(nn.Module):
    """All joints of a frame as a token, and all frames of a joint; raises ``UsageError`` for clips of other sizes."""

    def __init__(self, clip: ClipSpec, width: int) -> None:
        super().__init__()
        self.clip_shape = (clip.frames, clip.persons * clip.layout.num_joints, clip.coordinates)
        frames, joints, coordinates = self.clip_shape
        self.frames = embedding_of(joints * coordinates, width)
        self.joints = embedding_of(frames * coordinates, width)

    def forward(self, tracks: Tensor) -> Axes:
        """(N, T, M*V, C) -> (N, T, W) and (N, M*V, W)."""
        if tuple(tracks.shape[1:]) != self.clip_shape:
            expected, actual = (" x ".join(map(str, shape)) for shape in (self.clip_shape, tracks.shape[1:]))
            raise UsageError(
                f"this network reads clips of {expected} (frames x joints of all persons x coordinates), but was given"
                f" {actual}"
            )
        return Axes(self.frames(tracks.flatten(2)), self.joints(tracks.transpose(1, 2).flatten(2)))


def attention_of(width: int, heads: int) -> Attention:
    """Attention whose weights start as those of ``nn.MultiheadAttention``."""
    made = Attention(width, heads, qkv_bias=True)
    nn.init.xavier_uniform_(made.qkv.weight)
    for layer in (made.qkv, made.proj):
        nn.init.zeros_(layer.bias)
    return made


AxesConfigT = TypeVar("AxesConfigT", bound=TwoAxesConfig, default=TwoAxesConfig, covariant=True)


class AxesBackbone(Backbone[AxesConfigT]):
    """Tokens of frames and of joints, each through layers of their own; T' = T, V' = 1, D = 2 * width.

    The feature of a clip is the largest of each number over frames, and over joints behind it. At a frame it is the
    frame's token, and joints averaged to as many as there are frames, in their order, as released for detection.
    """

    joins_persons = True
    time_table: Tensor

    def __init__(self, config: AxesConfigT, clip: ClipSpec, *, joint_positions: bool = True) -> None:
        super().__init__(config, clip)
        self.clip, self.width, self.dim = clip, config.width, 2 * config.width
        self.embed = self.embedding()
        self.register_buffer("time_table", sinusoids(config.width, clip.frames).T.contiguous(), persistent=False)
        joints = clip.persons * clip.layout.num_joints
        self.joint_table = learned_table(1, joints, config.width) if joint_positions else None

    def embedding(self) -> AxesEmbedding:
        """A new embedding of such clips, for instance for another stream."""
        return AxesEmbedding(self.clip, self.width)

    def placed(self, axes: Axes) -> Axes:
        """Tokens with their positions added."""
        frames = axes.frames + self.time_table.to(axes.frames.dtype)
        return Axes(frames, axes.joints if self.joint_table is None else axes.joints + self.joint_table)

    @abstractmethod
    def encode(self, axes: Axes) -> Axes:
        """Embedded tokens -> tokens behind all layers."""

    def features(self, axes: Axes) -> Features:
        """What protocols see of tokens behind all layers."""
        frames = axes.frames.shape[1]
        joints = functional.adaptive_avg_pool1d(axes.joints.transpose(1, 2), frames).transpose(1, 2)
        grid = Axes(axes.frames, joints).side_by_side()
        return Features(grid[:, :, None], axes.largest().side_by_side())

    def forward(self, tracks: Tensor) -> Features:
        """(N, T, M*V, C) -> (N, T, 1, 2 * width), and (N, 2 * width) as its token."""
        return self.features(self.encode(self.embed(tracks)))
