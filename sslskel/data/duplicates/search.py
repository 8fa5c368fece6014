"""The search of a dataset for clips that hold the same frames: candidates from sorted codes, verified by distance.

Distances between joints are compared, so that a copy that was moved, turned or mirrored is one too. What counts as
the same is stated in the constants; a mean distance of the joints of a person is about 0.6 m.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sslskel.api.copies import RUN, SharedFrames
from sslskel.api.dataset import Dataset, Ints
from sslskel.data.duplicates.frames import FrameCodes, Positions, body_scale, frame_codes, links
from sslskel.data.duplicates.poses import Reals, distances, joint_pairs
from sslskel.progress import SILENT, Reporter

COMPARED = 300
"""Most distances of a pose that are compared: all of 25 joints."""
EXACT = 1e-5
"""Largest difference of distances, in mean distances of joints, of frames that are the same number for number."""
NEAR = 0.004
"""The same of frames that are rounded to millimetres or half precision."""
MOVING = 4.0
"""How much more a body moves in such frames than they differ: bodies that stand still are alike."""
NEAR_WHOLE, MOVING_WHOLE = 0.0085, 4.0
"""Root mean square difference of clips of one length that are rounded to centimetres, and how much more they move."""
NEAR_OTHER, MOVING_OTHER = 0.003, 10.0
"""The same of clips of other lengths: copies at another rate of frames."""
NEIGHBOURS, RADIUS = 5, 0.05
"""How many tracks are compared as wholes with each, and how far they are apart at most."""
SHORTEST = 8
"""Frames of a track below which its course says little."""
ALIGNMENTS = 4
"""Most shifts in which two tracks are compared."""
PAIRS_AT_ONCE = 1 << 10
FRAMES_AT_ONCE = 1 << 12

Bools = npt.NDArray[np.bool_]
Alignments = npt.NDArray[np.int64]


def search(dataset: Dataset, reporter: Reporter = SILENT) -> list[SharedFrames]:
    """All pairs of clips of which some frames are equal, or nearly equal over a run or the whole clip, sorted.

    Time grows as the number of frames, not of pairs. Of many copies of one clip, each is paired with some of the
    others. Clips of one recording are not compared.
    """
    pairs = joint_pairs(dataset.joints.shape[1])
    scale = body_scale(dataset, pairs) if len(pairs[0]) else 0.0
    if not scale:
        return []
    positions = Positions.of(dataset)
    codes = frame_codes(dataset, positions, scale, reporter)
    group = positions.clip if dataset.recording is None else dataset.recording[positions.clip]
    compare = _Comparison(dataset, positions, scale)
    best: dict[tuple[int, int], SharedFrames] = {}
    for one in (*_by_frames(compare, codes, group, reporter), *_by_course(compare, codes, group)):
        key = (one.first, one.second)
        if key not in best or (one.frames, one.exact) > (best[key].frames, best[key].exact):
            best[key] = one
    return [best[key] for key in sorted(best)]


def _by_frames(compare: _Comparison, codes: FrameCodes, group: Ints, reporter: Reporter) -> Iterator[SharedFrames]:
    for exact, own in ((True, codes.exact), (False, codes.poses)):
        blocks = [
            alignments
            for first, second in links(own, group, compare.positions)
            for alignments in compare.alignments(first, second, EXACT if exact else NEAR)
        ]
        if not blocks:
            continue
        chosen = _most_frequent(np.concatenate(blocks))
        for done, (one, other, shift, common) in enumerate(chosen.tolist(), 1):
            for shared in compare.shared(one, other, shift):
                # Of a copy with other times, each frame is equal at another shift.
                yield shared._replace(frames=max(shared.frames, common)) if shared.exact and exact else shared
            if done % 256 == 0 or done == len(chosen):
                reporter.step("search for copies: clips", done, len(chosen))


def _most_frequent(alignments: Alignments) -> Alignments:
    """(n, 4) tracks, shift and frames in any shift: those shifts that most frames of two tracks agree on."""
    shifts, place = np.unique(alignments[:, :3], axis=0, return_inverse=True)
    counts = np.bincount(place.ravel(), alignments[:, 3]).astype(np.int64)
    order = np.lexsort((-counts, shifts[:, 1], shifts[:, 0]))
    shifts, counts = shifts[order], counts[order]
    begins = np.ones(len(shifts), np.bool_)
    begins[1:] = (shifts[1:, :2] != shifts[:-1, :2]).any(1)
    at = np.arange(len(shifts))
    rank: Ints = at - np.maximum.accumulate(np.where(begins, at, 0))
    kept = rank < ALIGNMENTS
    of_pair = begins.cumsum() - 1
    common = np.bincount(of_pair, counts).astype(np.int64)[of_pair]
    return np.concatenate([shifts[kept], common[kept, None]], 1)


def _by_course(compare: _Comparison, codes: FrameCodes, group: Ints) -> Iterator[SharedFrames]:
    """Tracks that move alike as a whole, which catches copies that were rounded coarsely or have another rate."""
    # A fifth of a second that only a search needs.
    from scipy.spatial import cKDTree

    tracks = np.flatnonzero((compare.positions.length >= SHORTEST) & (codes.motion > NEAR))
    if len(tracks) < 2:
        return
    tree = cKDTree(codes.courses[tracks])
    count = min(NEIGHBOURS + 1, len(tracks))
    gaps, near = map(np.asarray, tree.query(codes.courses[tracks], k=count, distance_upper_bound=RADIUS))
    at, column = np.nonzero(np.isfinite(gaps))
    one, other = tracks[at], tracks[near[at, column]]
    several = group[one] != group[other]
    for first, second in np.unique(np.sort(np.stack([one, other], 1)[several], axis=1), axis=0).tolist():
        yield from compare.whole(first, second)


class _Comparison:
    """Compares frames of two tracks of a dataset by the distances between all joints."""

    def __init__(self, dataset: Dataset, positions: Positions, scale: float) -> None:
        self.dataset, self.positions, self._scale = dataset, positions, scale
        self._pairs = joint_pairs(dataset.joints.shape[1], COMPARED)

    def alignments(self, first: Ints, second: Ints, tolerance: float) -> Iterator[Alignments]:
        """(n, 4) tracks, shift and number of frames, of those positions whose frames are equal."""
        positions = self.positions
        for begin in range(0, len(first), PAIRS_AT_ONCE):
            one, other = first[begin : begin + PAIRS_AT_ONCE], second[begin : begin + PAIRS_AT_ONCE]
            gap = np.abs(self._poses(positions.rows(one)) - self._poses(positions.rows(other))).max(1)
            one, other = one[gap <= tolerance], other[gap <= tolerance]
            tracks = positions.track(one), positions.track(other)
            shift = (other - positions.start[tracks[1]]) - (one - positions.start[tracks[0]])
            if len(one):
                unique, counts = np.unique(np.stack([*tracks, shift], 1), axis=0, return_counts=True)
                yield np.concatenate([unique, counts[:, None]], 1)

    def shared(self, first: int, second: int, shift: int) -> Iterator[SharedFrames]:
        """What two tracks share where frame i of the one is compared with frame i + shift of the other."""
        begin = max(0, -shift)
        end = int(min(self.positions.length[first], self.positions.length[second] - shift))
        gaps = np.concatenate(
            [
                np.abs(self._frames(first, at, until) - self._frames(second, at + shift, until + shift)).max(1)
                for at in range(begin, end, FRAMES_AT_ONCE)
                for until in [min(end, at + FRAMES_AT_ONCE)]
            ]
        )
        bodies = self._bodies(first, begin, end) & self._bodies(second, begin + shift, end + shift)
        for tolerance, least in ((EXACT, 1), (NEAR, RUN)):
            at, frames = longest_run((gaps <= tolerance) & bodies)
            if frames < least:
                continue
            exact = tolerance == EXACT
            if exact or self._moves(first, second, shift, begin + at, frames):
                yield self._pair(first, second, (begin + at, begin + at + shift), frames, exact=exact)

    def whole(self, first: int, second: int) -> Iterator[SharedFrames]:
        """Whether two tracks are one, rounded or at another rate of frames."""
        lengths = [int(self.positions.length[track]) for track in (first, second)]
        if max(lengths) > FRAMES_AT_ONCE:
            return
        one, other = (self._frames(track, 0, length) for track, length in zip((first, second), lengths, strict=True))
        same, frames = lengths[0] == lengths[1], min(lengths)
        if not same:
            one, other = resampled(one, frames), resampled(other, frames)
        gap, motion = _rms(one - other), _rms(one - one.mean(0))
        most, moving = (NEAR_WHOLE, MOVING_WHOLE) if same else (NEAR_OTHER, MOVING_OTHER)
        if gap <= most and motion >= moving * gap:
            yield self._pair(first, second, (0, 0), frames, exact=False)

    def _moves(self, first: int, second: int, shift: int, begin: int, frames: int) -> bool:
        end = begin + min(frames, FRAMES_AT_ONCE)
        one = self._frames(first, begin, end)
        gap = _rms(one - self._frames(second, begin + shift, end + shift))
        return _rms(one - one.mean(0)) >= MOVING * max(gap, EXACT)

    def _pair(self, first: int, second: int, begins: tuple[int, int], frames: int, *, exact: bool) -> SharedFrames:
        """Of clips, whose frames are counted from the clip's first."""
        sides = sorted(
            (int(self.positions.clip[track]), int(self.dataset.track_begin[track]) + begin)
            for track, begin in zip((first, second), begins, strict=True)
        )
        return SharedFrames(sides[0][0], sides[1][0], frames, sides[0][1], sides[1][1], exact)

    def _frames(self, track: int, begin: int, end: int) -> Reals:
        offset = int(self.positions.offset[track])
        return self._poses(np.arange(offset + begin, offset + end))

    def _bodies(self, track: int, begin: int, end: int) -> Bools:
        offset = int(self.positions.offset[track])
        rows = slice(offset + begin, offset + end)
        joints = np.asarray(self.dataset.joints[rows])
        wide: Bools = np.ptp(joints, axis=1).max(1) > NEAR * self._scale
        return wide & np.asarray(self.dataset.valid[rows])

    def _poses(self, rows: Ints) -> Reals:
        return distances(np.asarray(self.dataset.joints[rows]), self._pairs) / self._scale


def longest_run(flags: Bools) -> tuple[int, int]:
    """Begin and length of the first longest run of true; (0, 0) where there is none."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    if not len(begins):
        return 0, 0
    at = int((ends - begins).argmax())
    return int(begins[at]), int(ends[at] - begins[at])


def resampled(series: Reals, frames: int) -> Reals:
    """(T, P) -> (frames, P), in even steps from the first to the last."""
    times = np.linspace(0, len(series) - 1, frames)
    below = np.floor(times).astype(np.int64)
    above = np.minimum(below + 1, len(series) - 1)
    share = (times - below)[:, None]
    return series[below] * (1 - share) + series[above] * share


def _rms(values: Reals) -> float:
    return float(np.sqrt(np.mean(values**2)))
