"""The hierarchical transformer of Hi-TRS (Chen et al., ECCV 2022): joints of a frame, frames of a window, windows.

What it learns to predict is the method's; how a sequence is cut is in ``sslskel.nn.windows``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone, Features, mean_over_time
from sslskel.api.noise import Noise
from sslskel.api.unbound import Unbound
from sslskel.api.view import ClipSpec
from sslskel.config.groups import Fidelity, require
from sslskel.errors import UsageError
from sslskel.nn.lengths import last_valid
from sslskel.nn.masked_attention import Dropout, MaskedAttention
from sslskel.nn.windows import Windows, padded, taken

MOST_WINDOWS = 200
"""Positions of the released table."""


@dataclass
class HierarchicalConfig:
    """Sizes of the network; defaults are the released ones."""

    width: int = 128
    """Of a joint in a frame; windows have twice, sequences four times as many."""
    heads: int = 8
    """Attention heads of a layer."""
    head_width: int = 64
    """Numbers that an attention head compares."""
    layers: int = 3
    """At each of the three levels."""
    dropout: float = 0.0
    """Of what layers add; 0.2 as released."""
    window: int = 7
    """Frames of a window, an odd number."""
    stride: int = 7
    """Frames from one window's beginning to the next one's."""
    dilation: int = 2
    """Frames from one frame of a window to the next one."""
    fidelity: Fidelity = Fidelity.released
    """As released a last window that is short is read twice; with the released windows there is none."""

    def __post_init__(self) -> None:
        for name in ("width", "heads", "head_width", "layers", "stride", "dilation"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(self.width % 2 == 0, f"backbone.width is {self.width}; positions need an even number")
        require(
            self.window >= 3 and self.window % 2 == 1,
            f"backbone.window is {self.window}; it must be odd and at least 3, so that a window has a middle",
        )
        require(0 <= self.dropout < 1, f"backbone.dropout is {self.dropout}; it must be in [0, 1)")


def waves(count: int, width: int) -> Tensor:
    """(count, width) sines and cosines of falling frequency (Vaswani et al. 2017); ``width`` is even."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(count)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], 2).flatten(1)


class HierarchicalLayer(nn.Module):
    """Attention, then two linear layers, each behind a norm and added to its input."""

    def __init__(self, dim: int, hidden: int, config: HierarchicalConfig, site: str) -> None:
        super().__init__()
        self.norm1, self.norm2, self.site = nn.LayerNorm(dim), nn.LayerNorm(dim), site
        self.attn = MaskedAttention(dim, config.heads, config.head_width, bias=False)
        self.fc1, self.fc2 = nn.Linear(dim, hidden), nn.Linear(hidden, dim)

    def forward(self, x: Tensor, hidden: Tensor | None, drop: Dropout) -> Tensor:
        """(R, L, D) -> (R, L, D); ``hidden`` as of ``MaskedAttention``."""
        x = x + drop(self.attn(self.norm1(x), hidden), f"{self.site}.attention")
        return x + drop(self.fc2(functional.gelu(self.fc1(self.norm2(x)))), f"{self.site}.mlp")


class Hierarchical(Backbone[HierarchicalConfig]):
    """Three transformers, each over what the one before gives; a ``WindowBackbone``.

    T' is the number of windows, V' = 1; the feature of a row is the token of the third, and the levels ``frames`` and
    ``windows`` are means of the first and the second. Invalid frames are read as zeros, and a sequence ends with its
    last valid frame. Raises ``UsageError`` for clips of more windows than positions, and at the first pass over clips
    of another shape.
    """

    Config = HierarchicalConfig
    presets = MappingProxyType(
        {
            "cpu": {"width": 16, "heads": 4, "head_width": 8, "layers": 2},
            "quick": {"width": 16, "heads": 2, "head_width": 8, "layers": 1},
        }
    )
    reads_validity = True
    crowd: Tensor

    def __init__(self, config: HierarchicalConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.cut = Windows(config.window, config.stride, config.dilation)
        self.twice, self.dropout = config.fidelity is Fidelity.released, config.dropout
        most = int(self.cut.count(torch.tensor(clip.frames, device="cpu"))) + self.twice
        require(
            most <= MOST_WINDOWS,
            f"clip.frames={clip.frames} has {most} windows, but there are {MOST_WINDOWS} positions; use fewer frames"
            " or a larger backbone.stride",
        )
        self.most = most
        joints, frame = clip.layout.num_joints, config.width
        self.track_shape = (clip.frames, joints, clip.coordinates)
        self.widths = (frame, 2 * frame, 4 * frame)
        self.dim = 4 * frame
        self.levels = {"frames": frame, "windows": 2 * frame}
        self.embed = nn.Sequential(nn.Linear(clip.coordinates, frame), nn.GELU(), nn.LayerNorm(frame))
        self.widen = nn.ModuleList([nn.Linear(frame, 2 * frame), nn.Linear(2 * frame, 4 * frame)])
        self._set_positions(config.window, joints, frame)

        def stack(dim: int, hidden: int, name: str) -> nn.ModuleList:
            sites = (f"hierarchical.{name}.{at}" for at in range(config.layers))
            return nn.ModuleList(HierarchicalLayer(dim, hidden, config, site) for site in sites)

        self.over_joints = stack(frame, frame, "joints")
        self.over_frames = stack(2 * frame, frame, "frames")
        self.over_windows = stack(4 * frame, 2 * frame, "windows")
        self._noise: Noise | None = None

    def _set_positions(self, window: int, joints: int, frame: int) -> None:
        """Tables that start as waves, tokens, and who does not see whom within a window."""
        self.joint_table = nn.Parameter(waves(joints, frame))
        when = waves(window, frame)[:, None].expand(-1, joints, -1)
        where = waves(joints, frame).expand(window, -1, -1)
        self.window_table = nn.Parameter(torch.cat([when, where], 2))
        self.sequence_table = nn.Parameter(waves(MOST_WINDOWS, 4 * frame))
        self.window_token = nn.Parameter(torch.rand(1, 1, 2 * frame))
        self.sequence_token = nn.Parameter(torch.rand(1, 1, 4 * frame))
        # The token, which is last, has a frame of its own.
        of_frame = torch.cat([torch.arange(window).repeat_interleave(joints), torch.tensor([-1])])
        crowd = (of_frame[:, None] == of_frame) & ~torch.eye(len(of_frame), dtype=torch.bool)
        self.register_buffer("crowd", crowd[None, None], persistent=False)

    def bind(self, noise: Noise) -> None:
        """Draw the dropout of the following training passes from this noise, bound to their batch."""
        self._noise = noise

    def layers(self) -> list[list[nn.Parameter]]:
        """The three levels."""
        levels: list[list[nn.Parameter]] = [[], [], []]
        first = ("embed.", "joint_table", "over_joints.")
        second = ("widen.0.", "window_", "over_frames.")
        for name, parameter in self.named_parameters():
            levels[0 if name.startswith(first) else 1 if name.startswith(second) else 2].append(parameter)
        return levels

    def frame_features(self, tracks: Tensor) -> Tensor:
        """(P, T, V, C) -> (P, T, V, D1)."""
        x: Tensor = self.embed(tracks).flatten(0, 1) + self.joint_table
        return self._through(self.over_joints, x, None, len(tracks)).reshape(*tracks.shape[:3], self.widths[0])

    def window_features(self, frames: Tensor) -> Tensor:
        """(P, K, w, V, D1) -> (P, K, D2). Within its frame a joint sees itself alone, as released."""
        x = (self.widen[0](frames) + self.window_table).flatten(0, 1).flatten(1, 2)
        x = torch.cat([x, self.window_token.expand(len(x), -1, -1)], 1)
        mixed = self._through(self.over_frames, x, self.crowd, len(frames))
        return mixed[:, -1].reshape(*frames.shape[:2], self.widths[1])

    def sequence_features(self, windows: Tensor, hidden: Tensor) -> Tensor:
        """(P, K, W, D2), (P, W) bool, True for no window -> (P, K, W + 1, D3), the whole sequence's last."""
        persons, orders, count = windows.shape[:3]
        x = (self.widen[1](windows) + self.sequence_table[:count]).flatten(0, 1)
        x = torch.cat([x, self.sequence_token.expand(len(x), -1, -1)], 1)
        unseen = functional.pad(hidden, (0, 1)).repeat_interleave(orders, 0)[:, None, None]
        mixed = self._through(self.over_windows, x, unseen, persons)
        return mixed.reshape(persons, orders, count + 1, self.widths[2])

    def _through(self, layers: nn.ModuleList, x: Tensor, hidden: Tensor | None, persons: int) -> Tensor:
        drops = self.training and self.dropout > 0
        if drops and self._noise is None:
            raise Unbound(self, "backbone.dropout")
        drop = Dropout(self.dropout, self._noise if drops else None, persons)
        for layer in layers:
            x = layer(x, hidden, drop)
        return x

    def windows(self, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """(P,) frames of sequences -> frames (P, W, w) of their windows, and (P, W) bool, True for no window."""
        slots, count = torch.arange(self.most, device=lengths.device), self.cut.count(lengths)
        begin = torch.minimum(slots, count[:, None] - 1) * self.cut.stride
        hidden = slots >= (count + self.cut.short(lengths) * self.twice)[:, None]
        return self.cut.inside(begin, lengths), hidden

    def forward(self, tracks: Tensor, valid: Tensor) -> Features:  # type: ignore[override]  # reads validity
        """(P, T, V, C), (P, T) -> grid (P, W, 1, D3), token (P, D3), and two levels."""
        if tuple(tracks.shape[1:]) != self.track_shape:
            expected, actual = (" x ".join(map(str, shape)) for shape in (self.track_shape, tracks.shape[1:]))
            raise UsageError(
                f"this network reads tracks of {expected} (frames x joints x coordinates), but was given {actual}"
            )
        frames = self.frame_features(padded(tracks, valid, self.cut))
        at, hidden = self.windows(last_valid(valid))
        windows = self.window_features(taken(frames, at))
        sequence = self.sequence_features(windows[:, None], hidden)[:, 0]
        seen = (~hidden).to(windows.dtype)[..., None]
        inner = frames[:, self.cut.padding : -self.cut.padding or None].mean(2)
        levels = {"frames": mean_over_time(inner, valid), "windows": (windows * seen).sum(1) / seen.sum(1)}
        return Features(sequence[:, :-1, None], sequence[:, -1], levels)
