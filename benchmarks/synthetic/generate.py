"""Clips of the synthetic benchmark: subjects, performances, cameras and a sensor with faults.

Coordinates are those of a Kinect: x to the camera's left, y up, z away from it (right-handed),
moved so that the first person's mid-spine is at the origin in the first frame, as NTU RGB+D is
prepared for MAMP.

Every number is a function of one seed. Stored coordinates are rounded to 10 micrometres, far
below the sensor's noise, so that the last bits of a machine's sine do not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from sslskel import NTU25, Clip, Track
from sslskel.benchmarks.synthetic.actions import ACTIONS, Action, Performance, Pose, standing
from sslskel.benchmarks.synthetic.body import ANGLES, Array, Limbs, joints_of

SEED = 20260
SUBJECTS = range(1, 17)
FRONT = {1: -0.6, 2: 0.0, 3: 0.6}
AROUND = {4: 0.0, 5: np.pi / 3, 6: 2 * np.pi / 3, 7: np.pi, 8: -2 * np.pi / 3, 9: -np.pi / 3}
CAMERAS = FRONT | AROUND
"""Camera -> heading in radians: from where around the scene it looks."""
REPETITIONS = range(1, 5)
AROUND_REPETITIONS = range(3, 5)
"""Those that one of the cameras all around records, of a person who may be anywhere in the room."""
TRAIN_SUBJECTS = frozenset(range(1, 11))
VALIDATION_SUBJECTS = frozenset({9, 10})
TRAIN_VIEWS = frozenset({4, 6, 8})
"""Every second of the cameras all around: each of the others is 60 degrees from the nearest two of them."""
ROOM = 0.8
"""Metres from the middle of the room, along each wall, at which a person may be who is recorded from all around."""


@dataclass(frozen=True)
class Actor:
    """One person: body, tempo and manner, the same in all of their clips."""

    limbs: Limbs
    tempo: float
    size: float
    """Amplitude of movements."""
    hand: str
    lean: float
    """Habitual pitch of the trunk, radians."""
    elbows: float
    """Habitual bend of the hanging arms, radians."""
    restless: float
    """Scale of idle movement, radians."""


@dataclass(frozen=True)
class Sensor:
    """A depth camera with skeleton tracking; all lengths in metres."""

    jitter: float = 0.005
    memory: float = 0.97
    """How much of a frame's error is still there in the next."""
    steadied: float = 0.5
    """Share of the last output in the next one: trackers smooth what they report."""
    dropout: float = 0.002
    """Chance per joint and frame that tracking is lost."""
    held: tuple[int, int] = (3, 12)
    """Frames for which a lost joint stays where it was seen last, somewhat off."""
    off: float = 0.08


def subject(number: int, seed: int = SEED) -> Actor:
    """A subject by number; left-handed about one time in four."""
    rng = np.random.default_rng([seed, 1, number])
    height = rng.uniform(0.86, 1.12)
    lengths = {f.name: float(f.default) * height * rng.uniform(0.93, 1.07) for f in fields(Limbs)}  # type: ignore[arg-type]
    return Actor(
        limbs=Limbs(**lengths),
        tempo=rng.uniform(0.75, 1.3),
        size=rng.uniform(0.75, 1.2),
        hand="left" if rng.random() < 0.25 else "right",
        lean=rng.uniform(-0.06, 0.14),
        elbows=rng.uniform(0.05, 0.4),
        restless=rng.uniform(0.015, 0.045),
    )


def clips(seed: int = SEED, sensor: Sensor | None = Sensor()) -> Iterator[Clip]:
    """All clips in a fixed order; ``sensor=None`` gives the bodies as they are."""
    people = {number: subject(number, seed) for number in SUBJECTS}
    for label, (_, parts) in enumerate(ACTIONS.items()):
        for number in SUBJECTS:
            for repetition in REPETITIONS:
                rng = np.random.default_rng([seed, 2, label, number, repetition])
                actors = [people[number]]
                if len(parts) == 2:
                    others = [other for other in SUBJECTS if part_of(other) == part_of(number) and other != number]
                    actors.append(people[int(rng.choice(others))])
                around = repetition in AROUND_REPETITIONS
                scene = _scene(parts, actors, rng)
                if around:
                    place = rng.uniform(-ROOM, ROOM, 2)
                    scene = [joints + np.array([place[0], 0.0, place[1]]) for joints in scene]
                camera = int(rng.choice(list(AROUND if around else FRONT)))
                yield _recorded(scene, label, number, repetition, camera, sensor, seed)


def part_of(number: int) -> str:
    """Which of ``fit``, ``validation`` and ``test`` a subject is in; partners come from the same one."""
    if number not in TRAIN_SUBJECTS:
        return "test"
    return "validation" if number in VALIDATION_SUBJECTS else "fit"


def _scene(parts: tuple[Action, ...], actors: list[Actor], rng: np.random.Generator) -> list[Array]:
    """Joints (T, 25, 3) of each person in the room, both persons at the same time."""
    lead = actors[0]
    frames = int(np.clip(round(rng.uniform(55, 95) / lead.tempo), 40, 120))
    begin, end = rng.uniform(0.02, 0.25), rng.uniform(0.75, 0.98)
    time = (np.linspace(0, 1, frames) - begin) / (end - begin)
    time = time + rng.uniform(-0.12, 0.12) * np.sin(np.pi * np.clip(time, 0, 1))
    repeats, phase = int(rng.integers(1, 4)), rng.uniform(0, 2 * np.pi)
    scene = []
    for person, (action, actor) in enumerate(zip(parts, actors, strict=True)):
        hand = actor.hand if rng.random() < 0.85 else ("left" if actor.hand == "right" else "right")
        size = actor.size * rng.uniform(0.8, 1.2)
        pose = _posed(action(Performance(time, size, repeats, phase, hand)), actor, frames, rng)
        joints = joints_of(actor.limbs, pose)
        scene.append(_placed(joints, person, len(parts), rng))
    return scene


def _posed(action: Pose, actor: Actor, frames: int, rng: np.random.Generator) -> Pose:
    """The action on top of habit, idle movement and slow sway."""
    pose = standing(frames)
    pose["torso_pitch"] += actor.lean
    for side in ("left", "right"):
        pose[f"{side}_elbow"] += actor.elbows
        pose[f"{side}_shoulder_swing"] += 0.15
        pose[f"{side}_hip_spread"] += 0.06
    time = np.arange(frames) / 30
    for name in ANGLES:
        scale = actor.restless * (0.25 if name.startswith("root") and name != "root_turn" else 1.0)
        rate, start = rng.uniform(0.2, 0.9), rng.uniform(0, 2 * np.pi)
        pose[name] = pose[name] + scale * rng.normal() * np.sin(2 * np.pi * rate * time + start)
        if name in action:
            pose[name] = pose[name] + action[name]
    for name in ("left_knee", "right_knee", "left_elbow", "right_elbow"):
        pose[name] = np.clip(pose[name], 0.0, 2.5)
    return pose


def _placed(joints: Array, person: int, persons: int, rng: np.random.Generator) -> Array:
    """Place a person in the room: alone near its middle, or two face to face."""
    heading, apart = rng.uniform(-0.5, 0.5), rng.uniform(0.45, 0.6)
    shift = np.array([rng.uniform(-0.3, 0.3), 0.0, rng.uniform(-0.3, 0.3)])
    if persons == 2:
        heading = (np.pi / 2 if person == 0 else -np.pi / 2) + rng.uniform(-0.2, 0.2)
        shift = np.array([-apart if person == 0 else apart, 0.0, rng.uniform(-0.1, 0.1)])
    cosine, sine = np.cos(heading), np.sin(heading)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    placed: Array = joints @ turn.T + shift
    return placed


def _recorded(
    scene: list[Array], label: int, number: int, repetition: int, camera: int, sensor: Sensor | None, seed: int
) -> Clip:
    rng = np.random.default_rng([seed, 3, label, number, repetition, camera])
    heading = CAMERAS[camera] + rng.uniform(-0.1, 0.1)
    distance, height, pitch = rng.uniform(2.2, 3.6), rng.uniform(0.9, 1.4), rng.uniform(-0.05, 0.12)
    tracks = []
    views = [_seen(joints, heading, distance, height, pitch) for joints in scene]
    if sensor is not None:
        views = [_sensed(seen, sensor, rng) for seen in views]
    origin = views[0][0, NTU25.joint("spine_mid")].copy()
    for slot, seen in enumerate(views):
        stored = np.round(seen - origin, 5).astype(np.float32)
        tracks.append(Track(slot, 0, stored, np.ones(len(stored), dtype=bool)))
    name = f"S{number:02d}C{camera:02d}A{label + 1:02d}R{repetition}"
    return Clip(name, label, len(scene[0]), tuple(tracks), subject=number, camera=camera)


def _seen(joints: Array, heading: float, distance: float, height: float, pitch: float) -> Array:
    """Room to camera, metres: x to the camera's left, y up, z away from it.

    Who faces the camera has the left hand at negative x; the other sign would mirror the body.
    """
    cosine, sine = np.cos(heading), np.sin(heading)
    x = sine * joints[..., 2] - cosine * joints[..., 0]
    z = distance - (sine * joints[..., 0] + cosine * joints[..., 2])
    y = joints[..., 1] - height
    cosine, sine = np.cos(pitch), np.sin(pitch)
    return np.stack([x, cosine * y - sine * z, sine * y + cosine * z], -1)


def _sensed(joints: Array, sensor: Sensor, rng: np.random.Generator) -> Array:
    """Correlated jitter that grows with distance, joints lost for some frames, and the tracker's smoothing."""
    frames, count, _ = joints.shape
    white = rng.normal(size=joints.shape) * sensor.jitter * (joints[..., 2:] / 3)
    noise = np.empty_like(white)
    noise[0] = white[0]
    fresh = np.sqrt(1 - sensor.memory**2)
    for frame in range(1, frames):
        noise[frame] = sensor.memory * noise[frame - 1] + fresh * white[frame]
    seen = joints + noise
    for frame, joint in zip(*np.nonzero(rng.random((frames, count)) < sensor.dropout), strict=True):
        until = frame + int(rng.integers(*sensor.held))
        seen[frame:until, joint] = seen[frame, joint] + rng.normal(size=3) * sensor.off
    for frame in range(1, frames):
        seen[frame] = sensor.steadied * seen[frame - 1] + (1 - sensor.steadied) * seen[frame]
    return seen
