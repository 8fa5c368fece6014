"""Rows that are there, found once for several networks."""

from __future__ import annotations

import pytest
import torch

from sslskel.errors import UsageError
from sslskel.nn.counted_rows import counted_once, rows_of

MASK = torch.tensor([[True, False], [False, True]])


def test_the_places_of_what_is_true() -> None:
    assert rows_of(MASK).tolist() == [0, 3]
    assert rows_of(torch.zeros(2, dtype=torch.bool)).tolist() == []


def test_they_are_found_once_within_a_block_and_anew_behind_it() -> None:
    with counted_once():
        first = rows_of(MASK)
        assert rows_of(MASK.clone()) is first
        assert rows_of(MASK[0]).tolist() == [0]
    assert rows_of(~MASK).tolist() == [1, 2]


def test_another_mask_of_the_same_shape_is_refused_within_a_block() -> None:
    with counted_once():
        rows_of(MASK)
        with pytest.raises(UsageError, match="differ"):
            rows_of(~MASK)
