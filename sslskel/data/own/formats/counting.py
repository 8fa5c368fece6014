"""Which frame each row of a table is of: by the numbers of its frames, by its times, or one after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.formats.text_lines import TextLines
from sslskel.errors import DataError

Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
SPARSE = 16
"""Frames that a table may span per row it has, so that a wrong number fills no memory."""
MOST_BYTES = 2**31
"""Of one recording with a place for every person in every frame."""
UNITS = (1.0, 1e-3, 1e-6, 1e-7, 1e-9)
"""Seconds of what times are counted in: seconds, milliseconds, microseconds, ticks of Kinect's SDK, nanoseconds."""
SLOWEST, FASTEST = 4.0, 999.0
"""Frames per second of recordings; times are in the unit that gives such a rate."""
WHOLE = 0.02
"""Share by which a rate out of times may miss a whole number to be taken for it."""
GAP = 1.5
"""Usual distances between frames beyond which some are missing."""


@dataclass(frozen=True)
class Clock:
    """Where the rows of a table lie in time."""

    rows: Ints
    """(rows,) frame of every row, from 0."""
    frames: int
    first: int | None
    """Number of the first frame, where a column has numbers."""
    times: Doubles | None
    """(frames,) times, where a column has them; NaN where a frame is missing."""
    title: str
    """What counts, for sentences."""
    fps: float | None = None
    gaps: int = 0
    """Frames between the first and the last that no row is of."""

    def refuse_twice(
        self,
        body: TextLines,
        owners: Ints,
        kept: npt.NDArray[np.bool_] | None = None,
        layout: SkeletonLayout | None = None,
    ) -> None:
        """Raise ``DataError`` naming both lines where two rows are of one frame and owner (person, or joint of one)."""
        pairs = np.stack([self.rows, owners], 1)
        seen: dict[tuple[int, int], int] = {}
        if len(np.unique(pairs, axis=0)) == len(pairs):
            return
        for at, (frame, owner) in enumerate(pairs.tolist()):
            if kept is not None and not kept[at]:
                continue
            before = seen.setdefault((frame, owner), at)
            if before != at:
                who = f"person {owner}"
                if layout is not None:
                    who = f"joint '{layout.joints[owner % (layout.num_joints + 1)]}' of {_person(owner, layout)}"
                raise DataError(
                    f"'{body.path}', lines {body.lines[before][0]} and {body.lines[at][0]}: frame {self._named(frame)}"
                    f" of {who} has two rows; keep one of them"
                )

    def _named(self, frame: int) -> str:
        if self.first is None and self.times is not None:
            return f"at {self.times[frame]:g}"
        return str(frame + (self.first or 0))


def _person(owner: int, layout: SkeletonLayout) -> str:
    return f"person {owner // (layout.num_joints + 1)}"


def clock_of(body: TextLines, roles: Mapping[str, int], header: Sequence[str]) -> Clock:
    """The clock of a table; raises ``DataError`` naming file and line for numbers that count no frames."""
    width = len(header)
    times = _times(body, roles["time"], header) if "time" in roles else None
    if "frame" in roles:
        title = header[roles["frame"]].strip()
        numbers = body.numbers([roles["frame"]], width)[:, 0]
        for at in np.flatnonzero(~_counts(numbers))[:1].tolist():
            raise body.fault(at, f"the column '{title}' must hold whole numbers from 0, and holds {numbers[at]:g}")
        return by_numbers(numbers, str(body.path), f"column '{title}'", times)
    if times is not None:
        return by_times(times, f"column '{header[roles['time']]}'")
    if "person" in roles:
        raise DataError(f"'{body.path}', line 1: a column 'person' needs a column 'frame'; add it, counted from 0")
    if "joint" in roles:
        return _by_repetition(body.texts(roles["joint"], width))
    return Clock(np.arange(len(body.lines)), len(body.lines), None, None, "")


def _counts(numbers: Doubles) -> npt.NDArray[np.bool_]:
    """(rows,) whether a number can be that of a frame."""
    counts = np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers >= 0) & (numbers < 1 << 53)
    return np.asarray(counts, dtype=np.bool_)


def by_numbers(numbers: Doubles, where: str, title: str, times: Doubles | None = None) -> Clock:
    """The clock of rows whose frames are numbered, from 0 or any other number on; ``times`` tell its rate.

    Raises ``DataError`` for numbers that are none of frames, or lie too far apart for any recording.
    """
    if not _counts(numbers).all():
        raise DataError(f"'{where}': {title} must be whole numbers from 0 on; number the frames 0, 1, 2 ...")
    frames = numbers.astype(np.int64)
    first = int(frames.min())
    rows = frames - first
    count = int(rows.max()) + 1
    if count > SPARSE * len(rows) + 10_000:
        raise DataError(
            f"'{where}': {len(rows):,} rows, but frames are numbered as if there were {count:,}; number them 0, 1,"
            " 2 ..."
        )
    kinds, at = np.unique(rows, return_index=True)
    fps = None if times is None or len(kinds) < 2 else _rate(np.diff(times[at]) / np.diff(kinds))
    return Clock(rows, count, first, None, title, fps, count - len(kinds))


def nobody(shape: tuple[int, ...], where: str) -> Doubles:
    """(M, T, V, C) of NaN; raises ``DataError`` as :func:`require_room`."""
    require_room(shape, where)
    return np.full(shape, np.nan)


def require_room(shape: tuple[int, ...], where: str) -> None:
    """Raise ``DataError`` where a few lines of a file stand for an array (M, T, V, C) that nobody has memory for."""
    size = 8 * math.prod(shape)
    if size > MOST_BYTES:
        raise DataError(
            f"'{where}': {shape[0]:,} persons in {shape[1]:,} frames would take {size:,} bytes, where at most"
            f" {MOST_BYTES:,} are read; keep the persons who matter, or cut the recording"
        )


def _times(body: TextLines, column: int, header: Sequence[str]) -> Doubles | None:
    """The column of times, or None where it holds something else (dates and hours)."""
    try:
        times = body.numbers([column], len(header))[:, 0]
    except DataError:
        return None
    return times if np.isfinite(times).all() else None


def by_times(times: Doubles, title: str) -> Clock:
    """A frame for every time, and empty ones where the distance to the next shows that some are missing."""
    distinct, rows = np.unique(times, return_inverse=True)
    steps = np.diff(distinct)
    usual = float(np.median(steps)) if len(steps) else 0.0
    lost = np.where(steps > GAP * usual, np.round(steps / usual) - 1, 0) if usual else np.zeros(len(steps))
    lost = np.minimum(lost, SPARSE * len(times) + 10_000).astype(np.int64)
    if lost.sum() > SPARSE * len(times) + 10_000:
        raise DataError(
            f"{title}: its {len(times):,} times lie so unevenly that {lost.sum():,} frames or more would be missing"
            " between them; resample the recording"
        )
    places = np.concatenate([[0], np.cumsum(1 + lost)]).astype(np.int64)
    spread = np.full(int(places[-1]) + 1, np.nan)
    spread[places] = distinct
    return Clock(places[rows.reshape(-1)], len(spread), None, spread, title, _rate(steps), int(lost.sum()))


def _rate(steps: Doubles) -> float | None:
    """Frames per second out of the distances between frames, in the unit in which they make sense."""
    usual = float(np.median(steps)) if len(steps) else 0.0
    if not usual > 0:
        return None
    usual = float(steps[steps <= GAP * usual].mean())
    for seconds in UNITS:
        rate = 1 / (usual * seconds)
        if SLOWEST <= rate <= FASTEST:
            whole = round(rate)
            return float(whole) if abs(rate - whole) <= WHOLE * rate else rate
    return None


def _by_repetition(joints: Sequence[str]) -> Clock:
    """The next frame begins where a joint comes again."""
    rows, seen, frame = np.empty(len(joints), np.int64), set[str](), 0
    for at, joint in enumerate(joints):
        if joint in seen:
            frame, seen = frame + 1, set()
        seen.add(joint)
        rows[at] = frame
    return Clock(rows, frame + 1, None, None, "")
