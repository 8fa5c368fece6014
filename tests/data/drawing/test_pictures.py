"""Pictures of clips: who stands where, which way is up, and files that open."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from own_sets import CHAIN, Shape, write_set, write_table

from sslskel.data.drawing.draw import draw_clip
from sslskel.data.drawing.scene import find_clip, scene_of
from sslskel.data.own.importing import import_dataset
from sslskel.data.prepare import open_benchmark
from sslskel.data.store.store import StoredDataset
from sslskel.errors import UsageError
from sslskel.plugins.registry import BENCHMARKS

BODY = """
joints:
  pelvis:
  neck: pelvis
  head: neck
  left_hand: neck
  right_hand: neck
  left_foot: pelvis
  right_foot: pelvis
unit: metre
"""
POSE = np.array([[0, 0, 0], [0, 0.6, 0], [0, 0.8, 0], [-0.7, 0.5, 0], [0.7, 0.5, 0], [-0.2, -0.9, 0], [0.2, -0.9, 0]])
"""x from left to right of the person, y up: he looks towards positive z."""


def of(folder: Path, turn: np.ndarray, persons: int = 1, frames: int = 12) -> StoredDataset:
    """A set of two clips of bodies whose axes are turned; the second person comes late and stands aside."""
    array = np.repeat(np.repeat(POSE[None, None], persons, 0), frames, 1)
    array = array + np.arange(persons)[:, None, None, None] * np.array([1.5, 0, 0])
    array = array @ turn.T
    array[1:, :4] = 0
    for number in range(2):
        np.save(folder / f"c{number}.npy", array)
    (folder / "layout.yaml").write_text(BODY)
    table = write_table(folder, [[f"c{number}.npy", "<wave> & 'go'", f"s{number}"] for number in range(2)])
    import_dataset("mine", clips=table, layout=folder / "layout.yaml")
    return open_benchmark(BENCHMARKS.get("mine"))


# Proper rotations only: a mirrored body is another body.
TURNS = {
    "y": np.eye(3),
    "z": np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "-y": np.diag([1, -1, -1]),
    "x": np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]]),
    "-x": np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]]),
    "-z": np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]]),
}


@pytest.mark.parametrize("up", TURNS)
@pytest.mark.parametrize("stated", [False, True])
def test_bodies_stand_upright_and_face_the_viewer(root: Path, tmp_path: Path, up: str, stated: bool) -> None:
    scene = scene_of(of(tmp_path, TURNS[up], persons=2), 0, up if stated else None)
    body = scene.points[0, 0]
    head, left_hand, right_hand, foot = (body[number] for number in (2, 3, 4, 5))
    assert head[1] > foot[1]
    # His left hand is at the viewer's right, and nothing leans towards the viewer.
    assert left_hand[0] > right_hand[0]
    assert np.allclose(body[:, 2], body[0, 2])
    assert scene.sides == (0, 0, 0, -1, 1, -1, 1)
    assert scene.seen.sum(1).tolist() == [12, 8]
    assert np.linalg.norm(scene.points, axis=-1).max() == pytest.approx(1)
    # Distances keep their proportions: hands 1.4 apart, head and feet 1.7 in height.
    apart = np.linalg.norm(left_hand - right_hand)
    assert apart / (head[1] - foot[1]) == pytest.approx(1.4 / 1.7)
    turned = scene.turned(90)[0, 0]
    assert np.allclose(turned[:, 1], body[:, 1])
    assert np.allclose(turned[:, 0], body[:, 2], atol=1e-9)


def test_png_and_gif_open_and_show_something(root: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    dataset = of(tmp_path, np.eye(3), persons=2)
    assert draw_clip(dataset, "c1", tmp_path / "c.png", frames=5, size=100) == "5 of 12 frames"
    sheet = image.open(tmp_path / "c.png")
    assert sheet.size[0] == 400
    pixels = np.asarray(sheet.convert("RGB")).reshape(-1, 3)
    blue, orange = (pixels[:, 2] > pixels[:, 0] + 60).sum(), (pixels[:, 0] > pixels[:, 2] + 60).sum()
    assert blue > 100
    assert orange > 100
    draw_clip(dataset, "1", tmp_path / "c.gif", size=100)
    moving = image.open(tmp_path / "c.gif")
    assert moving.n_frames == 12
    lasting = []
    for frame in range(12):
        moving.seek(frame)
        lasting.append(moving.info["duration"])
    assert sum(lasting) == 400


def test_the_page_loads_nothing_and_holds_the_points(root: Path, tmp_path: Path) -> None:
    dataset = of(tmp_path, np.eye(3), persons=2)
    draw_clip(dataset, "c0", tmp_path / "c.html")
    text = (tmp_path / "c.html").read_text()
    assert not re.search(r"(src|href)\s*=|@import|url\(", text)
    assert "&lt;wave&gt;" in text
    assert "<wave>" not in text
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])  # type: ignore[index]
    assert [len([body for body in person if body]) for person in data["persons"]] == [12, 8]
    points = np.array(data["persons"][0][3]).reshape(-1, 3) / data["grain"]
    assert np.allclose(points, scene_of(dataset, 0).points[0, 3], atol=1e-3)


def test_two_dimensions_count_downwards(root: Path, tmp_path: Path) -> None:
    import_dataset("mine", **write_set(tmp_path, Shape(tuple(range(12)), 2, 1, (6, 6)), coordinates="xy"))
    dataset = open_benchmark(BENCHMARKS.get("mine"))
    scene = scene_of(dataset, 0)
    stored = np.asarray(dataset.joints[0, :, 1])
    assert (np.argsort(scene.points[0, 0, :, 1]) == np.argsort(-stored)).all()
    assert scene.flat
    assert (scene.points[..., 2] == 0).all()
    with pytest.raises(UsageError, match="2D have x, y, -x, -y"):
        scene_of(dataset, 0, "z")


def test_requests_that_cannot_be_met_leave_nothing(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import_dataset("mine", **write_set(tmp_path, CHAIN))
    dataset = open_benchmark(BENCHMARKS.get("mine"))
    (tmp_path / "out").mkdir()
    for words, output, more in (
        ("ends in '.jpg'", "out/c.jpg", {}),
        ("no folder", "nowhere/c.png", {}),
        ("at least 1", "out/c.png", {"frames": 0}),
        ("60 to 4000", "out/c.png", {"size": 5}),
        ("did you mean 'c1'", "out/c.png", {"clip": "c11"}),
        ("up is 'w'", "out/c.html", {"up": "w"}),
    ):
        clip = str(more.pop("clip", "c1"))
        with pytest.raises(UsageError, match=re.escape(words)):
            draw_clip(dataset, clip, tmp_path / output, **more)  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UsageError, match=r"sslskel\[pictures\]"):
        draw_clip(dataset, "c1", tmp_path / "out" / "c.gif")
    assert not list((tmp_path / "out").iterdir())
    assert find_clip(dataset, "2") == 2
