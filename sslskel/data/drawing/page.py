"""A scene as one HTML file that opens offline, plays, stops, steps and turns.

What is drawn is settled in ``scene.py``; the drawing itself is ``clip.js``.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import BinaryIO

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from sslskel.data.drawing.scene import Scene, colours, frames_of

GRAIN = 2000
"""Coordinates are written as whole numbers, so many to the scene's radius."""


def write_html(scene: Scene, file: BinaryIO, frames: int, size: int, turn: float) -> str:
    """A page with a picture ``size`` pixels wide at most; returns what is in it, in words."""
    shown, step = frames_of(scene, frames)
    bodies = np.rint(scene.points[:, shown] * GRAIN).astype(int)
    data = {
        "grain": GRAIN,
        "fps": scene.fps,
        "step": step,
        "frames": len(shown),
        "turn": 0 if scene.flat else turn,
        "flat": scene.flat,
        "bones": scene.bones,
        "sides": scene.sides,
        "colours": [colours(person) for person in range(len(bodies))],
        # Persons who are not there in a frame are null.
        "persons": [
            [body.ravel().tolist() if there else None for body, there in zip(person, seen, strict=True)]
            for person, seen in zip(bodies, scene.seen[:, shown], strict=True)
        ],
    }
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(_asset("clip.html.j2")).render(
        title=scene.title,
        facts=scene.facts,
        flat=scene.flat,
        size=size,
        last=len(shown) - 1,
        persons=[(number + 1, colours(number)) for number in range(len(bodies))],
        style=Markup(_asset("clip.css")),
        script=Markup(_asset("clip.js")),
        data=Markup(json.dumps(data, separators=(",", ":"))),
    )
    file.write((page + "\n").encode())
    return f"{len(shown)} of {scene.points.shape[1]} frames, to play and step" + ("" if scene.flat else " and turn")


def _asset(name: str) -> str:
    return (files("sslskel.data.drawing") / name).read_text(encoding="utf-8")
