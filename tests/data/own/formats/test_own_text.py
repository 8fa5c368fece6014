"""Text files: columns as public tools name them, a row per joint, and lines that the layout file describes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sslskel.data.own.bodies import BODIES
from sslskel.data.own.content import Content
from sslskel.data.own.formats.containers import missing_key
from sslskel.data.own.formats.kind import Source
from sslskel.data.own.formats.table import read
from sslskel.data.own.layout_file import Description, read_description
from sslskel.data.own.text_form import TextForm
from sslskel.errors import DataError

COCO = BODIES["coco17"].layout
BODY = np.random.default_rng(0).normal(5, 1, (6, 17, 3)).round(3)


def read_text(folder: Path, content: str, layout: str = "coco17", name: str = "c.csv", **described: object) -> Content:
    path = folder / name
    path.write_text(content)
    return read(Source(path, BODIES[layout].layout, Description(**described)))  # type: ignore[arg-type]  # of keys


def lines(header: list[str], rows: list[list[object]], sign: str = ",") -> str:
    return "".join(sign.join(map(str, row)) + "\n" for row in ([header] if header else []) + rows)


def camel(joint: str) -> str:
    return "".join(word.title() for word in reversed(joint.split("_")))


@pytest.mark.parametrize(
    "spelling",
    [
        lambda joint, number, axis: f"{joint}_{axis}",
        lambda joint, number, axis: f"{joint.upper()} {axis.upper()}",
        lambda joint, number, axis: f"{camel(joint)}.{axis}",
        lambda joint, number, axis: f"{axis}_{joint}",
        lambda joint, number, axis: f"{axis}{number}",
        lambda joint, number, axis: f"{number + 1}_{axis}",
        lambda joint, number, axis: f"joint{number}-{axis}",
    ],
)
def test_columns_in_the_spellings_of_tools(tmp_path: Path, spelling: object) -> None:
    assert callable(spelling)
    header = [spelling(joint, number, axis) for number, joint in enumerate(COCO.joints) for axis in "xyz"]
    order = np.random.default_rng(1).permutation(51)
    rows = [[row[at] for at in order] for row in BODY.reshape(6, -1).tolist()]
    content = read_text(tmp_path, lines([header[at] for at in order], rows))
    assert content.coordinates == "xyz"
    assert np.array_equal(content.array[0], BODY)


def test_track_ids_are_persons_and_confidences_stay_beside(tmp_path: Path) -> None:
    header = ["frame_id", "track_id", *(f"{joint}_{axis}" for joint in COCO.joints for axis in ("x", "y", "score"))]
    rows: list[list[object]] = []
    for frame in range(6):
        for track in (203, 17) if frame < 4 else (17,):
            numbers = np.concatenate([BODY[frame, :, :2] + track, np.full((17, 1), 0.5)], 1)
            rows.append([frame + 30, track, *numbers.ravel().tolist()])
    content = read_text(tmp_path, lines(header, rows))
    assert (content.coordinates, content.first, content.array.shape) == ("xyc", 30, (2, 6, 17, 3))
    assert np.allclose(content.array[0, :, :, :2], BODY[..., :2] + 17)
    assert np.allclose(content.array[1, :4, :, :2], BODY[:4, :, :2] + 203)
    assert np.isnan(content.array[1, 4:]).all()
    assert content.notes == ("columns of tables that are not kept: confidences (*_score)",)


@pytest.mark.parametrize("named", ["name", "number", "none"])
def test_a_row_per_joint(tmp_path: Path, named: str) -> None:
    header = ["frame", "landmark", "x", "y", "z", "visibility", "label"]
    rows: list[list[object]] = []
    for frame in range(6):
        for joint, name in enumerate(COCO.joints):
            rows.append(
                [frame, name.upper() if named != "number" else joint, *BODY[frame, joint].tolist(), 0.9, "wave"]
            )
    if named == "none":
        header, rows = header[1:], [row[1:] for row in rows]
    content = read_text(tmp_path, lines(header, rows, ";"))
    assert content.coordinates == "xyzc"
    assert np.array_equal(content.array[0, :, :, :3], BODY)
    assert "'label', confidences (visibility)" in content.notes[0]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["x1", "y1", "x33", "y33"], "number joints from 1 to 33, but layout 'coco17' has 17"),
        (["nose_x", "nose_y", "tail_x"], r"line 1: column 'left_eye_x' is missing \('tail_x' is not a joint"),
        (["frame", "joint", "x", "y"], "no row is of joint 'left_eye'"),
    ],
)
def test_columns_of_another_body(tmp_path: Path, header: list[str], words: str) -> None:
    row = ["nose" if title == "joint" else 1 for title in header]
    with pytest.raises(DataError, match=words):
        read_text(tmp_path, lines(header, [row]))


def florence() -> str:
    rows = [[video, 3, video % 2, *frame.ravel().tolist()] for video in (7, 9) for frame in WORLD + video]
    return lines([], [list(row) for row in rows], " ")


def test_many_clips_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text(florence())
    described = Description(text=TextForm("clip -2 xyz*"))
    source = Source(tmp_path / "c.txt", KINECT, described, "9")
    assert np.array_equal(read(source).array[0], WORLD + 9)
    with pytest.raises(DataError, match=r"holds 2 arrays \(7, 9\)"):
        read(Source(tmp_path / "c.txt", KINECT, described))
    header = ["video", *(f"{joint}_{axis}" for joint in COCO.joints for axis in "xyz")]
    rows: list[list[object]] = [[f"v{v}", *(frame + v).ravel().tolist()] for v in (1, 2) for frame in BODY]
    (tmp_path / "c.csv").write_text(lines(header, rows))
    assert np.array_equal(read(Source(tmp_path / "c.csv", COCO, key="v2")).array[0], BODY + 2)
    with pytest.raises(DataError, match="has no array 'v3'"):
        read(Source(tmp_path / "c.csv", COCO, key="v3"))


def test_names_inside_a_file_are_printed_on_one_line() -> None:
    fault = str(missing_key("c.mat", "a\nb", ["motion\n\x1b[2J"]))
    assert fault == r"'c.mat' has no array 'a b' (it has: motion \u{1b}[2J)"


def test_the_header_of_numpy(tmp_path: Path) -> None:
    names = [f"{joint}_{axis}" for axis in "zyx" for joint in COCO.joints]
    np.savetxt(
        tmp_path / "c.csv", BODY[..., ::-1].transpose(0, 2, 1).reshape(6, -1), "%.3f", ",", header=",".join(names)
    )
    assert np.array_equal(read(Source(tmp_path / "c.csv", COCO)).array[0], BODY)


@pytest.mark.parametrize("sign", [" ", "\t", ", ", ";", " ; "])
def test_signs_between_numbers(tmp_path: Path, sign: str) -> None:
    content = read_text(tmp_path, "# recorded today\n" + lines([], BODY.reshape(6, -1).tolist(), sign), name="c.txt")
    assert np.array_equal(content.array, BODY.reshape(6, -1))


def test_decimal_commas_and_missing_values(tmp_path: Path) -> None:
    rows = [[str(value).replace(".", ",") for value in row] for row in BODY.reshape(6, -1).tolist()]
    rows[2][4], rows[3][5] = "NA", ""
    content = read_text(tmp_path, lines([], [list(row) for row in rows], ";"))
    expected = BODY.reshape(6, -1).copy()
    expected[2, 4] = expected[3, 5] = np.nan
    assert np.array_equal(content.array, expected, equal_nan=True)


def per_joint(numbers: np.ndarray) -> str:
    return lines([], [list(row) for row in numbers.reshape(-1, numbers.shape[-1]).tolist()], " ")


KINECT = BODIES["kinect_v1"].layout
WORLD = np.random.default_rng(2).normal(0, 1, (4, 20, 3)).round(4)


def msr_daily() -> str:
    """Frames and joints, then a count before each frame, and each joint in the world and on the screen."""
    text = "4 20\n"
    for frame in WORLD:
        text += "40\n" + "".join(f"{x} {y} {z} 1\n99 99 0.1 1\n" for x, y, z in frame.tolist())
    return text


def utkinect() -> str:
    return lines([], [[252 + at, *frame.ravel().tolist()] for at, frame in enumerate(WORLD)], "  ")


def irds() -> str:
    rows = [
        [2017, 3, at, *(f"(Joint{j},Tracked,{x},{y},{z},0.5,0.5)" for j, (x, y, z) in enumerate(frame.tolist()))]
        for at, frame in enumerate(WORLD)
    ]
    return "Version0.1\n" + lines([], [list(row) for row in rows])


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (per_joint(np.concatenate([WORLD, np.ones((4, 20, 1))], 2)), TextForm("xyzc")),
        (per_joint(np.concatenate([np.ones((4, 20, 2)), WORLD[..., ::-1]], 2)), TextForm("-2 zyx")),
        (msr_daily(), TextForm("xyzc", skip=1, skip_per_frame=1, lines_per_joint=2)),
        (utkinect(), TextForm("frame xyz*")),
        (irds(), TextForm("-3 (-2 xyz -2)*", skip=1)),
        (utkinect().replace("\n", " 1 2 3\n"), TextForm("frame xyz* ...")),
    ],
    ids=["msr", "order", "msr_daily", "utkinect", "irds", "open"],
)
def test_lines_as_the_layout_file_describes_them(tmp_path: Path, text: str, form: TextForm) -> None:
    content = read_text(tmp_path, text, "kinect_v1", "c.txt", text=form)
    assert np.array_equal(content.array[0, ..., :3], WORLD)
    assert content.first == (252 if "frame" in form.line else None)


def test_two_persons_in_a_line_and_persons_by_number(tmp_path: Path) -> None:
    both = np.stack([WORLD, WORLD + 1])
    text = lines([], [list(row) for row in both.transpose(1, 0, 2, 3).reshape(4, -1).tolist()], " ")
    content = read_text(tmp_path, text, "kinect_v1", "c.txt", text=TextForm("xyz* xyz*"))
    assert np.array_equal(content.array, both)
    rows = [[t, p, *both[p, t].ravel().tolist()] for t in range(4) for p in range(2)]
    text = lines([], rows, " ")
    content = read_text(tmp_path, text, "kinect_v1", "c.txt", text=TextForm("time person xyz*"))
    assert np.array_equal(content.array, both)


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (TextForm("frame xyz* q"), "'q' is not known"),
        (TextForm("frame frame xyz*"), "'frame' twice"),
        (TextForm("frame"), "it has no joint"),
        (TextForm("xyz xyc"), "'xyc' are not the numbers"),
        (TextForm("xyz xyz"), "it has 2 joints, expected 1 or all 20"),
        (TextForm("xyz*"), "line 1: 61 fields, but 'xyz\\*' in the layout file describes 60"),
        (TextForm("xyz", skip_per_frame=1), "not a multiple of the 21"),
        (TextForm("person xyz*"), "needs a field 'frame' or 'time'"),
    ],
)
def test_descriptions_that_do_not_fit(tmp_path: Path, form: TextForm, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_text(tmp_path, utkinect(), "kinect_v1", "c.txt", text=form)


def test_the_description_in_a_layout_file(tmp_path: Path) -> None:
    path = tmp_path / "layout.yaml"
    path.write_text("layout: kinect_v1\ntext:\n  line: frame xyz*\n  skip: 2\n")
    assert read_description(path).text == TextForm("frame xyz*", skip=2)
    assert read_description("kinect_v1", ["text=frame xyz*"]).text == TextForm("frame xyz*")
    for text, words in (("text: {skip: 1}", "needs 'line'"), ("text: {line: xyz, head: 1}", "no key 'head'")):
        path.write_text(f"layout: kinect_v1\n{text}\n")
        with pytest.raises(DataError, match=words):
            read_description(path)
