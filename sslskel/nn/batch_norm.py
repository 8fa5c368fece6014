"""Batch normalisation over the global batch, on any device and any number of processes."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sslskel.api.distributed import sum_over_processes, world_size


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
        axes = [axis for axis in range(x.ndim) if axis != 1]
        shape = [1, -1] + [1] * (x.ndim - 2)
        own = x.new_full((1,), x.numel() // x.shape[1])
        sums = sum_over_processes(torch.cat([x.sum(axes), own]))
        count = sums[-1].detach()
        mean = sums[:-1] / count
        centred = x - mean.reshape(shape)
        variance = sum_over_processes(centred.square().sum(axes)) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        out = centred * torch.rsqrt(variance + self.eps).reshape(shape)
        return out if self.weight is None else out * self.weight.reshape(shape) + self.bias.reshape(shape)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean), share)
        self.running_var.lerp_(variance.to(self.running_var), share)
