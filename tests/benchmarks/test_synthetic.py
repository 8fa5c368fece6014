"""The embedded benchmark: the same bytes every time, sound bodies, honest splits."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise

import numpy as np
import numpy.typing as npt
import pytest

from sslskel.api.dataset import Clip
from sslskel.api.skeleton import NTU25
from sslskel.benchmarks.synthetic import BENCHMARK, generate
from sslskel.benchmarks.synthetic.actions import ACTIONS, standing
from sslskel.benchmarks.synthetic.body import Limbs, joints_of
from sslskel.benchmarks.synthetic.generate import (
    AROUND,
    CAMERAS,
    FRONT,
    SUBJECTS,
    TRAIN_SUBJECTS,
    TRAIN_VIEWS,
    VALIDATION_SUBJECTS,
    clips,
    part_of,
    subject,
)
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.store.store import StoredDataset

RIGID = ("spine_mid", "neck", "left_elbow", "right_wrist", "left_knee", "right_ankle", "head")

Joints = npt.NDArray[np.float64]


@pytest.fixture(scope="module")
def made() -> list[Clip]:
    return list(clips())


@pytest.fixture(scope="module")
def clean() -> list[Clip]:
    return list(clips(sensor=None))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> StoredDataset:
    folder = tmp_path_factory.mktemp("prepared")
    prepare(BENCHMARK, [], folder)
    return open_benchmark(BENCHMARK, folder)


def at(joints: Joints, name: str) -> Joints:
    return joints[:, NTU25.joint(name)]


def bone(joints: Joints, *chain: str) -> float:
    """Mean length over time of the bones along a chain of joints, summed."""
    return sum(float(np.linalg.norm(at(joints, a) - at(joints, b), axis=-1).mean()) for a, b in pairwise(chain))


def actor(joints: Joints) -> int:
    """The subject whose limbs a clean track has."""

    def error(number: int) -> float:
        limbs = subject(number).limbs
        return (
            abs(bone(joints, "spine_base", "spine_mid") - limbs.spine)
            + abs(bone(joints, "left_shoulder", "left_elbow") - limbs.upper_arm)
            + abs(bone(joints, "right_hip", "right_knee") - limbs.thigh)
            + abs(bone(joints, "right_knee", "right_ankle") - limbs.shin)
        )

    nearest = min(SUBJECTS, key=error)
    assert error(nearest) < 1e-3
    return nearest


@pytest.mark.long
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


def test_names_say_who_what_and_from_where(made: list[Clip]) -> None:
    for clip in made:
        name = f"S{clip.subject:02d}C{clip.camera:02d}A{clip.label + 1:02d}R"
        assert clip.name[:-1] == name
        assert clip.name[-1] in ("12" if clip.camera in FRONT else "34")


@pytest.mark.long
def test_the_first_actor_is_the_subject_and_a_partner_is_of_the_same_part(clean: list[Clip]) -> None:
    for clip in clean:
        actors = [actor(track.joints.astype(float)) for track in clip.tracks]
        assert actors[0] == clip.subject
        assert len(set(actors)) == len(actors)
        assert len({part_of(number) for number in actors}) == 1, clip.name


def test_bodies_are_not_mirrored(clean: list[Clip]) -> None:
    """Right is ahead x up in a right-handed frame, as in recordings of people."""
    for clip in clean:
        for track in clip.tracks:
            joints = track.joints.astype(float)
            right = at(joints, "right_shoulder") - at(joints, "left_shoulder")
            up = at(joints, "spine_shoulder") - at(joints, "spine_base")
            toes = at(joints, "left_foot") - at(joints, "left_ankle") + at(joints, "right_foot")
            ahead = toes - at(joints, "right_ankle")
            assert np.median((right * np.cross(ahead, up)).sum(-1)) > 0, clip.name


def test_who_is_alone_faces_the_cameras_in_front_more_or_less(clean: list[Clip]) -> None:
    for clip in clean:
        if len(clip.tracks) == 1 and clip.camera in FRONT:
            joints = clip.tracks[0].joints.astype(float)
            across = (at(joints, "left_hip") - at(joints, "right_hip")).mean(0)
            assert across[0] < 0, clip.name


def test_cameras_look_from_different_sides(clean: list[Clip]) -> None:
    """People face the middle of the room on average, so each camera's heading shows in the shoulders."""
    seen: dict[int, list[complex]] = {}
    for clip in clean:
        if len(clip.tracks) == 1:
            across = (at(clip.tracks[0].joints, "left_shoulder") - at(clip.tracks[0].joints, "right_shoulder"))[0]
            seen.setdefault(clip.camera, []).append(np.exp(1j * np.arctan2(across[2], -across[0])))
    headings = {camera: np.angle(np.mean(turns)) for camera, turns in seen.items()}
    assert sorted(headings) == sorted(CAMERAS)
    side = np.sign(headings[3])
    for camera, heading in CAMERAS.items():
        assert abs(np.angle(np.exp(1j * (side * headings[camera] - heading)))) < 0.12, headings


def test_views_of_the_training_part_are_sixty_degrees_from_those_of_the_test_part() -> None:
    split = BENCHMARK.splits["xview"]
    assert split.train == TRAIN_VIEWS
    assert split.test == frozenset(AROUND) - TRAIN_VIEWS
    for tested in split.test or ():
        apart = [abs(np.angle(np.exp(1j * (AROUND[tested] - AROUND[camera])))) for camera in TRAIN_VIEWS]
        assert sorted(np.degrees(apart)) == pytest.approx([60, 60, 180])


def test_where_a_person_is_in_the_room_changes_what_the_sensor_adds_alone(
    made: list[Clip], clean: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Coordinates begin at the origin, and jitter grows with the distance from the camera."""
    monkeypatch.setattr(generate, "ROOM", 0.0)
    for sensor, usual in ((None, clean), (generate.Sensor(), made)):
        for one, other in islice(zip(clips(sensor=sensor), usual, strict=False), 12):
            moved = np.abs(one.tracks[0].joints - other.tracks[0].joints).max()
            seen = sensor is not None and one.camera in AROUND
            assert 1e-4 < moved < 0.3 if seen else moved == 0


def test_the_left_hand_acts_for_the_left_handed(clean: list[Clip]) -> None:
    """Most often, and the other hand sometimes."""
    favoured = []
    for clip in clean:
        if list(ACTIONS)[clip.label] in ("wave", "drink", "throw", "circle inwards", "circle outwards"):
            joints = clip.tracks[0].joints.astype(float)
            travel = {
                side: np.ptp(at(joints, f"{side}_wrist") - at(joints, "spine_shoulder"), axis=0).max()
                for side in ("left", "right")
            }
            favoured.append(max(travel, key=lambda side: travel[side]) == subject(clip.subject).hand)
    assert 0.7 < np.mean(favoured) < 0.98


@pytest.mark.long
@pytest.mark.parametrize(("name", "clips_of_it"), [("xsub", 768), ("xview", 768)])
def test_the_prepared_benchmark_has_its_counts_and_parts(name: str, clips_of_it: int, dataset: StoredDataset) -> None:
    """Preparing compares the stored clips with the numbers that the benchmark expects."""
    split = BENCHMARK.split(name)
    rows = {part: set(split.part(dataset, part).tolist()) for part in ("fit", "validation", "train", "test")}
    assert rows["fit"] | rows["validation"] == rows["train"]
    assert not rows["fit"] & rows["validation"]
    assert not rows["train"] & rows["test"]
    assert len(rows["train"] | rows["test"]) == clips_of_it == len(dataset) // 2
    cameras = {int(dataset.cameras[row]) for row in rows["train"] | rows["test"]}
    assert cameras == set(FRONT if name == "xsub" else AROUND)
    for part in ("fit", "validation", "test") if name == "xsub" else ("validation",):
        assert {part_of(int(dataset.subjects[row])) for row in rows[part]} == {part}


def test_coordinates_are_rounded_so_that_machines_agree(made: list[Clip]) -> None:
    for clip in made[::25]:
        steps = clip.tracks[0].joints.astype(float) * 1e5
        assert np.abs(steps - np.round(steps)).max() < 0.05


def test_without_a_sensor_bones_are_rigid(clean: list[Clip]) -> None:
    for clip in clean[::7]:
        for track in clip.tracks:
            for name in RIGID:
                joint = NTU25.joint(name)
                parent = NTU25.parents[joint]
                length = np.linalg.norm(track.joints[:, joint] - track.joints[:, parent], axis=-1)
                assert np.ptp(length) < 1e-4, name


def test_the_sensor_adds_noise(made: list[Clip], clean: list[Clip]) -> None:
    error = np.abs(made[0].tracks[0].joints - clean[0].tracks[0].joints)
    assert 0.002 < np.median(error) < 0.05


def test_the_sensor_loses_joints_for_some_frames(made: list[Clip], clean: list[Clip]) -> None:
    """Errors that no jitter explains, in few frames, for runs of several; in the trunk, since smoothing lags hands."""
    trunk = [NTU25.joint(name) for name in ("spine_base", "spine_mid", "spine_shoulder", "neck", "head")]
    away = [
        np.linalg.norm((noisy.tracks[0].joints - exact.tracks[0].joints)[:, trunk], axis=-1) > 0.05
        for noisy, exact in zip(made, clean, strict=True)
    ]
    share = np.concatenate([lost.ravel() for lost in away]).mean()
    assert 0.012 < share < 0.05
    starts = np.concatenate([(lost[1:] & ~lost[:-1]).ravel() for lost in away]).sum()
    assert np.concatenate([lost.ravel() for lost in away]).sum() / starts > 2


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
