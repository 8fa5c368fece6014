"""ST-GCN (Yan et al., AAAI 2018): graph convolution over joints, then convolution over time, in ten blocks.

The graph's matrices are made in ``sslskel.nn.graph``. Default sizes are the reduced ones of the
released SkeletonCLR, CrosSCLR, AimCLR and PSTL; ``width=64`` is the full network.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone
from sslskel.api.devices import on_device
from sslskel.api.noise import Noise
from sslskel.api.unbound import Unbound
from sslskel.api.view import ClipSpec
from sslskel.config.groups import Fidelity, require
from sslskel.nn.batch_norm import GlobalBatchNorm
from sslskel.nn.dropout import dropped
from sslskel.nn.graph import Partition, partitioned
from sslskel.nn.graph_conv import GraphConv, PointConv


@dataclass
class StGcnConfig:
    """Sizes and graph of the network."""

    width: int = 16
    """Channels of the first four blocks; three of twice and two of four times as many follow. 64 in the paper."""
    dim: int = 256
    """Channels of the last block, D of a feature."""
    temporal_kernel: int = 9
    """Frames that a temporal convolution spans."""
    partition: Partition = Partition.spatial
    fidelity: Fidelity = Fidelity.released
    """Of the spatial partition: ``released`` measures distances up to one bone only, ``paper`` all of them."""
    dropout: float = 0.0
    """Share of values dropped at the end of each block in training; 0.5 in released trainings."""

    def __post_init__(self) -> None:
        for name in ("width", "dim", "temporal_kernel"):
            require(getattr(self, name) >= 1, f"backbone.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.temporal_kernel % 2 == 1,
            f"backbone.temporal_kernel is {self.temporal_kernel}; it must be an odd number",
        )
        require(0 <= self.dropout < 1, f"backbone.dropout is {self.dropout}; it must be in [0, 1)")


STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)
"""Frames a block steps by."""


class StGcnBlock(nn.Module):
    """Graph convolution, batch norm, temporal convolution, batch norm, dropout, and a way around them."""

    def __init__(self, channels: int, out: int, stride: int, parts: int, config: StGcnConfig, at: int) -> None:
        super().__init__()
        self.rate, self.site = config.dropout, f"st_gcn.dropout.{at}"
        span = config.temporal_kernel
        self.spatial = GraphConv(channels, out, parts)
        self.before = GlobalBatchNorm(out)
        self.temporal = nn.Conv2d(out, out, (span, 1), (stride, 1), (span // 2, 0))
        self.after = GlobalBatchNorm(out)
        self.shortcut: nn.Module | None = nn.Identity() if at else None
        if at and (channels != out or stride != 1):
            self.shortcut = nn.Sequential(PointConv(channels, out, stride), GlobalBatchNorm(out))

    def forward(self, x: Tensor, graph: Tensor, noise: Noise | None) -> Tensor:
        """(P, C, T, V), (K, V, V) -> (P, C', T', V)."""
        gathered = self.before(self.spatial.gathered(x, graph))
        mixed: Tensor = self.after(self.temporal(functional.relu(gathered)))
        if self.training and self.rate and noise is not None:
            mixed = dropped(mixed, self.rate, noise, self.site)
        return functional.relu(mixed if self.shortcut is None else mixed + self.shortcut(x))


class StGcn(Backbone[StGcnConfig]):
    """Ten blocks over one person's track; T' = T / 4, rounded up twice, V' = V.

    Raises ``DataError`` where the layout has no bones. Weights start as in the released
    contrastive codes: N(0, 0.02) convolutions, N(1, 0.02) gains of batch norms, zero biases.
    Where released code feeds missing persons as zeros, they count in the batch
    statistics: feed ``batch.filled(persons)`` for the same numbers.
    """

    Config = StGcnConfig
    keeps_joints = True
    batch_statistics = True
    drops_joints = True
    graph: Tensor

    def __init__(self, config: StGcnConfig, clip: ClipSpec) -> None:
        super().__init__(config, clip)
        self.dim, self.dropout = config.dim, config.dropout
        graph = partitioned(clip.layout, config.partition, config.fidelity, "st_gcn")
        self.register_buffer("graph", graph, persistent=False)
        widths = [config.width] * 4 + [2 * config.width] * 3 + [4 * config.width] * 2 + [config.dim]
        self.input_norm = GlobalBatchNorm(clip.layout.num_joints * clip.coordinates)
        self.blocks = nn.ModuleList(
            StGcnBlock(channels, out, stride, len(graph), config, at)
            for at, (channels, out, stride) in enumerate(
                zip([clip.coordinates, *widths[:-1]], widths, STRIDES, strict=True)
            )
        )
        self.importance = nn.ParameterList(torch.ones_like(graph) for _ in STRIDES)
        self.apply(_init)
        self._noise: Noise | None = None

    def bind(self, noise: Noise) -> None:
        """Draw the dropout of the following training passes from this noise, bound to their batch."""
        self._noise = noise

    def forward(self, tracks: Tensor, removed: Tensor | None = None) -> Tensor:
        """(P, T, V, C) -> (P, T', V, D), or (P, T', V', D) without the joints (R,) in ``removed``, which
        are best numbers of the host: a GPU waits to know how many there are.

        As in the released PSTL the input norm sees all joints, and the graph is cut but
        not normalised again.
        """
        if self.training and self.dropout and self._noise is None:
            raise Unbound(self, "backbone.dropout")
        rows, frames, joints, coordinates = tracks.shape
        x: Tensor = self.input_norm(tracks.permute(0, 2, 3, 1).flatten(1, 2))
        x = x.reshape(rows, joints, coordinates, frames).permute(0, 2, 3, 1)
        kept = None
        if removed is not None:
            there = torch.ones(x.shape[3], dtype=torch.bool, device=removed.device)
            kept = on_device(there.index_fill(0, removed, False).nonzero().flatten(), x.device)
            x = x.index_select(3, kept)
        for block, importance in zip(self.blocks, self.importance, strict=True):
            graph = self.graph * importance
            if kept is not None:
                graph = graph.index_select(1, kept).index_select(2, kept)
            x = block(x, graph, self._noise)
        return x.permute(0, 2, 3, 1)


@torch.no_grad()
def _init(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | GlobalBatchNorm):
        module.weight.normal_(0 if isinstance(module, nn.Conv2d) else 1, 0.02)
        if module.bias is not None:
            module.bias.zero_()
