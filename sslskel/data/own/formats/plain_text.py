"""Text files of numbers: with a header that names the columns, or bare, a line per frame or a line per joint.

How lines are parted into fields is in ``text_lines.py``, what columns mean in ``columns.py``.
"""

from __future__ import annotations

from sslskel.data.own.content import Content
from sslskel.data.own.formats.columns import read_columns
from sslskel.data.own.formats.described_text import read_described
from sslskel.data.own.formats.kind import Format, Source
from sslskel.data.own.formats.text_lines import TextLines, text_lines
from sslskel.data.own.layout_file import VALUES
from sslskel.errors import DataError


def read_table(source: Source) -> Content:
    """A recording of a text file; raises ``DataError`` naming file and line."""
    form = source.description.text
    skip = 0 if form is None else form.skip
    lines = source.shelf.get(("text", source.path, skip), lambda: text_lines(source.path, skip))
    if form is not None:
        return read_described(lines, form, source)
    if lines.header:
        return read_columns(lines, source.layout, source.key)
    if source.key:
        raise DataError(
            f"'{source.path}' has no header that names a column 'clip', but the table asks for '{source.key}'; leave"
            " the column 'key' empty, or describe the lines ('text')"
        )
    return _as_it_fits(lines, source)


def _as_it_fits(lines: TextLines, source: Source) -> Content:
    """A line per frame, or where its numbers are those of one joint a line per joint, V of which are a frame."""
    values, count, coordinates = lines.numbers(), source.layout.num_joints, source.description.coordinates
    kinds = [VALUES[coordinates]] if coordinates else sorted(set(VALUES.values()))
    width = values.shape[1]
    if width not in kinds or any(width == count * kind for kind in kinds):
        return Content(values)
    if len(values) % count:
        raise DataError(
            f"'{lines.path}' has the shape {values.shape}: lines of {width} numbers, as one line per joint has them;"
            f" layout '{source.layout.name}' has {count} joints, of which {len(values)} lines are not a multiple"
        )
    return Content(values.reshape(-1, count, width), axes="TVC")


TABLE = Format(
    "table",
    "one row of numbers per frame, or one per joint, or as `text` describes it; or named columns `JOINT_x`, `JOINT_y`"
    " (`_z`, `_c`), also with `frame`, `time` and `person`; or a row per joint with columns `joint`, `x`, `y`; `key`"
    " chooses a clip if a column `clip` or `video` names several",
    (".csv", ".txt", ".tsv", ".dat"),
    read_table,
    keyed=True,
)
