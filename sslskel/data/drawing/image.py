"""A scene as pixels: a sheet of stills (PNG) or a moving picture (GIF), drawn with Pillow.

What is drawn is settled in ``scene.py``; Pillow is the extra ``pictures`` and imported here alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from sslskel.data.drawing.scene import Scene, colours, frames_of, picked
from sslskel.errors import UsageError

if TYPE_CHECKING:
    from PIL.Image import Image

Doubles = npt.NDArray[np.float64]
PAPER, INK, FAINT, LINE = "#ffffff", "#33333b", "#66666f", "#d9d9e0"
FINER = 3
"""Pictures are drawn so many times as large and then reduced, which smooths the lines."""
SHORTEST = 0.03
"""Seconds a picture of a GIF lasts at least; viewers slow shorter ones down."""
STEPS = 12
"""Shades between a colour and the paper in a GIF."""
MARGIN, HEAD = 0.06, 40


def write_png(scene: Scene, file: BinaryIO, frames: int, size: int, turn: float) -> str:
    """A sheet of at most ``frames`` stills, each ``size`` pixels wide; returns what was drawn, in words."""
    shown = picked(scene.points.shape[1], frames)
    columns = min(4, len(shown))
    rows = -(-len(shown) // columns)
    painter = _Painter(scene, size, turn)
    sheet = _pillow().new("RGB", (columns * painter.width, HEAD + rows * painter.height), PAPER)
    for place, frame in enumerate(shown):
        at = (place % columns * painter.width, HEAD + place // columns * painter.height)
        sheet.paste(painter.picture(frame), at)
    painter.head(sheet, scene)
    sheet.save(file, format="PNG")
    return f"{len(shown)} of {scene.points.shape[1]} frames"


def write_gif(scene: Scene, file: BinaryIO, frames: int, size: int, turn: float) -> str:
    """A moving picture at the clip's own speed, ``size`` pixels wide; returns what was drawn, in words."""
    shown, step = frames_of(scene, frames, SHORTEST)
    painter = _Painter(scene, size, turn)
    pictures, palette = [], _palette(len(scene.points))
    for frame in shown:
        picture = _pillow().new("RGB", (painter.width, HEAD + painter.height), PAPER)
        picture.paste(painter.picture(frame), (0, HEAD))
        painter.head(picture, scene)
        pictures.append(picture.quantize(palette=palette, dither=0))
    # The time of a GIF counts in hundredths of a second; the rest is carried on to the next picture.
    ends = [round(100 * step * (number + 1) / scene.fps) for number in range(len(shown))]
    lasting = [10 * max(2, end - begin) for begin, end in zip([0, *ends], ends, strict=False)]
    pictures[0].save(file, format="GIF", save_all=True, append_images=pictures[1:], duration=lasting, loop=0)
    return f"{len(shown)} of {scene.points.shape[1]} frames, at the clip's own speed"


def _pillow() -> Any:
    try:
        from PIL import Image
    except ImportError as fault:
        raise UsageError(
            "pictures in PNG and GIF need Pillow; run `pip install 'sslskel[pictures]'`, or choose .html"
        ) from fault
    return Image


def _palette(persons: int) -> Image:
    """Every colour that is drawn in steps towards the paper: one palette for all pictures, so that none flickers."""
    shades = [INK, FAINT, *(shade for person in range(min(persons, 4)) for shade in colours(person))]
    inks = np.array([_levels(shade) for shade in shades])
    # Steps are coarse and paper stands apart, because the nearest colour is sought with few bits.
    shares = np.linspace(0, 1, STEPS, endpoint=False)[:, None, None]
    blends = np.rint(inks * (1 - shares) + 255 * shares).reshape(-1, 3)
    table = np.concatenate([[_levels(PAPER), _levels(LINE)], blends]).astype(np.uint8)
    image: Image = _pillow().new("P", (1, 1))
    image.putpalette(table.tobytes())
    return image


def _levels(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


class _Painter:
    """Draws single frames of a scene, all with the same window."""

    def __init__(self, scene: Scene, size: int, turn: float) -> None:
        self._new = _pillow().new
        from PIL import ImageDraw, ImageFont

        self._draw, self._font = ImageDraw.Draw, ImageFont.load_default
        self._scene = scene
        self._points = scene.turned(0 if scene.flat else turn)
        shown = self._points[scene.seen]
        low, high = shown.min((0, 1))[:2], shown.max((0, 1))[:2]
        extent = np.maximum(high - low, 0.2) * (1 + 2 * MARGIN)
        self.width = size
        self.height = round(size * float(np.clip(extent[1] / extent[0], 0.5, 1.6)))
        self._scale = FINER * min(self.width / extent[0], (self.height - 18) / extent[1])
        self._middle = (low + high) / 2

    def head(self, picture: Image, scene: Scene) -> None:
        """Title and facts at the top."""
        pen, font = self._draw(picture), self._font(13)
        for text, y, colour in ((scene.title, 4, INK), (scene.facts, 21, FAINT)):
            pen.text((8, y), _fitting(text, picture.width - 16, font), fill=colour, font=font)

    def picture(self, frame: int) -> Image:
        """One frame with its number and time."""
        wide, high = FINER * self.width, FINER * self.height
        large = self._new("RGB", (wide, high), PAPER)
        pen = self._draw(large)
        pen.rectangle((0, 0, wide - 1, high - 1), outline=LINE, width=FINER)
        for person in self._order(frame):
            self._body(pen, person, frame)
        small: Image = large.reduce(FINER)
        text = f"frame {frame}, {frame / self._scene.fps:.2f} s"
        self._draw(small).text((6, self.height - 17), text, fill=FAINT, font=self._font(11))
        return small

    def _order(self, frame: int) -> Sequence[int]:
        """Persons who are there, the farthest first."""
        present = np.flatnonzero(self._scene.seen[:, frame])
        depths = self._points[present, frame, :, 2].mean(1)
        return [int(person) for person in present[np.argsort(depths, kind="stable")]]

    def _body(self, pen: Any, person: int, frame: int) -> None:
        body = self._points[person, frame]
        left, middle, right = colours(person)
        shade = {-1: left, 0: middle, 1: right}
        middle_of_picture = np.array([FINER * self.width / 2, FINER * (self.height - 14) / 2])
        places = (body[:, :2] - self._middle) * self._scale * (1, -1) + middle_of_picture
        thick = max(2, round(FINER * self.width / 90))
        bones = sorted(self._scene.bones, key=lambda bone: float(body[list(bone), 2].mean()))
        for joint, parent in bones:
            pen.line((*places[parent], *places[joint]), fill=shade[self._scene.sides[joint]], width=thick)
        dot = thick * 0.9
        for joint, (x, y) in enumerate(places):
            pen.ellipse((x - dot, y - dot, x + dot, y + dot), fill=shade[self._scene.sides[joint]])


def _fitting(text: str, width: int, font: Any) -> str:
    """As much of a text as fits, with dots where something is missing."""
    text = text.encode("latin-1", "replace").decode("latin-1")
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
