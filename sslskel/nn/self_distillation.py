"""What DINOv2 teaches with: heads of prototypes, teachers' shares balanced over a batch, features pushed apart.

:class:`Branch` is the network of either, a student that sees views with hidden tokens or a teacher that sees all.

Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024. Everything is over the
global batch, so that several processes train as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.backbone import Backbone, Features
from sslskel.api.distributed import gather_rows, own_rows, row_counts, sum_over_processes
from sslskel.errors import UsageError


class PrototypeHead(nn.Module):
    """Three linear layers, then cosines with prototypes, each with a gain that is trained: (R, D) -> (R, K)."""

    def __init__(self, dim: int, hidden: int, bottleneck: int, prototypes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, bottleneck)
        )
        for layer in self.mlp:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.gain = nn.Parameter(torch.ones(prototypes, 1))
        self.prototypes = nn.Parameter(nn.Linear(bottleneck, prototypes, bias=False).weight.detach().clone())

    def forward(self, features: Tensor) -> Tensor:
        """(R, D) -> (R, K)."""
        weight = self.gain * self.prototypes / self.prototypes.norm(dim=1, keepdim=True)
        return functional.linear(functional.normalize(self.mlp(features), dim=-1), weight)

    def last_layer(self) -> list[nn.Parameter]:
        """The prototypes and their gains."""
        return [self.gain, self.prototypes]


@runtime_checkable
class HidingBackbone(Protocol):
    """What methods need that hide tokens of views of many lengths, beside the features of a backbone."""

    segment: int
    """Frames of a token."""

    def hiding(self, tracks: Tensor, hidden: Tensor, filler: Tensor) -> Features:
        """(P, T, V, C) of any T, tokens (P, L) bool that are replaced by (1, D) -> features with a token."""
        ...


def hiding_backbone(backbone: Backbone, who: str, instead: str) -> HidingBackbone:
    """The backbone; raises ``UsageError`` where a method of this name cannot hide its tokens, and names another one."""
    if not isinstance(backbone, HidingBackbone):
        raise UsageError(
            f"{who} hides tokens of views of many lengths, which backbone {type(backbone).__name__} does not offer"
            f" (it has no hiding()); use --backbone {instead}"
        )
    return backbone


class HeadSizes(NamedTuple):
    """Widths of the heads of a :class:`Branch`."""

    hidden: int
    """Of the hidden layers of both."""
    bottleneck: int
    """Numbers that are compared with prototypes."""
    prototypes: int
    """Of the head for class tokens."""
    token_prototypes: int
    """Of the head for tokens."""


class HiddenView(NamedTuple):
    """A view of N clips, and its hidden tokens."""

    tracks: Tensor
    """(N, T, V, C)."""
    hidden: Tensor
    """(N, L) bool."""


class Branch(nn.Module):
    """The student, or its teacher: a backbone, and heads of prototypes for its class token and for its tokens.

    The losses of DINO and iBOT (Zhou et al., "iBOT: Image BERT Pre-Training with Online Tokenizer", ICLR 2022).
    """

    backbone: Backbone

    def __init__(self, backbone: Backbone, sizes: HeadSizes) -> None:
        super().__init__()
        self.backbone, dim = backbone, backbone.dim
        self.filler = nn.Parameter(torch.zeros(1, dim))
        self.head = PrototypeHead(dim, sizes.hidden, sizes.bottleneck, sizes.prototypes)
        self.token_head = PrototypeHead(dim, sizes.hidden, sizes.bottleneck, sizes.token_prototypes)

    def read(self, views: Sequence[HiddenView], *, hides: bool) -> tuple[Tensor, Tensor]:
        """Views of one length, below each other: class tokens (R, D), and all tokens (R * L, D)."""
        tracks, hidden = (torch.cat(parts) for parts in zip(*views, strict=True))
        assert isinstance(self.backbone, HidingBackbone)
        none = torch.zeros_like(hidden)
        features = self.backbone.hiding(tracks, hidden if hides else none, self.filler)
        assert features.token is not None
        return features.token, features.grid.flatten(0, 2)

    def last_layers(self) -> list[nn.Parameter]:
        """The prototypes of both heads and their gains."""
        return [*self.head.last_layer(), *self.token_head.last_layer()]

    def parameter_groups(self, embed_rate: float, clip_norm: float) -> list[dict[str, Any]]:
        """Backbone and heads, each clipped alone; biases and norms without decay; what makes tokens is slower."""
        groups = []
        for part, network in self.named_children():
            more = [("filler", self.filler)] if network is self.backbone else []
            for slow in (False, True):
                for decays in (True, False):
                    own = [
                        p
                        for name, p in (*network.named_parameters(), *more)
                        if name.startswith("embed.") == slow and (p.ndim > 1) == decays
                    ]
                    rate = embed_rate if slow else 1.0
                    group = {"params": own, "lr_scale": rate, "clip_norm": clip_norm, "clip_part": part}
                    groups.append(group if decays else {**group, "weight_decay": 0.0})
        return groups


@torch.no_grad()
def balanced(scores: Tensor, temperature: float, rounds: int = 3) -> Tensor:
    """Shares (R, K) of a teacher, over the rows of all processes as even as can be (Sinkhorn and Knopp).

    (Caron et al., SwAV, NeurIPS 2020, section 3.1.)
    """
    counts = row_counts(len(scores), scores.device)
    shares = (gather_rows(scores, counts) / temperature).exp()
    if not len(shares):
        return torch.zeros_like(scores)
    rows, prototypes = shares.shape
    shares = shares / shares.sum()
    for _ in range(rounds):
        shares = shares / shares.sum(0) / prototypes
        shares = shares / shares.sum(1, keepdim=True) / rows
    return own_rows(shares * rows, len(scores), counts)


class Centre(nn.Module):
    """The mean of a teacher's scores (K,), which follows slowly: what all rows have in common teaches nothing."""

    mean: Tensor
    """(K,), zero at the start."""

    def __init__(self, prototypes: int, momentum: float = 0.9) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(prototypes))
        self.momentum = momentum
        self._new: Tensor | None = None

    @torch.no_grad()
    def forward(self, scores: Tensor, temperature: float) -> Tensor:
        """Shares (R, K) of a teacher; its scores are kept for :meth:`follow`."""
        self._new = torch.cat([scores.sum(0), scores.new_full((1,), len(scores))])
        return ((scores - self.mean.to(scores)) / temperature).softmax(-1)

    @torch.no_grad()
    def follow(self) -> None:
        """Move towards the last scores of all processes; call it in ``on_step_end``."""
        if self._new is not None:
            sums = sum_over_processes(self._new)
            mean = (sums[:-1] / sums[-1].clamp(min=1)).to(self.mean)
            self.mean.copy_(torch.where(sums[-1] > 0, self.mean.lerp(mean, 1 - self.momentum), self.mean))
            self._new = None


def shared_entropy(student: Tensor, shares: Tensor, temperature: float) -> Tensor:
    """-sum of a teacher's shares times log softmax of the student's scores / temperature: (R, K) twice -> (R,)."""
    return -(shares * functional.log_softmax(student / temperature, -1)).sum(-1)


def nearness(features: Tensor, epsilon: float = 1e-8) -> Tensor:
    """-log distance of each row (R, D), scaled to length 1, to the nearest other one of all processes: (R,).

    KoLeo (Sablayrolles et al., ICLR 2019).
    """
    rows = functional.normalize(features, dim=-1, eps=epsilon)
    counts = row_counts(len(rows), rows.device)
    every = gather_rows(rows, counts)
    own = own_rows(torch.arange(len(every), device=every.device), len(rows), counts)
    with torch.no_grad():
        cosines = rows @ every.T
        nearest = cosines.masked_fill(torch.arange(len(every), device=own.device) == own[:, None], -1.0).argmax(1)
    distance: Tensor = torch.linalg.vector_norm(rows - every[nearest] + epsilon, dim=-1)
    return -(distance + epsilon).log()
