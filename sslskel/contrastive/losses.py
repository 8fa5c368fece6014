"""Losses on embeddings: InfoNCE, mined positives, distillation between similarity distributions, Barlow Twins.

All return one value per row, so that a term's total and count stay sums over clips;
the Barlow loss alone is no sum over clips and is computed whole on every process.

Letters: N clips of this process, K entries of a queue, D dimensions of an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.batch import Term
from sslskel.api.distributed import sum_over_processes


def mean_term(rows: Tensor, scale: float = 1.0) -> Term:
    """The term of a mean over clips, from one value per clip of this process, (N,)."""
    return Term(rows.sum(), rows.new_full((), len(rows)), scale)


def masked_error(predicted: Tensor, wanted: Tensor, hidden: Tensor, scale: float = 1.0) -> Term:
    """The term of the mean squared error over what was hidden: (N, ...) twice, (...) bool the same for all clips."""
    error = (predicted - wanted).square() * hidden
    return Term(error.sum(), error.new_full((), len(error)) * hidden.sum(), scale)


def similarities(query: Tensor, key: Tensor, entries: Tensor) -> Tensor:
    """Cosines with the own key, then with every queue entry: (N, D), (N, D), (K, D) -> (N, 1+K)."""
    return torch.cat([(query * key).sum(1, keepdim=True), query @ entries.to(query).T], 1)


def info_nce(logits: Tensor) -> Tensor:
    """-log softmax of the first column: (N, 1+K) -> (N,) (van den Oord et al. 2018, eq. 4)."""
    return -functional.log_softmax(logits, 1)[:, 0]


def positives_nce(logits: Tensor, positive: Tensor) -> Tensor:
    """The mean of -log softmax over the columns marked positive: (N, L), (N, L) bool -> (N,)."""
    chosen = positive.to(logits.dtype)
    return -(functional.log_softmax(logits, 1) * chosen).sum(1) / chosen.sum(1)


def nearest(similarity: Tensor, count: int) -> Tensor:
    """Where the ``count`` largest similarities of each row are: (N, K) -> (N, K) bool."""
    marked = torch.zeros_like(similarity, dtype=torch.bool)
    return marked.scatter(1, similarity.topk(count, dim=1).indices, True)


def cross_entropy(student: Tensor, teacher: Tensor) -> Tensor:
    """-sum p log q per row, p and q the softmaxes of teacher and student logits: (N, L) twice -> (N,).

    The teacher gets no gradient.
    """
    return -(teacher.detach().softmax(1) * functional.log_softmax(student, 1)).sum(1)


def divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Kullback-Leibler divergence from teacher to student logits: (N, L) twice -> (N,), no gradient to the teacher."""
    wanted, found = functional.log_softmax(teacher.detach(), 1), functional.log_softmax(student, 1)
    return functional.kl_div(found, wanted, reduction="none", log_target=True).sum(1)


def cross_correlation(a: Tensor, b: Tensor) -> Tensor:
    """(N, D) twice, normalised over the global batch -> (D, D), the mean of products over the global batch."""
    whole = torch.cat([(a.T @ b).flatten(), a.new_full((1,), len(a))])
    sums = sum_over_processes(whole)
    return sums[:-1].reshape(a.shape[1], b.shape[1]) / sums[-1].detach()


def barlow_term(a: Tensor, b: Tensor, off_diagonal: float, scale: float = 1.0) -> Term:
    """Barlow Twins (Zbontar et al. 2021, eq. 1): the cross-correlation should be the identity.

    ``a``, ``b`` (N, D) are normalised over the global batch; ``off_diagonal`` weighs redundancy.
    """
    correlation = cross_correlation(a, b)
    invariance = (correlation.diagonal() - 1).square().sum()
    redundancy = correlation.square().sum() - correlation.diagonal().square().sum()
    total = invariance + off_diagonal * redundancy
    return Term(total, total.new_ones(()), scale)


def summed(terms: Sequence[Tensor]) -> Tensor:
    """Element-wise sum of tensors of one shape."""
    return torch.stack(list(terms)).sum(0)
