"""Truth gives labels to scoring alone, by clip and not by position."""

from __future__ import annotations

import numpy as np
import pytest

from sslskel.api.protocol import Truth

TRUTH = Truth(np.array([30, 10, 20]), np.array([3, 1, 2]), ("a", "b", "c", "d"))


def test_labels_are_found_by_key_in_any_order_and_number() -> None:
    assert TRUTH.of(np.array([20, 30, 20, 10])).tolist() == [2, 3, 2, 1]
    assert TRUTH.of(np.array([], dtype=np.int64)).tolist() == []


@pytest.mark.parametrize("stranger", [5, 15, 99])
def test_a_prediction_for_a_clip_outside_the_test_part_is_refused(stranger: int) -> None:
    with pytest.raises(KeyError, match="not in the test part"):
        TRUTH.of(np.array([10, stranger]))
