"""Losses on embeddings against their formulas, one row at a time."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from sslskel.api.batch import mean_term
from sslskel.contrastive.losses import (
    cross_entropy,
    divergence,
    info_nce,
    masked_error,
    nearest,
    positives_nce,
    similarities,
)

LOGITS = torch.tensor([[1.0, 0.0, -1.0], [0.5, 2.0, 0.5]], dtype=torch.float64)
TEACHER = torch.tensor([[0.0, 1.0, 0.0], [3.0, 0.0, -3.0]], dtype=torch.float64)


def shares(row: Tensor) -> list[float]:
    """The softmax of a row."""
    parts = [math.exp(x) for x in row.tolist()]
    return [part / sum(parts) for part in parts]


def test_the_own_key_comes_first_and_queue_entries_follow() -> None:
    query, key, entries = torch.eye(2, 3), torch.eye(2, 3).flip(0), 2 * torch.eye(3)
    assert similarities(query, key, entries).tolist() == [[0, 2, 0, 0], [0, 0, 2, 0]]
    assert similarities(query, query, entries)[:, 0].tolist() == [1, 1]


def test_info_nce_is_the_missing_share_of_the_own_key() -> None:
    wanted = [-math.log(shares(row)[0]) for row in LOGITS]
    assert info_nce(LOGITS).tolist() == pytest.approx(wanted)


def test_several_positives_are_averaged() -> None:
    positive = torch.tensor([[True, False, False], [True, True, False]])
    first, second = map(shares, LOGITS)
    wanted = [-math.log(first[0]), -(math.log(second[0]) + math.log(second[1])) / 2]
    assert positives_nce(LOGITS, positive).tolist() == pytest.approx(wanted)


def test_nearest_marks_the_largest_of_each_row() -> None:
    similarity = torch.tensor([[0.1, 0.9, 0.5], [0.8, -1.0, 0.7]])
    assert nearest(similarity, 2).tolist() == [[False, True, True], [True, False, True]]


def test_distillation_compares_shares_and_leaves_the_teacher_alone() -> None:
    student, teacher = LOGITS.clone().requires_grad_(), TEACHER.clone().requires_grad_()
    pairs = [(shares(one), shares(other)) for one, other in zip(LOGITS, TEACHER, strict=True)]
    crossed = [-sum(p * math.log(q) for q, p in zip(*pair, strict=True)) for pair in pairs]
    entropy = [-sum(p * math.log(p) for p in teacher_shares) for _, teacher_shares in pairs]
    assert cross_entropy(student, teacher).tolist() == pytest.approx(crossed)
    gap = divergence(student, teacher)
    assert gap.tolist() == pytest.approx([c - e for c, e in zip(crossed, entropy, strict=True)])
    (gap + cross_entropy(student, teacher)).sum().backward()
    assert student.grad is not None
    assert teacher.grad is None
    assert divergence(TEACHER, TEACHER).abs().max() < 1e-12


def test_terms_are_sums_with_counts() -> None:
    term = mean_term(torch.tensor([1.0, 2.0, 6.0]), 0.5)
    assert (float(term.total), float(term.count), term.scale) == (9, 3, 0.5)
    hidden = torch.tensor([True, False])
    error = masked_error(torch.tensor([[1.0, 5.0], [3.0, 5.0]]), torch.zeros(2, 2), hidden)
    assert (float(error.total), float(error.count)) == (10, 2)
