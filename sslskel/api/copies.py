"""Clips of a dataset that hold the same frames, and what that means for the parts of a split.

How they are found: see ``sslskel.data.duplicates.search``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

RUN = 5
"""Frames in a row that are too much for two parts of a split; fewer if they are half of a clip."""
WHOLE = 0.8
"""Share of both clips from which on they are copies, whose copies are each other's too."""

Ints = npt.NDArray[np.int64]


class SharedFrames(NamedTuple):
    """Frames that two clips have in common."""

    first: int
    """Row of the clip in its dataset; ``second`` is further down."""
    second: int
    frames: int
    """Length of the longest run; of copies at another rate, the number of common frames."""
    begin_first: int
    """Where it begins, in frames of the clip."""
    begin_second: int
    exact: bool
    """Whether their distances between joints are equal to five digits; else nearly, as those of rounded numbers are."""


def copied_rows(shared: Iterable[SharedFrames], lengths: Ints, train: Ints, test: Ints) -> Ints:
    """Rows of the test part that share frames with the training part, sorted: by ``RUN``, or as copies of copies.

    ``lengths`` (n,) are frames of all clips, ``train`` and ``test`` the rows of both parts.
    """
    copied, root = np.zeros(len(lengths), np.bool_), np.arange(len(lengths))
    trained = np.zeros(len(lengths), np.bool_)
    trained[train] = True

    def group(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = int(root[row])
        return row

    for one in shared:
        shorter, longer = sorted((int(lengths[one.first]), int(lengths[one.second])))
        if one.frames < RUN and 2 * one.frames < shorter:
            continue
        for row, other in ((one.first, one.second), (one.second, one.first)):
            copied[row] |= trained[other]
        if one.frames >= WHOLE * longer:
            root[group(one.second)] = group(one.first)
    groups = np.array([group(row) for row in range(len(root))], np.int64)
    copied |= np.isin(groups, groups[train])
    return test[copied[test]]
