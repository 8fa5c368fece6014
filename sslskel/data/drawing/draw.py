"""Draw a clip of a prepared dataset into a file: the ending of its name says how.

Where joints stand in the picture is settled in ``scene.py``.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sslskel.api.dataset import Dataset
from sslskel.data.drawing.image import write_gif, write_png
from sslskel.data.drawing.page import write_html
from sslskel.data.drawing.scene import Scene, find_clip, scene_of
from sslskel.errors import UsageError
from sslskel.files import write_output

TURN = 25.0
"""Degrees from the front: depth shows best a little from the side."""


class _Kind(NamedTuple):
    write: Callable[[Scene, BinaryIO, int, int, float], str]
    frames: int
    size: int


KINDS = {".png": _Kind(write_png, 8, 240), ".gif": _Kind(write_gif, 250, 360), ".html": _Kind(write_html, 2000, 720)}
"""Ending -> writer, and how many frames of which width are drawn by default."""


def draw_clip(
    dataset: Dataset,
    clip: str,
    output: Path,
    *,
    frames: int | None = None,
    size: int | None = None,
    up: str | None = None,
    turn: float = TURN,
) -> str:
    """Draw the clip of this name (or number) into ``output`` and return in words what was drawn.

    ``size`` is the width of one picture in pixels, ``frames`` the most that are drawn, ``up`` the axis of the
    data that points upwards (found in the data where None), ``turn`` the degrees from the front.

    Raises ``UsageError`` for an unknown clip, ending or axis, a size or number that cannot be, a folder that is
    not there; nothing is then written.
    """
    kind = KINDS.get(output.suffix.lower())
    if kind is None:
        raise UsageError(f"'{output}' ends in '{output.suffix}'; a clip is drawn into {', '.join(KINDS)}")
    frames, size = kind.frames if frames is None else frames, kind.size if size is None else size
    if frames < 1 or not 60 <= size <= 4000:
        raise UsageError(f"{frames} frames of {size} pixels cannot be drawn; give at least 1, and 60 to 4000 pixels")
    if not output.parent.is_dir() or output.is_dir():
        raise UsageError(
            f"'{output}' cannot be written: there is no folder '{output.parent}', or a folder of that name"
        )
    scene = scene_of(dataset, find_clip(dataset, clip), up)
    content = io.BytesIO()
    drawn = kind.write(scene, content, frames, size, turn)
    write_output(output, content.getvalue(), error=UsageError)
    return drawn
