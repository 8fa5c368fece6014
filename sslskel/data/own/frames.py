"""Which frames of a recording are taken: from ``begin`` to ``end`` as its file counts, at the rate of the set.

What the numbers of a frame mean is in ``axes.py``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslskel.data.own.content import Content
from sslskel.errors import DataError

RATE_TOLERANCE = 0.01
"""Rates are rounded in files: .008333 is 120 per second."""
MEASURED_TOLERANCE = 0.1
"""Of rates that come from times, which cameras do not keep evenly."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Taken:
    """Frames that a clip takes of its file."""

    rows: Ints
    """Their places in the array."""
    numbers: Ints
    """How the file numbers them."""
    cut: int
    """Frames before ``begin`` and from ``end`` on."""
    step: int
    """Every which frame of the rest is taken."""
    thinned: int
    """Frames between them, which are left out."""
    odd_rate: float | None = None
    """The file's measured rate, where it is not a multiple of that of the set and its frames are taken as they are."""


def taken(
    content: Content, frames: int, begin: float | None, end: float | None, fps: float | None, where: str
) -> Taken:
    """Frames ``begin`` to ``end`` (not included), thinned to ``fps`` per second from the first of them on.

    Both count what the file counts: the numbers of its frames, else its times, else frames from 0.
    Raises ``DataError`` where the file has no frame, none of these, or a rate of which ``fps`` is no whole share.
    """
    if not frames:
        raise DataError(f"{where} has no frames; leave the clip out of the table")
    if content.first is None and content.times is not None:
        inside = _between_times(content, begin, end, where)
    else:
        inside = _between_frames(content.first or 0, frames, begin, end, where, content.clock)
    step, odd = _step(content, fps, where)
    rows = inside[::step]
    numbers = rows + (content.first or 0)
    return Taken(rows, numbers, frames - len(inside), step, len(inside) - len(rows), odd)


def _between_frames(first: int, frames: int, begin: float | None, end: float | None, where: str, clock: str) -> Ints:
    for title, value in (("begin", begin), ("end", end)):
        if value is not None and not float(value).is_integer():
            raise DataError(f"{where}: {title} is {value:g}, but the file counts frames; give a whole number")
    start = first if begin is None else int(begin)
    stop = first + frames if end is None else int(end)
    if not first <= start < first + frames or not start < stop <= first + frames:
        has = f"{frames} frames" if not clock else f"the frames {first} to {first + frames - 1} ({clock})"
        raise DataError(f"{where} has {has}, but the table asks for {start} to {stop}; correct the table")
    return np.arange(start - first, stop - first, dtype=np.int64)


def _between_times(content: Content, begin: float | None, end: float | None, where: str) -> Ints:
    assert content.times is not None
    known = ~np.isnan(content.times)
    times = np.interp(np.arange(len(known)), np.flatnonzero(known), content.times[known])
    inside = (times >= (-np.inf if begin is None else begin)) & (times < (np.inf if end is None else end))
    low, high = times[0], times[-1]
    last = high + 1.5 * (high - low) / max(len(times) - 1, 1)
    outside = (begin is not None and begin < low) or (end is not None and end > last)
    if outside or not inside.any():
        start, stop = low if begin is None else begin, high if end is None else end
        raise DataError(
            f"{where} has the times {low:g} to {high:g} ({content.clock}), but the table asks for {start:g} to"
            f" {stop:g}; correct the table"
        )
    return np.flatnonzero(inside).astype(np.int64)


def _step(content: Content, fps: float | None, where: str) -> tuple[int, float | None]:
    """Every which frame gives ``fps``, and the file's rate where none does and it comes from times alone."""
    if content.fps is None or fps is None:
        return 1, None
    step = max(1, round(content.fps / fps))
    tolerance = MEASURED_TOLERANCE if content.measured else RATE_TOLERANCE
    if abs(content.fps / step - fps) <= tolerance * fps:
        return step, None
    if content.measured:
        return 1, content.fps
    raise DataError(
        f"{where} has {content.fps:g} frames per second, which is not a multiple of {fps:g}; give an fps that divides"
        " the rate of every file"
    )
