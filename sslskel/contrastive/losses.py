"""Losses on embeddings: InfoNCE, mined positives, distillation between similarity distributions.

All return one value per row, so that a term's total and count stay sums over clips.

Letters: N clips of this process, K entries of a queue, D dimensions of an embedding.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from sslskel.api.batch import Term


def masked_error(predicted: Tensor, wanted: Tensor, hidden: Tensor, scale: float = 1.0) -> Term:
    """The term of the mean squared error over what was hidden: (N, ...) twice, (...) bool the same for all clips."""
    error = (predicted - wanted).square() * hidden
    return Term(error.sum(), error.new_full((), len(error)) * hidden.sum(), scale)


def similarities(query: Tensor, key: Tensor, entries: Tensor) -> Tensor:
    """Products with the own key, then with every queue entry, cosines where all have length 1.

    (N, D), (N, D), (K, D) -> (N, 1+K).
    """
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
    target, student_log = functional.log_softmax(teacher.detach(), 1), functional.log_softmax(student, 1)
    return functional.kl_div(student_log, target, reduction="none", log_target=True).sum(1)
