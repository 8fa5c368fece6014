"""Readers of one's own data: every format of a recording, the layout file and the table of clips."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from fuzz.specimens import Array, Files, Reader, Result, of_dataset, text

from sslskel.data.own.importing import import_dataset
from sslskel.data.store.store import open_dataset

JOINTS = ("hip", "spine", "neck", "head")
LAYOUT = "joints: {hip: , spine: hip, neck: spine, head: neck}\nfps: 30\nunit: metre\n"
PICTURE = LAYOUT.replace("metre", "pixel")
CLIPS = ("c0", "c1", "c2")
FRAMES = 5


def positions(clip: int, numbers: int = 3) -> Array:
    """(T, V, numbers) of a clip, in which every joint moves and no value is 0."""
    return np.random.default_rng(clip).uniform(1, 9, (FRAMES, len(JOINTS), numbers)).round(2)


def scored(clip: int) -> Array:
    """(T, V, 3): x and y of a picture, and a confidence."""
    array = positions(clip) * 20
    array[..., 2] = 0.9
    return array.round(1)


def table(ending: str, extra: str = "", more: str = "") -> bytes:
    """The table of three clips; ``extra`` is a further column, ``more`` its value."""
    rows = [
        f"{name}{ending},{'sit' if number else 'wave'},s{number},{'test' if number == 2 else 'train'}{more}"
        for number, name in enumerate(CLIPS)
    ]
    return text("\n".join([f"file,label,subject,split{extra}", *rows, ""]))


def own(
    folder: Path, layout: str | None = "layout.yaml", clips: str | Sequence[str] = "clips.csv", **options: Any
) -> Result:
    """Import a folder as a person does, and open what was stored."""
    root = folder / "stored"
    shutil.rmtree(root, ignore_errors=True)
    files = [folder / clips] if isinstance(clips, str) else [folder / name for name in clips]
    described = layout if layout is None or not layout.endswith(".yaml") else folder / layout
    try:
        target = import_dataset("mine", clips=files, layout=described, root=root, **options)
        dataset = open_dataset(target)
        return of_dataset(dataset, dataset.report())
    finally:
        shutil.rmtree(root, ignore_errors=True)


def reader(
    name: str,
    content: Callable[[int], bytes],
    ending: str,
    described: str = LAYOUT,
    column: tuple[str, str] = ("", ""),
    **facts: Any,
) -> Reader:
    """A reader of three clips in one format, of which the first is damaged."""

    def make() -> Files:
        files = {f"{clip}{ending}": content(number) for number, clip in enumerate(CLIPS)}
        return {**files, "layout.yaml": text(described), "clips.csv": table(ending, *column)}

    facts = {"reach": "joint", **facts}
    return Reader(name, make, own, (f"c0{ending}",), **facts)


def npy(array: Any) -> bytes:
    packed = io.BytesIO()
    np.save(packed, array)
    return packed.getvalue()


def npz(**arrays: Any) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue()


def mat(packed: bool, **arrays: Any) -> bytes:
    content = io.BytesIO()
    scipy.io.savemat(content, arrays, do_compression=packed)
    return content.getvalue()


def rows(array: Array, sign: str, header: str = "", numbered: int | None = None) -> bytes:
    """(T, V, C) as a line per frame."""
    lines = [header] if header else []
    for frame, values in enumerate(array.reshape(len(array), -1).tolist()):
        words = [f"{value:g}" for value in values]
        lines.append(sign.join(words if numbered is None else [str(numbered + frame), *words]))
    return text("\n".join([*lines, ""]))


def header(axes: str, sign: str = ",") -> str:
    return sign.join(f"{joint}_{axis}" for joint in JOINTS for axis in axes)


def long_rows(clip: int) -> bytes:
    """A line per joint of two persons."""
    lines = ["frame,person,joint,x,y,z"]
    for frame in range(3):
        for person in (4, 7):
            values = positions(10 * clip + person)[frame].tolist()
            lines += [
                f"{frame},{person},{joint},{x:g},{y:g},{z:g}" for joint, (x, y, z) in zip(JOINTS, values, strict=True)
            ]
    return text("\n".join([*lines, ""]))


def described_lines(clip: int) -> bytes:
    """Two lines of a head, then a count before each frame and a line per joint."""
    lines = ["5 4", "made up"]
    for values in positions(clip).tolist():
        lines += ["4", *(f"{x:g} {y:g} {z:g} 1" for x, y, z in values)]
    return text("\n".join([*lines, ""]))


def as_json(value: Any) -> bytes:
    return text(json.dumps(value))


TEXT: dict[str, Any] = {"text": True}
TREE: dict[str, Any] = {"text": True, "inside": True}
DESCRIBED = LAYOUT + "coordinates: xyzc\ntext: {line: xyzc, skip: 2, skip_per_frame: 1}\n"
ORDERED = LAYOUT + "axes: TVC\ncoordinates: xyz\n"
TIMED = f"time,{header('xyz')}"
KEYED = (",key", ",motion")
INDEXED = (",index", ",0")

ARRAYS = (
    reader("npy", lambda clip: npy(positions(clip)), ".npy", ORDERED, covers=("npy",)),
    reader(
        "npy of a dict",
        lambda clip: npy(np.array({"motion": positions(clip), "text": "x"}, object)),
        ".npy",
        ORDERED,
        KEYED,
        covers=("npy",),
    ),
    reader(
        "npy of bodies",
        lambda clip: npy(np.array({"skel_body0": positions(clip), "skel_body1": positions(clip + 5)}, object)),
        ".npy",
        LAYOUT + "coordinates: xyz\n",
        covers=("npy",),
    ),
    reader(
        "npz",
        lambda clip: npz(motion=positions(clip), other=np.zeros(3)),
        ".npz",
        ORDERED,
        KEYED,
        covers=("npz",),
        inside=True,
        checked="bytes",
    ),
    reader(
        "npz of several clips",
        lambda clip: npz(motion=positions(clip)[None]),
        ".npz",
        ORDERED,
        INDEXED,
        covers=("npz",),
        inside=True,
        checked="bytes",
    ),
    reader("mat", lambda clip: mat(False, motion=positions(clip), label="x"), ".mat", ORDERED, KEYED, covers=("mat",)),
    reader("mat, packed", lambda clip: mat(True, motion=positions(clip)), ".mat", ORDERED, KEYED, covers=("mat",)),
    reader(
        "mat of a structure",
        lambda clip: mat(False, rec={"motion": positions(clip), "n": 3}),
        ".mat",
        ORDERED,
        (",key", ",rec.motion"),
        covers=("mat",),
    ),
)
TABLES = (
    reader(
        "columns",
        lambda clip: rows(positions(clip), ",", header("xyz")),
        ".csv",
        covers=("table",),
        line="frame",
        **TEXT,
    ),
    reader(
        "columns with numbers of frames",
        lambda clip: rows(positions(clip), "\t", "frame\t" + header("xyz", "\t"), 100),
        ".tsv",
        covers=("table",),
        **TEXT,
    ),
    reader(
        "columns with confidences",
        lambda clip: rows(scored(clip), ";", header("xyc", ";").replace("_c", "_score")),
        ".csv",
        PICTURE,
        covers=("table",),
        line="frame",
        **TEXT,
    ),
    reader(
        "columns with times",
        lambda clip: text(
            "\n".join(
                [
                    TIMED,
                    *(
                        f"{frame / 30:.4f},{','.join(f'{v:g}' for v in values)}"
                        for frame, values in enumerate(positions(clip).reshape(FRAMES, -1).tolist())
                    ),
                    "",
                ]
            )
        ),
        ".csv",
        covers=("table",),
        **TEXT,
    ),
    reader("a line per joint", long_rows, ".csv", covers=("table",), **TEXT),
    reader("bare numbers", lambda clip: rows(positions(clip), " "), ".txt", covers=("table",), line="frame", **TEXT),
    reader("described text", described_lines, ".txt", DESCRIBED, covers=("table",), line="part", **TEXT),
    reader(
        "described text with numbers of frames",
        lambda clip: rows(positions(clip), "  ", "", 252),
        ".txt",
        LAYOUT + "text: frame xyz*\n",
        covers=("table",),
        **TEXT,
    ),
    reader(
        "described text of several clips",
        lambda clip: text(
            "".join(
                f"{v} {rows(positions(clip + v), ' ').decode().splitlines()[f]}\n" for v in (7, 9) for f in range(3)
            )
        ),
        ".txt",
        LAYOUT + "text: clip xyz*\n",
        (",key", ",9"),
        covers=("table",),
        reach="any",
        line="frame",
        **TEXT,
    ),
    reader("json", lambda clip: as_json(positions(clip).tolist()), ".json", ORDERED, covers=("json",), **TREE),
    reader(
        "json of an object",
        lambda clip: as_json({"motion": positions(clip).tolist(), "n": [1]}),
        ".json",
        ORDERED,
        KEYED,
        covers=("json",),
        **TREE,
    ),
)


def small_set() -> Files:
    """Three clips as arrays, described by every key that a layout file knows."""
    described = (
        "name: chain\njoints: {hip: , spine: hip, neck: spine, l_hand: neck, r_hand: neck}\ncentre: hip\n"
        "swaps: [[l_hand, r_hand]]\nparts: {torso: [hip, spine, neck], left_arm: [l_hand], right_arm: [r_hand]}\n"
        "fps: 30\nunit: cm\nscale: 1.0\ncoordinates: xyz\naxes: TVC\npersons: 2\nmissing: nan\nfill: interpolate\n"
        "classes: [sit, wave]\ntitle: made up\nlicence: none\ncitation: nobody\npreset: cpu\n"
    )
    arrays = {
        f"{name}.npy": npy(np.random.default_rng(n).uniform(1, 9, (FRAMES, 5, 3))) for n, name in enumerate(CLIPS)
    }
    lines = ["file,label,name,subject,camera,setup,begin,end,split,split:more"]
    lines += [
        f"c{n}.npy,{label},clip{n},s{n},1,2,{n},5,{part},{part}"
        for n, (label, part) in enumerate((("sit", "train"), ("wave", "train"), ("sit", "test")))
    ]
    return {"layout.yaml": text(described), "clips.csv": text("\n".join([*lines, ""])), **arrays}


WORDS = (
    Reader("layout file", small_set, own, ("layout.yaml",), ("layout.yaml",), text=True, inside=True),
    Reader("table of clips", small_set, own, ("clips.csv",), ("clips.csv",), text=True),
)
OWN = (*ARRAYS, *TABLES, *WORDS)
