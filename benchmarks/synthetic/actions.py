"""What the actions are: joint angles as functions of time.

Most are gestures of one arm, and many share their poses and differ only in tempo, order or
direction (throw and catch, the circles, the swipes, sitting down and standing up), so that
a frozen pose does not give them away.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sslskel.benchmarks.synthetic.body import ANGLES, Array


@dataclass(frozen=True)
class Performance:
    """How one person does an action once. ``time`` is (T,), 0 at the start and 1 at the end of it."""

    time: Array
    size: float
    """Amplitude, 1 on average."""
    repeats: int
    """How often a repeated action is done, from 1 to 3."""
    phase: float
    """Where in its cycle a periodic action begins, radians."""
    hand: str
    """The side that acts: left or right."""

    @property
    def other(self) -> str:
        """The side that does not act."""
        return "left" if self.hand == "right" else "right"

    def cycle(self, per_repeat: float = 1.0) -> Array:
        """Radians that run on with every repeat, held outside the action."""
        return 2 * np.pi * self.repeats * per_repeat * np.clip(self.time, 0, 1) + self.phase

    def bell(self, begin: float = 0.0, end: float = 1.0, edge: float = 0.3) -> Array:
        """0, rising to 1, holding, falling to 0 between two moments; ``edge`` is the share of each slope."""
        inner = (self.time - begin) / (end - begin)
        return smooth(inner / edge) * smooth((1 - inner) / edge)

    def strokes(self, sharp: float) -> Array:
        """``repeats`` bumps from 0 to 1; a larger ``sharp`` makes them shorter and faster."""
        inside = (self.time > 0) & (self.time < 1)
        return np.where(inside, np.abs(np.sin(np.pi * self.repeats * np.clip(self.time, 0, 1))) ** sharp, 0.0)


Pose = dict[str, Array]
Action = Callable[[Performance], Pose]


def smooth(x: Array) -> Array:
    """0 below 0, 1 above 1, without a corner between."""
    y = np.clip(x, 0, 1)
    return y * y * (3 - 2 * y)


def standing(frames: int) -> Pose:
    """The pose with nothing moving."""
    return {name: np.zeros(frames) for name in ANGLES}


def _arm(p: Performance, **angles: Array) -> Pose:
    return {f"{p.hand}_{name}": value for name, value in angles.items()}


def wave(p: Performance) -> Pose:
    up = p.bell()
    return _arm(
        p,
        shoulder_raise=1.3 * up,
        shoulder_swing=0.8 * up,
        elbow=up * (1.5 + 0.5 * p.size * np.sin(p.cycle(2))),
        upper_arm_turn=up * 0.5 * np.sin(p.cycle(2)),
    )


def drink(p: Performance) -> Pose:
    up = p.bell(edge=0.4)
    return _arm(p, shoulder_raise=0.7 * up, shoulder_swing=0.2 * up, elbow=2.1 * p.size * up) | {
        "head_pitch": -0.35 * p.bell(0.35, 0.75)
    }


def throw(p: Performance) -> Pose:
    back, ahead = p.bell(0.0, 0.62, 0.45), p.bell(0.5, 1.0, 0.25)
    return _arm(
        p,
        shoulder_raise=2.0 * back + 1.3 * p.size * ahead,
        shoulder_swing=0.9 * back,
        elbow=1.7 * back + 0.1 * ahead,
    ) | {"torso_twist": (0.35 * back - 0.3 * ahead) * (1 if p.hand == "left" else -1), "torso_pitch": 0.25 * ahead}


def punch(p: Performance) -> Pose:
    guard, hit = p.bell(edge=0.15), p.strokes(3.0)
    return _arm(p, shoulder_raise=guard * (0.6 + 0.9 * p.size * hit), elbow=guard * (1.9 - 1.7 * hit)) | {
        f"{p.other}_elbow": 1.8 * guard,
        f"{p.other}_shoulder_raise": 0.5 * guard,
    }


def _circle(p: Performance, direction: float) -> Pose:
    up, turn = p.bell(edge=0.2), direction * p.cycle()
    return _arm(
        p,
        shoulder_raise=up * (1.4 + 0.45 * p.size * np.sin(turn)),
        shoulder_swing=up * (0.1 + 0.45 * p.size * np.cos(turn)),
        elbow=0.25 * up,
    )


def circle_inwards(p: Performance) -> Pose:
    return _circle(p, 1.0)


def circle_outwards(p: Performance) -> Pose:
    return _circle(p, -1.0)


def _swipe(p: Performance, direction: float) -> Pose:
    up, across = p.bell(edge=0.2), 2 * smooth((p.time - 0.3) / 0.35) - 1
    return _arm(
        p,
        shoulder_raise=1.35 * up,
        shoulder_swing=up * (0.15 + 0.6 * p.size * direction * across),
        elbow=0.3 * up,
    )


def swipe_inwards(p: Performance) -> Pose:
    return _swipe(p, -1.0)


def swipe_outwards(p: Performance) -> Pose:
    return _swipe(p, 1.0)


def _drawn(p: Performance, corners: list[tuple[float, float]]) -> Pose:
    """The hand goes from corner to corner, (outwards, upwards) in -1..1, before the chest."""
    up, place = p.bell(edge=0.15), np.clip((p.time - 0.15) / 0.7, 0, 1) * (len(corners) - 1)
    out, high = (
        sum((corners[n + 1][axis] - corners[n][axis]) * smooth(place - n) for n in range(len(corners) - 1))
        + corners[0][axis]
        for axis in (0, 1)
    )
    return _arm(
        p,
        shoulder_raise=up * (1.35 + 0.45 * p.size * high),
        shoulder_swing=up * (0.1 + 0.45 * p.size * out),
        elbow=0.25 * up,
    )


def draw_cross(p: Performance) -> Pose:
    return _drawn(p, [(1, 1), (-1, -1), (-1, 1), (1, -1)])


def draw_triangle(p: Performance) -> Pose:
    return _drawn(p, [(0, 1), (1, -1), (-1, -1), (0, 1)])


def knock(p: Performance) -> Pose:
    up, hit = p.bell(edge=0.2), p.strokes(2.0)
    return _arm(p, shoulder_raise=1.1 * up, elbow=up * (1.5 - 0.5 * p.size * hit))


def catch(p: Performance) -> Pose:
    out, held = p.bell(0.0, 0.55, 0.45), p.bell(0.4, 1.0, 0.3)
    return _arm(
        p,
        shoulder_raise=1.3 * p.size * out + 0.5 * held,
        shoulder_swing=0.3 * out,
        elbow=0.1 * out + 1.6 * held,
    ) | {"torso_pitch": 0.2 * out - 0.05 * held}


def curl(p: Performance) -> Pose:
    up = p.strokes(1.0)
    return {f"{side}_elbow": 1.9 * p.size * up for side in ("left", "right")}


def cross_arms(p: Performance) -> Pose:
    up = p.bell(edge=0.35)
    both = {"shoulder_raise": 0.8 * up, "shoulder_swing": -0.35 * p.size * up, "elbow": 1.5 * up}
    return {f"{side}_{name}": value for side in ("left", "right") for name, value in both.items()}


def clap(p: Performance) -> Pose:
    up, beat = p.bell(edge=0.2), 0.5 + 0.5 * np.sin(p.cycle(2))
    both = {
        "shoulder_raise": 1.0 * up,
        "shoulder_swing": up * (-0.35 + 0.8 * p.size * beat),
        "elbow": 1.0 * up,
    }
    return {f"{side}_{name}": value for side in ("left", "right") for name, value in both.items()}


def bow(p: Performance) -> Pose:
    down = p.bell(edge=0.4)
    return {"torso_pitch": 0.9 * p.size * down, "head_pitch": 0.3 * down, "root_z": -0.08 * down}


def kick(p: Performance) -> Pose:
    back, hit = p.bell(0.0, 0.5, 0.45), p.bell(0.35, 1.0, 0.3)
    return {
        f"{p.hand}_hip_raise": -0.4 * back + 1.2 * p.size * hit,
        f"{p.hand}_knee": 1.0 * back + 0.2 * hit,
        "torso_pitch": -0.2 * hit,
        f"{p.other}_shoulder_raise": 0.5 * hit,
    }


def _crouch(depth: Array) -> Pose:
    """Bend both legs so that the feet of an average body stay where they are."""
    bend = np.arccos(np.clip(1 - depth / 0.82, 0.2, 1))
    legs = {f"{side}_hip_raise": bend for side in ("left", "right")}
    return legs | {f"{side}_knee": 2 * bend for side in ("left", "right")} | {"root_y": -depth}


def squat(p: Performance) -> Pose:
    down = p.bell(edge=0.45)
    return _crouch(0.35 * p.size * down) | {
        "torso_pitch": 0.4 * down,
        "left_shoulder_raise": 0.9 * down,
        "right_shoulder_raise": 0.9 * down,
    }


def _seat(down: Array, size: float) -> Pose:
    """Between standing (0) and sitting on a low stool (1), leaning ahead on the way."""
    lean = 4 * down * (1 - down)
    return _crouch(0.42 * down) | {"torso_pitch": 0.45 * size * lean, "root_z": -0.12 * down}


def sit_down(p: Performance) -> Pose:
    return _seat(smooth((p.time - 0.2) / 0.6), p.size)


def stand_up(p: Performance) -> Pose:
    return _seat(smooth((0.8 - p.time) / 0.6), p.size)


def jump(p: Performance) -> Pose:
    load, air, land = p.bell(0.0, 0.45, 0.5), p.bell(0.38, 0.72, 0.5), p.bell(0.66, 1.0, 0.4)
    pose = _crouch(0.28 * p.size * np.maximum(load, 0.7 * land))
    return pose | {
        "root_y": pose["root_y"] + 0.28 * p.size * air,
        "torso_pitch": 0.35 * np.maximum(load, land),
        "left_shoulder_raise": 1.1 * air - 0.5 * load,
        "right_shoulder_raise": 1.1 * air - 0.5 * load,
    }


def march(p: Performance) -> Pose:
    on, step = p.bell(edge=0.1), np.sin(p.cycle(2))
    pose: Pose = {}
    for side, sign in (("left", 1.0), ("right", -1.0)):
        lift = np.clip(sign * step, 0, 1)
        pose |= {
            f"{side}_hip_raise": 0.9 * p.size * on * lift,
            f"{side}_knee": 1.2 * p.size * on * lift,
            f"{side}_shoulder_raise": -0.4 * p.size * on * sign * step,
        }
    return pose


def shake_hands(p: Performance) -> Pose:
    out = p.bell(edge=0.25)
    return _arm(p, shoulder_raise=out * (0.75 + 0.15 * p.size * np.sin(p.cycle(3))), elbow=0.7 * out) | {
        "root_z": 0.1 * out
    }


def push(p: Performance) -> Pose:
    out = p.bell(0.1, 0.75, 0.3)
    both = {"shoulder_raise": 1.2 * p.size * out, "elbow": 1.4 * p.bell(0.0, 0.4, 0.4) * (1 - out) + 0.2 * out}
    return {f"{side}_{name}": value for side in ("left", "right") for name, value in both.items()} | {
        "torso_pitch": 0.25 * out,
        "root_z": 0.15 * out,
    }


def pushed(p: Performance) -> Pose:
    back = smooth((p.time - 0.35) / 0.2) * (1 - 0.6 * smooth((p.time - 0.7) / 0.3))
    return {
        "torso_pitch": -0.3 * p.size * p.bell(0.35, 0.8),
        "root_z": -0.35 * p.size * back,
        "left_shoulder_raise": 0.6 * p.bell(0.4, 0.85),
        "right_shoulder_raise": 0.6 * p.bell(0.4, 0.85),
    }


ACTIONS: dict[str, tuple[Action, ...]] = {
    "wave": (wave,),
    "drink": (drink,),
    "throw": (throw,),
    "punch": (punch,),
    "circle inwards": (circle_inwards,),
    "circle outwards": (circle_outwards,),
    "swipe inwards": (swipe_inwards,),
    "swipe outwards": (swipe_outwards,),
    "draw a cross": (draw_cross,),
    "draw a triangle": (draw_triangle,),
    "knock": (knock,),
    "catch": (catch,),
    "curl": (curl,),
    "cross arms": (cross_arms,),
    "clap": (clap,),
    "bow": (bow,),
    "kick": (kick,),
    "squat": (squat,),
    "sit down": (sit_down,),
    "stand up": (stand_up,),
    "jump": (jump,),
    "march": (march,),
    "shake hands": (shake_hands, shake_hands),
    "push": (push, pushed),
}
"""Class name -> what each of its persons does; the order is that of the labels."""
