"""The search for clips that hold the same frames: what it finds whatever was done to a copy, and what it leaves."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from sslskel.api.copies import SharedFrames, copied_rows
from sslskel.api.dataset import Clip, DatasetInfo, Track
from sslskel.api.skeleton import NTU25
from sslskel.data.duplicates import frames as frame_codes
from sslskel.data.duplicates.search import longest_run, search
from sslskel.data.memory import MemoryDataset

Array = np.ndarray[Any, np.dtype[np.float32]]
TURN = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0].astype(np.float32)


def moving(seed: int, length: int = 40) -> Array:
    """(T, 25, 3) metres: a body 3 m away whose joints wander about 20 cm in smooth curves."""
    random = np.random.default_rng(seed)
    body = np.random.default_rng(7).normal((0, 0, 3), 0.4, (25, 3))
    times = np.linspace(0, 1, length)[:, None, None]
    phases, sizes = random.uniform(0, 6.3, (3, 25, 3)), random.normal(0, 0.15, (3, 25, 3))
    waves = [sizes[n] * np.sin(2 * np.pi * (n + 1) * times + phases[n]) for n in range(3)]
    return (body + sum(waves)).astype(np.float32)


def dataset(*clips: Array | tuple[Array, ...], subjects: Sequence[int] = ()) -> MemoryDataset:
    info = DatasetInfo("made", 1, NTU25, ("one",), 30.0, persons=2)
    made = []
    for number, persons in enumerate(clips):
        several = persons if isinstance(persons, tuple) else (persons,)
        tracks = tuple(Track(slot, 0, one, np.ones(len(one), np.bool_)) for slot, one in enumerate(several))
        subject = subjects[number] if len(subjects) else 1
        made.append(Clip(f"c{number:03}", 0, max(map(len, several)), tracks, subject=subject))
    return MemoryDataset(info, made)


def inside(part: Array, seed: int) -> Array:
    """A run of frames between others."""
    return np.concatenate([moving(1000 + seed, 9), part, moving(2000 + seed, 12)])


CHANGES: dict[str, tuple[Callable[[Array, int], Array], int]] = {
    "equal": (lambda a, _: a, 40),
    "three decimals": (lambda a, _: np.round(a, 3), 40),
    "two decimals": (lambda a, _: np.round(a, 2), 40),
    "half precision": (lambda a, _: a.astype(np.float16).astype(np.float32), 40),
    "moved and turned": (lambda a, _: a @ TURN + np.float32(2), 40),
    "mirrored": (lambda a, _: a * np.float32([-1, 1, 1]), 40),
    "half the rate": (lambda a, _: a[::2], 20),
    "a run of ten": (lambda a, seed: inside(a[5:15], seed), 10),
    "a rounded run": (lambda a, seed: np.round(inside(a[5:25], seed), 3), 20),
    "a turned run": (lambda a, seed: inside(a[5:17] @ TURN, seed), 12),
    "one frame": (lambda a, seed: inside(a[20:21], seed), 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_found_whatever_was_done_to_them(change: str) -> None:
    do, frames = CHANGES[change]
    originals = [moving(seed, 40) for seed in range(20)]
    others = [moving(seed, 33) for seed in range(100, 130)]
    shared = search(dataset(*originals, *others, *(do(one, seed) for seed, one in enumerate(originals))))
    assert [(one.first, one.second) for one in shared] == [(seed, 50 + seed) for seed in range(20)]
    assert all(one.frames == pytest.approx(frames, abs=1) for one in shared)
    if change in ("equal", "half the rate", "a run of ten", "one frame"):
        assert all(one.exact for one in shared)
    if change in ("three decimals", "two decimals", "half precision", "a rounded run"):
        assert not any(one.exact for one in shared)


def test_where_the_run_lies_is_said() -> None:
    [one] = search(dataset(moving(1), inside(moving(1)[5:15], 1)))
    assert one == SharedFrames(0, 1, 10, 5, 9, exact=True)


def test_persons_may_change_their_slots() -> None:
    one, other = moving(1), moving(2)
    [shared] = search(dataset((one, other), (moving(3), moving(4)), (other, one)))
    assert (shared.first, shared.second, shared.frames) == (0, 2, 40)


def test_bodies_that_only_resemble_each_other_are_no_copies() -> None:
    """Still bodies in nearly one pose, repetitions that differ by a centimetre, and frames without a body."""
    random = np.random.default_rng(0)
    still = [moving(1)[:1] + random.normal(0, 0.002, (40, 25, 3)).astype(np.float32) for _ in range(10)]
    again = [moving(2) + random.normal(0, 0.01, (1, 25, 3)).astype(np.float32) for _ in range(10)]
    nobody = [np.concatenate([np.zeros((10, 25, 3), np.float32), moving(50 + n)]) for n in range(10)]
    assert search(dataset(*still, *again, *nobody)) == []


def test_frames_inside_one_clip_are_no_pair() -> None:
    assert search(dataset(np.concatenate([moving(1), moving(1)]), moving(2))) == []


def test_of_many_copies_each_has_a_partner_and_all_are_one_group() -> None:
    made = dataset(*[moving(1)] * 200, moving(2))
    shared = search(made)
    assert {row for one in shared for row in (one.first, one.second)} == set(range(200))
    assert len(shared) < 200 * 12
    train, test = np.array([199]), np.array([*range(150), 200])
    assert copied_rows(shared, made.lengths, train, test).tolist() == list(range(150))


def test_a_pose_that_all_clips_begin_with_costs_little_and_is_no_copy() -> None:
    pose = moving(1, 1)
    made = dataset(*(np.concatenate([pose, moving(10 + n, 20)]) for n in range(300)))
    shared = search(made)
    assert {one.frames for one in shared} == {1}
    assert len(shared) < 300 * 5
    assert not len(copied_rows(shared, made.lengths, np.arange(150), np.arange(150, 300)))


def test_large_parts_are_searched_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = [moving(seed) for seed in range(30)] + [np.round(moving(seed), 3) for seed in range(30)]
    whole = search(dataset(*clips))
    monkeypatch.setattr(frame_codes, "PART", 100)
    monkeypatch.setattr(frame_codes, "BLOCK", 64)
    assert search(dataset(*clips)) == whole
    assert len(whole) == 30


@pytest.mark.long
def test_memory_stays_far_below_that_of_the_frames() -> None:
    made = dataset(*(moving(seed, 60) for seed in range(4000)), *(moving(seed, 60) for seed in range(0, 4000, 100)))
    tracemalloc.start()
    shared = search(made)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(shared) == 40
    assert most < made.joints.nbytes


def pair(first: int, second: int, frames: int) -> SharedFrames:
    return SharedFrames(first, second, frames, 0, 0, exact=True)


@pytest.mark.parametrize(
    ("shared", "copied"),
    [
        ([pair(0, 3, 30)], [3]),
        ([pair(0, 3, 5)], [3]),
        ([pair(0, 3, 4)], []),
        ([pair(0, 5, 2)], [5]),
        ([pair(3, 4, 30)], []),
        ([pair(0, 3, 30), pair(3, 4, 30)], [3, 4]),
        ([pair(0, 2, 30), pair(2, 4, 30)], [4]),
        ([pair(0, 3, 30), pair(3, 4, 6)], [3]),
    ],
)
def test_test_clips_that_share_frames_with_training_clips_are_copies(
    shared: list[SharedFrames], copied: list[int]
) -> None:
    """Clips 0 and 1 train, 2 is in neither part, 3 to 5 test; clip 5 has four frames. Copies of copies are copies,
    through clips of no part too; a clip that shares a run with a copy is none."""
    lengths = np.array([30, 30, 30, 30, 30, 4])
    assert copied_rows(shared, lengths, np.array([0, 1]), np.array([3, 4, 5])).tolist() == copied


def test_the_longest_run() -> None:
    assert longest_run(np.array([1, 1, 0, 1, 1, 1, 0], np.bool_)) == (3, 3)
    assert longest_run(np.zeros(4, np.bool_)) == (0, 0)
