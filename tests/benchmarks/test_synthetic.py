"""The embedded benchmark: the same bytes every time, sound bodies, honest splits."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from sslskel.benchmarks.synthetic import BENCHMARK
from sslskel.benchmarks.synthetic.actions import ACTIONS, standing
from sslskel.benchmarks.synthetic.body import Limbs, joints_of
from sslskel.benchmarks.synthetic.generate import (
    CAMERAS,
    SUBJECTS,
    TRAIN_SUBJECTS,
    VALIDATION_SUBJECTS,
    clips,
    subject,
)
from sslskel.dataset import Clip
from sslskel.skeleton import NTU25

RIGID = ("spine_mid", "neck", "left_elbow", "right_wrist", "left_knee", "right_ankle", "head")


@pytest.fixture(scope="module")
def made() -> list[Clip]:
    return list(clips())


def test_two_runs_give_the_same_bytes(made: list[Clip]) -> None:
    for one, other in zip(made, clips(), strict=True):
        assert one.name == other.name
        for a, b in zip(one.tracks, other.tracks, strict=True):
            assert a.joints.tobytes() == b.joints.tobytes()


def test_another_seed_gives_other_clips(made: list[Clip]) -> None:
    other = next(clips(seed=1)).tracks[0].joints
    assert all(other.tobytes() != clip.tracks[0].joints.tobytes() for clip in made)


def test_counts_lengths_and_values(made: list[Clip]) -> None:
    assert len(made) == BENCHMARK.expected["clips"]
    assert len({clip.name for clip in made}) == len(made)
    assert set(Counter(clip.label for clip in made).values()) == {len(made) // len(ACTIONS)}
    assert all(40 <= clip.length <= 120 for clip in made)
    assert len({clip.length for clip in made}) > 20
    for clip in made:
        for track in clip.tracks:
            assert track.joints.shape == (clip.length, 25, 3)
            assert track.joints.dtype == np.float32
            assert np.isfinite(track.joints).all()
            assert np.abs(track.joints).max() < 5.0
        assert (clip.tracks[0].joints[0, NTU25.joint("spine_mid")] == 0).all()


def test_actions_of_two_have_two_persons(made: list[Clip]) -> None:
    persons = {name: len(parts) for name, parts in ACTIONS.items()}
    assert list(persons.values()).count(2) >= 2
    assert list(persons.values()).count(1) >= 12
    names = tuple(ACTIONS)
    assert all(len(clip.tracks) == persons[names[clip.label]] for clip in made)


def test_parts_share_no_subject_and_hold_every_class(made: list[Clip]) -> None:
    test = set(SUBJECTS) - TRAIN_SUBJECTS
    assert VALIDATION_SUBJECTS < TRAIN_SUBJECTS
    for part in (TRAIN_SUBJECTS - VALIDATION_SUBJECTS, VALIDATION_SUBJECTS, test):
        assert {clip.label for clip in made if clip.subject in part} == set(range(len(ACTIONS)))
    assert {clip.camera for clip in made} == set(CAMERAS)


def test_without_a_sensor_bones_are_rigid() -> None:
    for clip in list(clips(sensor=None))[::37]:
        for track in clip.tracks:
            for name in RIGID:
                joint = NTU25.joint(name)
                parent = NTU25.parents[joint]
                length = np.linalg.norm(track.joints[:, joint] - track.joints[:, parent], axis=-1)
                assert np.ptp(length) < 1e-4, name


def test_the_sensor_adds_noise(made: list[Clip]) -> None:
    clean = next(clips(sensor=None)).tracks[0].joints
    error = np.abs(made[0].tracks[0].joints - clean)
    assert 0.002 < np.median(error) < 0.05


def test_standing_body_is_symmetric_and_on_the_floor() -> None:
    joints = joints_of(Limbs(), standing(1))[0]
    mirrored = joints[list(NTU25.mirror())] * [-1, 1, 1]
    np.testing.assert_allclose(joints, mirrored, atol=1e-12)
    assert joints[:, 1].min() == pytest.approx(0.0, abs=1e-9)
    assert 1.4 < joints[NTU25.joint("head"), 1] < 1.9


def test_subjects_differ() -> None:
    people = [subject(number) for number in SUBJECTS]
    assert len({person.limbs for person in people}) == len(people)
    assert {person.hand for person in people} == {"left", "right"}
    assert max(p.tempo for p in people) / min(p.tempo for p in people) > 1.2
