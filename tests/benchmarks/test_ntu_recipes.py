"""Recipes ``clean`` and ``agcn`` on made-up recordings: properties, and loops written from the rules.

There are no recorded outputs of these two; ``ctrgcn`` has them, in ``test_ntu.py``.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sslskel.benchmarks.common.ntu.actors import Actors
from sslskel.benchmarks.common.ntu.agcn import agcn, rotation
from sslskel.benchmarks.common.ntu.clean import clean
from sslskel.benchmarks.common.ntu.ctrgcn import ctrgcn
from sslskel.data.motion.decimals import read_decimals
from sslskel.data.motion.skeleton_file import Body, SkeletonFile, read_skeleton
from sslskel.errors import DataError

Array = npt.NDArray[Any]


def recording_of(frames: int, bodies: list[tuple[list[int], Array]]) -> SkeletonFile:
    """From (frames, joints) per identity; listed in the order of first appearance, as a file is read."""
    ordered = sorted((body for body in bodies if body[0]), key=lambda body: body[0][0])
    listed = [0] * frames
    made = []
    for number, (seen, joints) in enumerate(ordered):
        places = [listed[frame] for frame in seen]
        for frame in seen:
            listed[frame] += 1
        made.append(Body(b"%d" % number, list(seen), places, [1] * len(seen), joints=joints.astype(np.float32)))
    return SkeletonFile(frames, tuple(made))


def body(draw: np.random.Generator, rows: int, wide: float = 0.0) -> Array:
    """(rows, 25, 3): an upright body that sways by its own amount; a share of its rows lies down."""
    still = draw.normal(0, 1, (25, 3)) * (0.1, 0.5, 0.1) + draw.normal(0, 1, 3) + (0, 0, 3)
    still[1, 1], still[2, 1] = still[1, 1] - 1.5, still[2, 1] + 1.5
    joints = still + draw.normal(0, draw.uniform(0.01, 0.1), (rows, 25, 3))
    lying = draw.random(rows) < wide
    joints[lying] = joints[lying][..., [1, 0, 2]]
    return joints


@st.composite
def recordings(draw: st.DrawFn) -> SkeletonFile:
    """One to five identities in any frames, with gaps, short ones, wide ones and rows of zeros."""
    frames = draw(st.integers(1, 45))
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    bodies = []
    for _ in range(draw(st.integers(1, 5))):
        first, last = sorted((draw(st.integers(0, frames - 1)), draw(st.integers(0, frames - 1))))
        present = noise.random(last - first + 1) >= draw(st.sampled_from((0.0, 0.0, 0.2)))
        seen = [first + int(i) for i in np.flatnonzero(present)]
        joints = body(noise, len(seen), draw(st.sampled_from((0.0, 0.0, 0.3, 1.0))))
        joints[noise.random(len(seen)) < draw(st.sampled_from((0.0, 0.0, 0.1)))] = 0
        bodies.append((seen, joints))
    recording = recording_of(frames, bodies)
    assume(any(part.joints.any() for part in recording.bodies))
    return recording


def source(recording: SkeletonFile, frame: int, row: Array, origin: Array) -> list[int]:
    """Which identities, moved by the origin, are this row of this frame."""
    return [
        number
        for number, part in enumerate(recording.bodies)
        if frame in part.frames and np.array_equal(part.joints[part.frames.index(frame)] - origin, row)
    ]


def origin_of(recording: SkeletonFile, actors: Actors, begin: int) -> Array:
    """The mid-spine that was subtracted: some body's in the main actor's first frame."""
    first = int(actors.valid[0].argmax())
    for part in recording.bodies:
        if begin + first in part.frames:
            joints = part.joints[part.frames.index(begin + first)]
            if np.array_equal(joints - joints[1], actors.joints[0, first]):
                return np.asarray(joints[1])
    raise AssertionError("the main actor's first frame is nobody's")


def first_frame(recording: SkeletonFile, actors: Actors) -> int:
    """The frame of the file at which the clip begins, told from where the clip fits."""
    for begin in range(recording.frames - actors.valid.shape[1] + 1):
        try:
            origin = origin_of(recording, actors, begin)
        except AssertionError:
            continue
        rows = [(t, actors.joints[m, t]) for m, t in np.argwhere(actors.valid)]
        if all(source(recording, begin + int(t), row, origin) for t, row in rows):
            return begin
    raise AssertionError("rows were moved in time or changed")


@settings(max_examples=60, deadline=None)
@given(recordings())
def test_clean_leaves_every_body_in_its_frame(recording: SkeletonFile) -> None:
    actors = clean(recording, "here")
    begin = first_frame(recording, actors)
    origin = origin_of(recording, actors, begin)
    assert actors.valid[:, 0].any()
    assert actors.valid[:, -1].any()
    assert not actors.joints[~actors.valid].any()
    for frame in np.flatnonzero(actors.valid.all(axis=0)):
        one, two = (source(recording, begin + int(frame), actors.joints[m, frame], origin) for m in (0, 1))
        assert set(one) != set(two) or len(one) > 1, "one body is both actors"


@settings(max_examples=40, deadline=None)
@given(recordings(), st.integers(0, 5), st.integers(0, 5))
def test_clean_ignores_empty_frames_around(recording: SkeletonFile, before: int, after: int) -> None:
    shifted = recording_of(
        before + recording.frames + after,
        [([before + frame for frame in part.frames], part.joints) for part in recording.bodies],
    )
    one, two = clean(recording, "here"), clean(shifted, "here")
    assert np.array_equal(one.joints, two.joints)
    assert np.array_equal(one.valid, two.valid)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(12, 40), st.booleans())
def test_clean_is_ctrgcn_where_that_has_no_accident(seed: int, frames: int, two: bool) -> None:
    noise = np.random.default_rng(seed)
    recording = recording_of(frames, [(list(range(frames)), body(noise, frames)) for _ in range(1 + two)])
    one, other = clean(recording, "here"), ctrgcn(recording, "here")
    assert np.array_equal(one.joints[: 1 + two], other.joints)
    assert one.valid[: 1 + two].all()
    assert len(one.tracks()) == len(other.tracks()) == 1 + two


def test_clean_keeps_gaps_that_ctrgcn_closes() -> None:
    noise = np.random.default_rng(0)
    main, other = body(noise, 40), body(noise, 30)
    there = [*range(10), *range(20, 40)]
    recording = recording_of(40, [(list(range(40)), main), (there, other)])
    second = min(clean(recording, "here").valid, key=lambda valid: valid.sum())
    assert np.flatnonzero(second).tolist() == there
    closed = min(ctrgcn(recording, "here").valid, key=lambda valid: valid.sum())
    assert np.flatnonzero(closed).tolist() == list(range(30))


def test_clean_lets_an_identity_continue_an_actor_in_its_gap() -> None:
    noise = np.random.default_rng(1)
    first, gap = [*range(15), *range(30, 45)], list(range(15, 30))
    recording = recording_of(45, [(first, body(noise, 30)), (gap, body(noise, 15))])
    assert clean(recording, "here").valid.sum(axis=1).tolist() == [45, 0]
    assert ctrgcn(recording, "here").valid.any(axis=1).tolist() == [True, True]


def plain_agcn(recording: SkeletonFile) -> Array:
    """(2, T, 25, 3) from the rules, one number at a time where that is plainer, stored in float32 after each."""
    frames = recording.frames
    data = np.zeros((4, frames, 25, 3), np.float32)
    for part in recording.bodies:
        for row, frame, place in zip(part.joints, part.frames, part.places, strict=True):
            if place < 4:
                data[place, frame] = row
    energies = []
    for person in data:
        held = [frame.astype(np.float64) for frame in person if frame.any()]
        energies.append(sum(np.std([frame[:, axis] for frame in held]) for axis in range(3)) if held else 0.0)
    data = data[np.argsort(energies, kind="stable")[::-1][:2]]
    for person in data:
        if not person.any():
            continue
        if not person[0].any():
            held = person[[bool(frame.any()) for frame in person]]
            person[:] = 0
            person[: len(held)] = held
        for t in range(frames):
            if not person[t:].any():
                for later in range(t, frames):
                    person[later] = person[later - t]
                break
    centre = data[0, :, 1].copy()
    for person in data:
        for t in range(frames):
            for joint in range(25):
                if person[t, joint].any():
                    person[t, joint] -= centre[t]
    for low, high, axis in ((0, 1, (0.0, 0.0, 1.0)), (4, 8, (1.0, 0.0, 0.0))):
        direction = (data[0, 0, high] - data[0, 0, low]).astype(np.float64)
        data = (data.astype(np.float64) @ rotation(direction, axis).T).astype(np.float32)
    return data


@settings(max_examples=60, deadline=None)
@given(recordings())
def test_agcn_is_the_plain_loops(recording: SkeletonFile) -> None:
    expected = plain_agcn(recording)
    actors = agcn(recording, "here")
    assert actors.joints.dtype == np.float32
    assert actors.valid.shape[1] == recording.frames
    np.testing.assert_allclose(actors.joints, expected[: len(actors.joints)], atol=1e-6)
    assert not expected[len(actors.joints) :].any()
    assert np.array_equal(actors.valid, expected[: len(actors.joints)].any(axis=(2, 3)))


@settings(max_examples=40, deadline=None)
@given(recordings())
def test_agcn_stands_upright_facing_one_way(recording: SkeletonFile) -> None:
    actors = agcn(recording, "here")
    main = actors.joints[0].astype(np.float64)
    assert not main[:, 1].any()
    across = main[0, 8] - main[0, 4]
    np.testing.assert_allclose(across / np.linalg.norm(across), (1, 0, 0), atol=1e-5)
    before = [part.joints[i] for part in recording.bodies for i in range(len(part.frames)) if part.joints[i].any()]
    lengths = np.sort([np.linalg.norm(row[0] - row[20]) for row in before])
    for length in np.linalg.norm(main[actors.valid[0], 0] - main[actors.valid[0], 20], axis=1):
        nearest = np.abs(lengths - length).min()
        assert nearest < 1e-4, "a body changed its size"


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_rotations_turn_a_direction_onto_an_axis(seed: int) -> None:
    direction = np.random.default_rng(seed).normal(size=3)
    for axis in ((0.0, 0.0, 1.0), (1.0, 0.0, 0.0)):
        matrix = rotation(direction, axis)
        np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(matrix) == pytest.approx(1)
        np.testing.assert_allclose(matrix @ direction, np.linalg.norm(direction) * np.asarray(axis), atol=1e-9)


def test_rotations_of_nothing_turn_nothing() -> None:
    for direction in ((0.0, 0.0, 0.0), (0.0, 0.0, 2.0), (0.0, 0.0, -2.0)):
        assert np.array_equal(rotation(np.asarray(direction), (0.0, 0.0, 1.0)), np.eye(3))


@pytest.mark.parametrize("recipe", [clean, agcn, ctrgcn])
def test_bodies_of_zeros_are_no_clip(recipe: Any) -> None:
    recording = recording_of(20, [(list(range(20)), np.zeros((20, 25, 3)))])
    with pytest.raises(DataError, match="coordinates are all 0"):
        recipe(recording, "here")


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, SkeletonFile]:
    """A recording and a file of it, in any line end and number style."""
    recording = draw(recordings())
    end = draw(st.sampled_from((b"\n", b"\r\n", b"\r")))
    style = draw(st.sampled_from(("%.9g", "%+.8e", "%.17g")))
    extra, blank = draw(st.sampled_from((b"", b" 7 7"))), draw(st.sampled_from((b" ", b"\t", b"  ")))
    lines = [b"%d" % recording.frames]
    for frame in range(recording.frames):
        present = [part for part in recording.bodies if frame in part.frames]
        lines.append(b"%d" % len(present))
        for part in present:
            lines += [part.identity + b" 0 0 1" * draw(st.integers(0, 1)), b" 25 "]
            for x, y, z in part.joints[part.frames.index(frame)].tolist():
                position = blank.join((style % value).encode() for value in (x, y, z))
                lines.append(blank.join((position, *[b"0"] * 9)) + extra)
    return end.join(lines) + draw(st.sampled_from((b"", end, end + b"rest" + end))), recording


@settings(max_examples=25, deadline=None)
@given(texts())
def test_what_was_written_is_read(case: tuple[bytes, SkeletonFile]) -> None:
    data, recording = case
    file = read_skeleton(data, "here")
    assert file.frames == recording.frames
    assert len(file.bodies) == len(recording.bodies)
    by_name = {part.identity: part for part in file.bodies}
    for part in recording.bodies:
        read = by_name[part.identity]
        assert (read.frames, read.places) == (part.frames, part.places)
        assert np.array_equal(read.joints, part.joints)


PLAIN = re.compile(rb"[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)")
WORDS = st.from_regex(rb"[+-]?[0-9]{0,9}[.]?[0-9.]{0,9}(e[+-]?[0-9]{1,3})?", fullmatch=True).filter(bool)


@settings(max_examples=100, deadline=None)
@given(st.lists(WORDS, min_size=1, max_size=20))
def test_decimals_are_what_float_reads(words: list[bytes]) -> None:
    data = b" " * 15 + b" ".join(words)
    end = 14 + np.cumsum([len(word) + 1 for word in words])
    begin = end - [len(word) for word in words]
    values, plain = read_decimals(np.frombuffer(data, np.uint8), begin, end)
    for word, value, sure in zip(words, values.tolist(), plain.tolist(), strict=True):
        assert sure == (PLAIN.fullmatch(word) is not None and len(word) <= 15)
        if sure:
            assert np.float64(value).tobytes() == np.float64(word).tobytes()
