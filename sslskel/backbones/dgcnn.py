"""DGCNN (Wang et al., "Dynamic Graph CNN for Learning on Point Clouds", ACM TOG 2019) over a clip as a point cloud.

Every joint of every frame and person is a point; the network is not given its joint, frame or person.
After the description of Skeleton Cloud Colorization (Yang et al., ICCV 2021), whose encoder this is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone, Features
from sslskel.api.view import ClipSpec
from sslskel.config.groups import require
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.counted_rows import rows_of

SLOPE = 0.2
"""Of the leaky ReLUs, as in the paper's code."""


@dataclass
class DgcnnConfig:
    """Sizes of the network; ``dim`` is the codeword of Skeleton Cloud Colorization, the others DGCNN's."""

    width: int = 64
    """Numbers of a point after the first two edge convolutions; one of twice and one of four times as many follow."""
    dim: int = 1024
    """Numbers of the codeword, D of a feature."""
    neighbours: int = 20
    """Nearest points that an edge convolution compares a point with, itself among them."""

    def __post_init__(self) -> None:
        for name in ("width", "dim", "neighbours"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")


class Shared(nn.Module):
    """A linear layer without bias, batch norm and leaky ReLU, the same for every point."""

    def __init__(self, numbers: int, out: int) -> None:
        super().__init__()
        self.linear = nn.Linear(numbers, out, bias=False)
        self.norm = GlobalBatchNorm(out)

    def forward(self, x: Tensor) -> Tensor:
        """(R, numbers) -> (R, out)."""
        return functional.leaky_relu(self.norm(self.linear(x)), SLOPE)


def nearest_points(points: Tensor, there: Tensor, count: int) -> Tensor:
    """Numbers of the nearest points in the same cloud, themselves among them: (N, L, D), (N, L) bool -> (N, L, count).

    Where a cloud has fewer points that are there, a point's own number fills up.
    """
    with torch.no_grad():
        # Distances in bfloat16 would make neighbours of points that are not.
        exact = points.to(torch.promote_types(points.dtype, torch.float32))
        far = torch.cdist(exact, exact).masked_fill(~there[:, None], torch.inf)
        distance, at = far.topk(min(count, points.shape[1]), largest=False)
        own = torch.arange(points.shape[1], device=points.device)[:, None]
        return torch.where(distance.isinf(), own, at)


class EdgeConv(nn.Module):
    """For each point the largest over its nearest neighbours of ``h(neighbour - point, point)`` (section 3.1).

    Who is near is decided among the features that come in.
    """

    def __init__(self, numbers: int, out: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.shared = Shared(2 * numbers, out)

    def forward(self, points: Tensor, there: Tensor, rows: Tensor) -> Tensor:
        """(N, L, numbers), (N, L) bool, (K,) the points among N*L that are there -> (N, L, out), zeros for others."""
        at = nearest_points(points, there, self.neighbours)
        first = torch.arange(len(points), device=points.device)[:, None, None] * points.shape[1]
        every = points.flatten(0, 1)
        near = every[(at + first).flatten(0, 1)[rows]]
        own = every[rows][:, None].expand_as(near)
        edges: Tensor = self.shared(torch.cat([near - own, own], -1).flatten(0, 1))
        largest = edges.reshape(*near.shape[:2], edges.shape[1]).amax(1)
        empty = largest.new_zeros(len(every), largest.shape[1])
        return empty.index_copy(0, rows, largest).reshape(*points.shape[:2], -1)


class Dgcnn(Backbone[DgcnnConfig]):
    """Four edge convolutions, their outputs side by side, and a layer whose largest values are the codeword.

    T' = T, V' = M * V: what the last layer says of each point. The codeword is the feature of a clip; it is the same
    for points in any order. Frames that are not valid are no points.
    """

    Config = DgcnnConfig
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "quick": {"width": 8, "dim": 64, "neighbours": 8},
        "cpu": {"width": 8, "dim": 128, "neighbours": 8},
    }
    joins_persons = True
    batch_statistics = True
    reads_validity = True

    def __init__(self, config: DgcnnConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim = config.dim
        sizes = [clip.coordinates, config.width, config.width, 2 * config.width, 4 * config.width]
        self.edges = nn.ModuleList(EdgeConv(numbers, out, config.neighbours) for numbers, out in pairwise(sizes))
        self.last = Shared(sum(sizes[1:]), config.dim)

    def forward(self, tracks: Tensor, valid: Tensor | None = None) -> Features:
        """(N, T, M*V, C), (N, T, M) bool -> a grid (N, T, M*V, D) and the codeword (N, D); zeros for an empty cloud.

        Without ``valid`` all points are there.
        """
        if valid is None:
            valid = torch.ones(*tracks.shape[:2], 1, dtype=torch.bool, device=tracks.device)
        there = valid.repeat_interleave(tracks.shape[2] // valid.shape[2], 2).flatten(1)
        rows = rows_of(there)
        points, levels = tracks.flatten(1, 2), []
        for edge in self.edges:
            points = edge(points, there, rows)
            levels.append(points)
        per_point = self.last(torch.cat(levels, -1).flatten(0, 1)[rows])
        filled = per_point.new_full((there.numel(), self.dim), -torch.inf).index_copy(0, rows, per_point)
        filled = filled.unflatten(0, there.shape)
        empty = ~there.any(1, keepdim=True)
        codeword = filled.masked_fill(empty[..., None], 0).amax(1)
        grid = filled.masked_fill(~there[..., None], 0)
        return Features(grid.unflatten(1, tracks.shape[1:3]), token=codeword)
