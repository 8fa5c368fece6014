"""What a file says of one clip, in whatever form it is written; every format gives this.

What the axes of its array mean is in ``axes.py``, which frames of it are taken in ``frames.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


def doubles(array: npt.NDArray[Any]) -> Doubles:
    """The same numbers in double precision; marks of a damaged file that are none become NaN without a warning."""
    with np.errstate(invalid="ignore"):
        return array.astype(np.float64)


@dataclass(frozen=True)
class Content:
    """An array, and what its file says of it besides numbers.

    ``axes`` and ``coordinates`` are empty where the file does not say them; ``usual`` is the order of axes
    of its format where none is stated.
    """

    array: npt.NDArray[Any]
    axes: str = ""
    usual: str = ""
    coordinates: str = ""
    """A key of ``VALUES``, where names or places of numbers say what they are."""
    unit: str = ""
    """Of the coordinates, where the format says it."""
    confidence: npt.NDArray[Any] | None = None
    """One number per joint, in the order of the array's axes without C."""
    first: int | None = None
    """Number of the first frame, where the file numbers its frames."""
    times: Doubles | None = None
    """(T,) time of every frame as the file counts it, ascending; NaN where a frame is missing."""
    clock: str = ""
    """What counts frames or times, for sentences: ``column 'frame'``."""
    fps: float | None = None
    """Frames per second, where the file says it."""
    measured: bool = False
    """Whether ``fps`` was measured from times, which are never quite even."""
    gaps: int = 0
    """Frames that the numbers or times of the file leave out; the array has no person in them."""
    notes: tuple[str, ...] = ()
    """What of the file was left out; the same for all files of a kind."""
