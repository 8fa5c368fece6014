"""Losses without negatives on the embeddings of all clips of a step: agreement, spread, and little redundancy.

Letters: N clips of all processes, D numbers of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sslskel.nn.batch_norm import GlobalBatchNorm


def normalised_head(dim: int, hidden: int, out: int) -> nn.Sequential:
    """Two layers with batch norm and ReLU, and a linear one: (n, dim) -> (n, out)."""
    return nn.Sequential(
        nn.Linear(dim, hidden),
        GlobalBatchNorm(hidden),
        nn.ReLU(),
        nn.Linear(hidden, hidden),
        GlobalBatchNorm(hidden),
        nn.ReLU(),
        nn.Linear(hidden, out),
    )


def pulled_together(embeddings: Sequence[Tensor], target: Tensor) -> Tensor:
    """The sum of the mean squared errors of embeddings, (N, D) each, to one target (N, D); it has a gradient too."""
    return torch.stack([functional.mse_loss(one, target) for one in embeddings]).sum()


def spread_out(embedding: Tensor) -> Tensor:
    """What an (N, D) embedding lacks in spread and has in redundancy (VICReg, Bardes et al. 2022, eqs. 1 to 4).

    5 times the mean shortfall of its standard deviations below 1, and the squares of covariances off the diagonal,
    summed and divided by D.
    """
    count, width = embedding.shape
    centred = embedding - embedding.mean(0)
    shortfall = functional.relu(1 - (embedding.var(0) + 1e-4).sqrt()).mean()
    covariance = centred.T @ centred / (count - 1)
    redundancy = covariance.square().sum() - covariance.diagonal().square().sum()
    return 5 * shortfall + redundancy / width
