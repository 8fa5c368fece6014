"""Batch normalisation over the global batch, on any device and any number of processes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sslskel.api.distributed import of_all, sum_over_processes, world_size


class GlobalBatchNorm(nn.BatchNorm1d):
    """BatchNorm over channel axis 1 of (R, D) or (R, D, ...), with the statistics of all processes' rows.

    On one process, and in eval mode, it is torch's own; weights load from any
    ``nn.BatchNorm``. Differentiable through the statistics of the other processes,
    whose row numbers may differ. (``SyncBatchNorm`` refuses CPU tensors.)
    """

    batch_statistics = True

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"batch normalisation needs a channel axis, but the input has shape {tuple(x.shape)}")

    def forward(self, x: Tensor) -> Tensor:
        """(R, D, ...) -> (R, D, ...)."""
        if not self.training or world_size() == 1:
            return super().forward(x)
        normed: Tensor
        normed, mean, variance, count = _Normed.apply(x, self.eps)  # type: ignore[no-untyped-call]
        self._track(mean, variance * count / (count - 1))
        if self.weight is not None:
            shape = [1, -1] + [1] * (x.ndim - 2)
            normed = normed * self.weight.reshape(shape) + self.bias.reshape(shape)
        # As torch's own, which has weights of float32 in mixed precision and gives what it was given.
        return normed.to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)


class _Normed(torch.autograd.Function):
    """Rows less their mean over all processes, divided by their deviation; one exchange each way.

    Sums of squares are around the mean of each process's own rows, and are moved to the common one (Chan et al.,
    "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979): nothing cancels.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(R, D, ...) -> the same, and mean (D,), variance (D,) and number () over all processes."""
        rows = x.to(torch.promote_types(x.dtype, torch.float32))
        axes, shape = [axis for axis in range(x.ndim) if axis != 1], [1, -1] + [1] * (x.ndim - 2)
        own = rows.numel() // rows.shape[1]
        middle = rows.sum(axes) / max(own, 1)
        squares = (rows - middle.reshape(shape)).square().sum(axes)
        every = of_all(torch.cat([middle, squares, rows.new_full((1,), own)]))
        middles, spreads, counts = *every[:, :-1].chunk(2, 1), every[:, -1:]
        count = counts.sum()
        mean = (middles * counts).sum(0) / count
        variance = (spreads + counts * (middles - mean).square()).sum(0) / count
        scale = torch.rsqrt(variance + eps).reshape(shape)
        normed = (rows - mean.reshape(shape)) * scale
        ctx.save_for_backward(normed, scale, count)
        ctx.axes, ctx.dtype = axes, x.dtype
        ctx.mark_non_differentiable(mean, variance, count)
        return normed, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        normed, scale, count = ctx.saved_tensors
        slope = grads[0]
        sums = sum_over_processes(torch.stack([slope.sum(ctx.axes), (slope * normed).sum(ctx.axes)])) / count
        level, along = (one.reshape(scale.shape) for one in sums)
        return (scale * (slope - level - normed * along)).to(ctx.dtype), None
