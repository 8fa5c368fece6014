"""Readers of the benchmarks' original files, in folders and in archives."""

from __future__ import annotations

import io
import json
import lzma
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz.captures import skeleton
from fuzz.own import mat
from fuzz.specimens import Array, Files, Reader, Result, of_clips, text

from sslskel.api.benchmark import ImportReport
from sslskel.plugins.registry import BENCHMARKS


def importing(benchmark: str, source: str = "source") -> Callable[[Path], Result]:
    """Reads a source as the benchmark's importer does."""

    def read(folder: Path) -> Result:
        report = ImportReport()
        clips = list(BENCHMARKS.get(benchmark).read([folder / source], report))
        return of_clips(clips, report)

    return read


def moving(joints: int, frames: int = 3, seed: int = 0, unit: float = 1.0) -> Array:
    """(T, V, 3) positions within a few metres, in ``unit`` per metre; none is 0."""
    return (np.random.default_rng(seed).uniform(0.1, 2, (frames, joints, 3)) * unit).round(3)


def frame_lines(array: Array, sign: str = " ") -> bytes:
    return text("".join(sign.join(f"{value:.3f}" for value in frame.reshape(-1)) + "\n" for frame in array))


def joint_lines(array: Array) -> bytes:
    return frame_lines(array.reshape(-1, 1, 3))


def sensor_lines(name: str = "") -> bytes:
    """A file of IntelliRehabDS: its version, and a line of three times and 25 joints per frame."""
    from sslskel.benchmarks.common.irds import FILE_JOINTS

    made = ["Version0.1"]
    for number, frame in enumerate(moving(25, 2)):
        joints = [f"({joint},Tracked,{x},{y},{z},1.5,2.5)" for joint, (x, y, z) in zip(FILE_JOINTS, frame, strict=True)]
        made.append(f"{8028 + number},5,{18432 + 33 * number},{','.join(joints)}")
    return text("\n".join([*made, ""]))


def tree_of_bandai(joint: int = 0) -> str:
    from sslskel.benchmarks.common.bandai2 import FILE_JOINTS, FILE_PARENTS

    children = [child for child, parent in enumerate(FILE_PARENTS) if parent == joint]
    below = "".join(map(tree_of_bandai, children)) or "End Site\n{\nOFFSET 0 0 0\n}\n"
    channels = "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    return f"{'JOINT' if joint else 'ROOT'} {FILE_JOINTS[joint]}\n{{\nOFFSET 7 7 7\n{channels}\n{below}}}\n"


def bandai(name: str = "") -> bytes:
    from sslskel.benchmarks.common.bandai2 import FILE_JOINTS

    steps = np.random.default_rng(0).uniform(1, 9, (2, len(FILE_JOINTS), 3))
    steps[:, 0] = 0
    lines = [" ".join(f"{x:.2f} {y:.2f} {z:.2f} 0 0 0" for x, y, z in frame) for frame in steps]
    return text(
        "HIERARCHY\n" + tree_of_bandai() + "MOTION\nFrames:\t2\nFrame Time:\t0.0333333\n" + "\n".join([*lines, ""])
    )


def hdm05() -> Files:
    """A body of HDM05 and a motion of nine frames."""
    from sslskel.benchmarks.hdm05_11 import BONES, LAYOUT

    head = ":version 1.10\n:units\nmass 1.0\nlength 0.45\nangle deg\n"
    root = ":root\norder TX TY TZ RX RY RZ\naxis XYZ\nposition 0 0 0\norientation 0 0 0\n"
    bones = "".join(
        f"begin\nid 1\nname {name}\ndirection 0 1 0\nlength 2\naxis 0 0 0 XYZ\n"
        + ("" if "hipjoint" in name else "dof rx\nlimits (-160.0 20.0)\n")
        + "end\n"
        for name in BONES[1:]
    )
    pairs = "\n".join(f"{BONES[parent]} {name}" for name, parent in zip(BONES[1:], LAYOUT.parents[1:], strict=True))
    asf = f"{head}{root}:bonedata\n{bones}:hierarchy\nbegin\n{pairs}\nend\n"
    lines = ["#!OML:ASF made", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(1, 6):
        lines += [str(frame), f"root 1 {frame / 10} 1 0 0 0"]
        lines += [f"{name} {frame}.9" for name in BONES[1:] if "hipjoint" not in name]
    return {"source/HDM_dg_squat1Reps_004_120.amc": text("\n".join([*lines, ""])), "source/HDM_dg.asf": text(asf)}


def pku() -> Files:
    """Two recordings of ten frames, their annotations, and both lists."""
    listed = text("Training videos: \n0011-L\nValidataion videos: \n0011-R\n")
    files: Files = {}
    for seed, video in enumerate(("0011-L", "0011-R")):
        frames = np.random.default_rng(seed).uniform(0.1, 2, (10, 50, 3)).round(3)
        frames[:, 25:] = 0
        files[f"source/skeleton/{video}.txt"] = frame_lines(frames)
        files[f"source/label/{video}.txt"] = b"3,0,4,2\n4,5,9,1\n"
    return {**files, "source/cross-subject.txt": listed, "source/cross-view.txt": listed}


def one(name: str, content: Callable[[str], bytes], other: str, benchmark: str, *same: str, **facts: Any) -> Reader:
    """A reader of two files, each a clip, of which the first is damaged."""
    first, second = f"source/{name}", f"source/{other}"
    facts = {"text": True, "reach": "joint", **facts}
    title = facts.pop("title", benchmark)

    def make() -> Files:
        return {first: content(name), second: content(other)}

    return Reader(title, make, importing(benchmark), (first,), (benchmark, *same), **facts)


KARD = ("a18_s10_e03_realworld.txt", "a01_s01_e01_realworld.txt")


def kard() -> dict[str, bytes]:
    return {f"data/{name}": joint_lines(moving(15, 2, seed, 900)) for seed, name in enumerate(KARD)}


def zipped() -> Files:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in kard().items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return {"kard.zip": packed.getvalue()}


def tarred() -> Files:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, content in kard().items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return {"kard.tar": packed.getvalue()}


def squeezed() -> Files:
    return {"kard.tar.xz": lzma.compress(tarred()["kard.tar"])}


def ucla(name: str) -> bytes:
    return text(json.dumps({"file_name": name.removesuffix(".json"), "skeletons": moving(20, 4).tolist()}))


def ntu(name: str = "") -> bytes:
    """Sixty lines of two bodies are too short for one of the recipes: a body in twelve frames or more."""
    lines = ["13"]
    for frame in moving(25, 13):
        lines += ["1", "72057 0 1 1 1 1 0 0.1 0.2 2", "25"]
        lines += [f"{x:g} {y:g} {z:g} 0 0 0 0 0 0 0 1 2" for x, y, z in frame.tolist()]
    return text("\n".join([*lines, ""]))


NTU = ("S010C001P012R002A019.skeleton", "S012C003P027R001A035.skeleton")
ORIGINALS = (
    one(NTU[0], ntu, NTU[1], "ntu60", "ntu120", "ntu120_copied", reach="any", line="part"),
    one(NTU[0], lambda _: skeleton(0), NTU[1], "ntu60_clean", "ntu120_clean", reach="any", line="part"),
    one(NTU[0], ntu, NTU[1], "ntu60_agcn", "ntu120_agcn", reach="any", line="part"),
    one(
        "dataset-2_walk_active_009.bvh",
        bandai,
        "dataset-2_walk_active_010.bvh",
        "bandai2",
        "bandai2_style",
        "bandai2_full",
        "bandai2_full_style",
        reach="any",
        line="part",
    ),
    one(
        "a11_cooking_(chopping)_1_p2.txt",
        lambda _: joint_lines(moving(15, 2, 0, 900)),
        "a01_still_1_p1.txt",
        "cad60",
        line="part",
    ),
    one(KARD[0], lambda _: joint_lines(moving(15, 2, 0, 900)), KARD[1], "kard", line="part"),
    one(
        "a04_s10_id215.txt",
        lambda _: joint_lines(moving(15, 2, 0, 900)),
        "a04_s10_id214.txt",
        "florence3d",
        line="part",
    ),
    one("216_18_3_6_2_stand.txt", sensor_lines, "215_18_3_6_2_stand.txt", "irds", "irds_correct", line="frame"),
    one("wind_s01_r1.txt", lambda _: frame_lines(moving(20)), "wind_s02_r1.txt", "isl30", line="frame"),
    one("highfive_07.csv", lambda _: frame_lines(moving(20), ","), "wave_04.csv", "nuisi", line="frame"),
    one("a08_s03_e02_v02.json", ucla, "a08_s03_e02_v01.json", "nw_ucla", inside=True),
    one(
        "a3_s2_t1_skeleton.mat",
        lambda _: mat(False, d_skel=moving(20, 4).transpose(1, 2, 0)),
        "a3_s2_t2_skeleton.mat",
        "utd_mhad",
        text=False,
    ),
    one(
        "a3_s2_t1_skeleton.mat",
        lambda _: mat(True, d_skel=moving(20, 4).transpose(1, 2, 0)),
        "a3_s2_t2_skeleton.mat",
        "utd_mhad",
        text=False,
        title="utd_mhad, packed",
    ),
    Reader("hdm05_11", hdm05, importing("hdm05_11"), tuple(hdm05()), ("hdm05_11",), text=True),
    Reader("pku_mmd", pku, importing("pku_mmd1"), tuple(pku()), ("pku_mmd1", "pku_mmd2"), text=True),
    Reader("zip archive", zipped, importing("kard", "kard.zip"), ("kard.zip",), ("zip",), inside=True, checked="bytes"),
    Reader("tar archive", tarred, importing("kard", "kard.tar"), ("kard.tar",), ("tar",)),
    Reader(
        "tar.xz archive", squeezed, importing("kard", "kard.tar.xz"), ("kard.tar.xz",), ("tar.xz",), checked="bytes"
    ),
)
