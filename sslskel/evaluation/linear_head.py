"""A linear head as in released probes: its weights, its step, its batches.

Encoders and clips are not known here: a head sees features and labels only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import Enum

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.api.noise import Noise


class HeadStart(Enum):
    """Initial weights of a layer: normal with a stated standard deviation, or with Xavier's."""

    normal = "normal"
    xavier = "xavier"


def initial_deviation(start: HeadStart, std: float, dim: int, num_classes: int) -> float:
    """Standard deviation of the initial weights of a layer (N, dim) -> (N, num_classes)."""
    return std if start is HeadStart.normal else math.sqrt(2 / (dim + num_classes))


class LinearHead(nn.Module):
    """BatchNorm without scale and shift (eps 1e-6), then one linear layer: (N, D) -> (N, num_classes).

    The weight starts as a normal of s.d. ``std``, the bias at 0, both from ``noise`` alone.
    Released MAMP cuts that normal at +-2, 200 standard deviations away, which these draws
    never reach. Its ``head.fc.0`` and ``head.fc.1`` are ``norm`` and ``fc`` here. Heads of
    the contrastive family have no normalisation (``norm=False``).
    """

    def __init__(
        self,
        dim: int,
        num_classes: int,
        noise: Noise,
        dtype: torch.dtype = torch.float32,
        *,
        norm: bool = True,
        std: float = 0.01,
    ) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(dim, affine=False, eps=1e-6, dtype=dtype) if norm else nn.Identity()
        # A linear layer built the usual way would draw from the global generator.
        self.fc: nn.Linear = nn.utils.skip_init(nn.Linear, dim, num_classes, dtype=dtype)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self.fc.weight.copy_(std * noise.normal("head weight", (num_classes, dim), "batch", dtype))
            self.fc.bias.zero_()

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) -> (N, num_classes) logits."""
        logits: Tensor = self.fc(self.norm(features))
        return logits


def cosine_rate(base: float, step: int, steps: int) -> float:
    """Learning rate of a step: half a cosine from ``base`` at step 0 to 0 at step ``steps``."""
    return base * 0.5 * (1 + math.cos(math.pi * step / steps))


def step_rate(base: float, epoch: int, milestones: Sequence[int], decay: float) -> float:
    """Learning rate of an epoch (from 0): ``base`` times ``decay`` for every milestone that is reached."""
    return base * decay ** sum(epoch >= milestone for milestone in milestones)


def mini_batches(order: Tensor, size: int) -> list[Tensor]:
    """Cut an order (n,) into batches of ``size``; a last batch of one joins the one before.

    One clip has no batch statistics. The released loader drops what does not fill a
    batch, which on a small training part leaves out a good share of every epoch.
    """
    parts = list(torch.split(order, size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def fit_epoch(
    head: LinearHead,
    optimiser: torch.optim.Optimizer,
    features: Tensor,
    labels: Tensor,
    batches: Sequence[Tensor],
    rates: Sequence[float],
    clip_norm: float = 0.0,
) -> Tensor:
    """One epoch of cross-entropy: ``batches`` are rows of features (n, D) and labels (n,), ``rates`` one per batch.

    Gradients longer than ``clip_norm`` are scaled down to it, unless it is 0. Returns the mean loss over the epoch's
    clips, a scalar on the features' device.
    """
    head.train()
    total = features.new_zeros(())
    for rows, rate in zip(batches, rates, strict=True):
        for group in optimiser.param_groups:
            group["lr"] = rate
        total += _differentiate(head, features[rows], labels[rows]) * len(rows)
        if clip_norm > 0:
            nn.utils.clip_grad_norm_(head.parameters(), clip_norm)
        optimiser.step()
    return total / sum(map(len, batches))


@torch.no_grad()
def _differentiate(head: LinearHead, features: Tensor, labels: Tensor) -> Tensor:
    """The mean cross-entropy of (n, D) features, a scalar; its gradients are left in the head's layer.

    The kernels are those that autograd would call, so that the numbers are the same. For a single layer
    on features that need no gradient, recording and replaying takes longer than they do.
    """
    kernels, normed = torch.ops.aten, head.norm(features)
    scores = functional.linear(normed, head.fc.weight, head.fc.bias).log_softmax(1)
    options = (None, 1, -100)  # no class weights; the mean; no label left out
    loss, count = kernels.nll_loss_forward(scores, labels, *options)
    change = kernels.nll_loss_backward(torch.ones_like(loss), scores, labels, *options, count)
    change = kernels._log_softmax_backward_data(change, scores, 1, scores.dtype)
    head.fc.weight.grad, head.fc.bias.grad = change.t() @ normed, change.sum(0)
    total: Tensor = loss
    return total
