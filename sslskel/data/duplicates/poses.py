"""Poses as distances between joints: equal wherever a body stands, however it is turned and whichever way is up.

From them come ids of clips, by which a copy in another unit or with rounded coordinates is known again. The ids
are stored in checkpoints: another choice here is another ``FORM``.
"""

from __future__ import annotations

import functools
import itertools

import numpy as np
import numpy.typing as npt

from sslskel.api.dataset import Dataset, Ints
from sslskel.hashing import stable_id

FORM = 1
"""Part of every id."""
PAIRS = 32
"""Most distances of a pose; of a body with more, these are spread over all."""
COURSES = 4
"""Cosines over the time of a clip that its distances are projected on."""
FEATURES = 16
"""Numbers that tell clips apart."""
CELL = 0.015
"""Size of a grid's cell, in mean distances of the clip's joints: about 1 cm for a person."""
GRIDS = 3
"""Grids, each a third of a cell further: what lies at the border of one is inside another."""
POINT = 1e-9
"""Share of the largest coordinate below which distances are nothing: all joints in one place."""
STILL = 0.008
"""Standard deviation over time, in mean distances, below which a body stands still and looks like others that do."""

Reals = npt.NDArray[np.float64]


@functools.cache
def joint_pairs(num_joints: int, most: int = PAIRS) -> tuple[Ints, Ints]:
    """(P,) first and second joint of the pairs whose distances describe a pose; the same ones for ever."""
    pairs = list(itertools.combinations(range(num_joints), 2))
    if len(pairs) > most:
        pairs = sorted(pairs, key=lambda pair: stable_id("pair of joints", *map(str, pair)))[:most]
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return first, second


def distances(joints: npt.NDArray[np.floating], pairs: tuple[Ints, Ints]) -> Reals:
    """(R, V, C) -> (R, P): how far apart the joints of each pair are."""
    wide = joints.astype(np.float64)
    return np.asarray(np.linalg.norm(wide[:, pairs[0]] - wide[:, pairs[1]], axis=-1))


@functools.cache
def projection(numbers: int, features: int, name: str) -> Reals:
    """(numbers, features) signs, scaled so that columns have length 1; the same ones for ever."""
    signs = [[stable_id(name, str(row), str(column)) % 2 for column in range(features)] for row in range(numbers)]
    signed: Reals = 2.0 * np.array(signs, np.float64).reshape(numbers, features) - 1
    return signed / float(np.sqrt(max(1, numbers)))


def courses(series: Reals) -> Reals:
    """(T, P) -> (COURSES * P,): the means over time of the distances times cosines of 0, 1/2, 1 ... periods."""
    times = (np.arange(len(series)) + 0.5) / len(series)
    waves = np.cos(np.pi * np.arange(COURSES)[:, None] * times) / len(series)
    return np.asarray((waves @ series).ravel())


def whole_cells(places: Reals) -> Ints:
    """The whole numbers below places on a grid; those of bodies beyond any measure share one, without a warning."""
    with np.errstate(invalid="ignore"):
        return np.floor(places).astype(np.int64)


def clip_ids(dataset: Dataset, rows: Ints) -> Ints:
    """(n, GRIDS) ids of clips: copies in another unit, turned, moved or rounded share at least one of them.

    They follow from the course of distances between joints, in mean distances of the clip, and from the numbers of
    persons and frames; 0 for bodies that do not move, which resemble each other.
    """
    ids = np.zeros((len(rows), GRIDS), np.int64)
    first = np.searchsorted(dataset.track_clip, rows)
    last = np.searchsorted(dataset.track_clip, rows, side="right")
    for place, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        described = _described(dataset, begin, end)
        if described is None:
            continue
        numbers, lengths = described
        for grid in range(GRIDS):
            cells = whole_cells(numbers / CELL + grid / GRIDS)
            ids[place, grid] = stable_id("movement", str(FORM), str(grid), *map(str, [*lengths, *cells.tolist()]))
    return ids


def _described(dataset: Dataset, begin: int, end: int) -> tuple[Reals, list[int]] | None:
    """Numbers of the tracks of a clip, sorted so that slots of persons may change, and the number of frames of each."""
    pairs = joint_pairs(dataset.joints.shape[1])
    if not len(pairs[0]):
        return None
    persons = []
    for track in range(begin, end):
        offset, length = int(dataset.track_offset[track]), int(dataset.track_length[track])
        joints = np.asarray(dataset.joints[offset : offset + length])
        series = distances(joints, pairs)
        scale = float(series.mean())
        if scale > POINT * float(np.abs(joints).max()) and float(series.std(0).mean()) > STILL * scale:
            wave = courses(series / scale) @ projection(COURSES * len(pairs[0]), FEATURES, "movement")
            persons.append((length, wave))
    if not persons:
        return None
    persons.sort(key=lambda one: (one[0], round(float(one[1][0]), 2)))
    return np.concatenate([wave for _, wave in persons]), [length for length, _ in persons]
