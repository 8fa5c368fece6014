"""Text files of bare numbers that the layout file describes (``text``): frames and joints line by line.

What a description may say is in ``text_form.py``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sslskel.data.own.content import Content
from sslskel.data.own.formats.counting import by_numbers, by_times, nobody
from sslskel.data.own.formats.kind import Source
from sslskel.data.own.formats.text_lines import TextLines
from sslskel.data.own.text_form import LineColumns, TextForm
from sslskel.errors import DataError

Doubles = npt.NDArray[np.float64]


def read_described(lines: TextLines, form: TextForm, source: Source) -> Content:
    """The recording in the lines of a file behind those that are skipped; raises ``DataError`` naming file and line."""
    count = source.layout.num_joints
    try:
        columns = form.columns(count)
    except ValueError as fault:
        raise DataError(f"'text' in the layout file: {fault}") from None
    per_joint = len(columns.joints[0]) == 1 and count > 1
    body = _joint_lines(lines, form, count) if per_joint else lines
    width = _width(body, columns, form)
    if "clip" in columns.fields:
        body = body.of_clip(columns.fields.pop("clip"), width, source.key)
    elif source.key:
        raise DataError(f"'{body.path}': 'text' has no field 'clip', but the table asks for '{source.key}'")
    places = np.array(columns.places())
    used = sorted({*places.reshape(-1).tolist(), *columns.fields.values()})
    values = body.numbers(used, width)
    joints = values[:, np.searchsorted(used, places)]
    fields = {name: values[:, used.index(column)] for name, column in columns.fields.items()}
    if per_joint:
        joints = joints.reshape(-1, count, 1, places.shape[-1]).transpose(0, 2, 1, 3)
        fields = {name: column[::count] for name, column in fields.items()}
        body = TextLines(body.path, body.lines[::count], body.delimiter)
    return _content(joints, fields, columns, body)


def _joint_lines(lines: TextLines, form: TextForm, count: int) -> TextLines:
    """The lines of joints, out of those of frames and of what follows each joint."""
    frame = form.skip_per_frame + count * form.lines_per_joint
    if len(lines.lines) % frame:
        raise DataError(
            f"'{lines.path}' has {len(lines.lines)} lines, which is not a multiple of the {frame} that 'text' and the"
            f" {count} joints of the layout make of a frame"
        )
    kept = [
        first + form.skip_per_frame + joint * form.lines_per_joint
        for first in range(0, len(lines.lines), frame)
        for joint in range(count)
    ]
    return TextLines(lines.path, [lines.lines[at] for at in kept], lines.delimiter)


def _width(body: TextLines, columns: LineColumns, form: TextForm) -> int:
    """Fields of a line, which all have alike; raises ``DataError`` where these are not as described."""
    width = len(body.words(0))
    if width < columns.width or (width > columns.width and not columns.open):
        raise body.fault(0, f"{width} fields, but '{form.line}' in the layout file describes {columns.width}")
    return width


def _content(joints: Doubles, fields: dict[str, Doubles], columns: LineColumns, body: TextLines) -> Content:
    """(rows, persons, V, C) -> a recording; rows of one frame are of several persons."""
    rows, inside = joints.shape[:2]
    if not fields:
        return Content(joints.transpose(1, 0, 2, 3), axes="MTVC", coordinates=columns.coordinates)
    if "frame" in fields:
        clock = by_numbers(fields["frame"], str(body.path), "the field 'frame'", fields.get("time"))
    elif "time" in fields:
        clock = by_times(fields["time"], "the field 'time'")
    else:
        raise DataError(f"'{body.path}': a field 'person' needs a field 'frame' or 'time'")
    persons = np.zeros(rows, np.int64)
    if "person" in fields:
        persons = np.unique(fields["person"], return_inverse=True)[1].reshape(-1).astype(np.int64)
    clock.refuse_twice(body, persons)
    array = nobody((inside * (int(persons.max()) + 1), clock.frames, *joints.shape[2:]), str(body.path))
    for place in range(inside):
        array[persons * inside + place, clock.rows] = joints[:, place]
    return Content(
        array,
        axes="MTVC",
        coordinates=columns.coordinates,
        first=clock.first,
        times=clock.times,
        clock=clock.title,
        fps=clock.fps,
        measured=True,
        gaps=clock.gaps,
    )
