"""Motion capture and arrays of other tools: BVH spellings, Acclaim, .skeleton, .mat, pickled .npy, .npz read once."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from own_cases import dense
from own_sets import CHAIN, opened, write_layout, write_table

from sslskel.api.skeleton import NTU25, layout
from sslskel.data.own.bodies import BODIES
from sslskel.data.own.formats.bvh import read_bvh
from sslskel.data.own.formats.kind import Shelf, Source
from sslskel.data.own.formats.table import read
from sslskel.data.own.importing import import_dataset
from sslskel.data.own.sides import mirror_pairs, same_joint
from sslskel.errors import DataError

ARRAYS = [array[0] for array in CHAIN.arrays()]
BODY = layout("chain", {f"j{n}": f"j{n - 1}" if n else None for n in range(13)}, "j0", {})


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("LeftUpLeg", "RightUpLeg"),
        ("mixamorig:LeftArm", "mixamorig:RightArm"),
        ("Bip01 L Thigh", "Bip01 R Thigh"),
        ("lShldr", "rShldr"),
        ("L_Hip", "R_Hip"),
        ("upper_arm.L", "upper_arm.R"),
        ("thigh_l", "thigh_r"),
        ("LHipJoint", "RHipJoint"),
        ("lfemur", "rfemur"),
        ("SHOULDER_LEFT", "SHOULDER_RIGHT"),
    ],
)
def test_left_and_right_of_the_usual_tools(left: str, right: str) -> None:
    assert mirror_pairs(("Hips", right, "Leg", left)) == [(3, 1)]


def test_middle_joints_have_no_side() -> None:
    assert mirror_pairs(("Leg", "Reg", "Spine", "Chest", "Left")) in ([], [(0, 1)])
    assert mirror_pairs(("Hips", "Spine", "Head", "LowerBack", "Reference")) == []
    assert same_joint("HIP_CENTER") == same_joint("hip_centre")


MIXAMO = ["Hips", "Spine", "Spine1", "Spine2", "Neck", "Head"]
MIXAMO += [f"{side}{bone}" for side in ("Left", "Right") for bone in ("Shoulder", "Arm", "ForeArm", "Hand")]
MIXAMO += [f"{side}{bone}" for side in ("Left", "Right") for bone in ("UpLeg", "Leg", "Foot", "ToeBase")]


def test_a_body_by_name_is_found_in_the_words_of_its_tool(tmp_path: Path) -> None:
    text = "HIERARCHY\nROOT mixamorig:Hips\n{\nOFFSET 0 0 0\nCHANNELS 3 Xposition Yposition Zposition\n"
    for number, name in enumerate(MIXAMO[1:], 1):
        text += f"JOINT mixamorig:{name}\n{{\nOFFSET {number} 0 0\nCHANNELS 0\nEnd Site\n{{\nOFFSET 0 0 0\n}}\n}}\n"
    path = tmp_path / "c.bvh"
    path.write_text(text + "}\nMOTION\nFrames: 1\nFrame Time: 0.033333\n0 0 0\n")
    body = BODIES["mixamo"].layout
    places = read_bvh(path).positions(body)[0, :, 0].astype(int)
    words = dict(zip(body.joints, (MIXAMO[place] for place in places), strict=True))
    assert (words["left_clavicle"], words["left_shoulder"], words["left_hip"]) == (
        "LeftShoulder",
        "LeftArm",
        "LeftUpLeg",
    )
    assert sorted(places.tolist()) == list(range(22))


@pytest.mark.parametrize(("name", "count"), [("body_25", 25), ("azure_kinect", 32), ("mediapipe", 33), ("smpl", 24)])
def test_bodies_by_name_are_whole(name: str, count: int) -> None:
    body = BODIES[name].layout
    assert body.num_joints == count
    assert sorted(joint for joints in body.parts.values() for joint in joints) == list(range(count))
    assert len(body.swaps) == sum(joint.startswith("left_") for joint in body.joints)


ASF = """:version 1.10
:name body
:units
  mass 1.0
  length 0.45
  angle deg
:root
  order TX TY TZ RX RY RZ
  axis XYZ
  position 0 0 0
  orientation 0 0 0
:bonedata
  begin
    id 1
    name lfemur
    direction 0 -1 0
    length 4.5
    axis 0 0 0 XYZ
    dof rx
    limits (-180.0 180.0)
  end
  begin
    id 2
    name rfemur
    direction 1 0 0
    length 9
    axis 0 0 0 XYZ
  end
:hierarchy
  begin
    root lfemur rfemur
  end
"""
AMC = ":FULLY-SPECIFIED\n:DEGREES\n" + "".join(
    f"{frame}\nroot {frame * 0.45} 0 0 0 0 0\nlfemur {90 * (frame % 2)}\n" for frame in range(1, 9)
)


def test_acclaim_files_bring_their_body(root: Path, tmp_path: Path) -> None:
    for actor in ("01", "07"):
        (tmp_path / f"{actor}.asf").write_text(ASF)
        (tmp_path / f"{actor}_03.amc").write_text(AMC)
    rows = [[f"{actor}_03.amc", "walk", actor, "3", "7"] for actor in ("01", "07")]
    clips = write_table(tmp_path, rows, "file,label,subject,begin,end")
    import_dataset("mine", clips=clips, overrides=["recorded_fps=120"], fps=60)
    _, dataset = opened()
    assert (dataset.info.unit, dataset.info.fps) == ("metre", 60)
    assert dataset.info.layout.joints == ("root", "lfemur", "rfemur")
    assert dataset.info.layout.swaps == ((1, 2),)
    # Frames 3 and 5 of the file; a unit is 1 / 0.45 inches, and the left leg is turned a quarter forward.
    inch = 0.0254
    expected = [[[f * inch, 0, 0], [f * inch, 0, -10 * inch], [(f + 20) * inch, 0, 0]] for f in (3, 5)]
    assert np.allclose(dense(dataset, 0)[0], expected, atol=1e-6)
    before = dataset.info.source["4 files of the table"]
    (tmp_path / "01.asf").write_text(ASF.replace("length 9", "length 8"))
    import_dataset("mine", clips=clips, overrides=["recorded_fps=120"], fps=60)
    assert opened()[1].info.source["4 files of the table"] != before
    (tmp_path / "07.asf").rename(tmp_path / "08.asf")
    (tmp_path / "01.asf").rename(tmp_path / "02.asf")
    with pytest.raises(DataError, match="needs the ASF file of its actor, and there are 2"):
        import_dataset("mine", clips=clips)


def test_skeleton_files_of_ones_own(root: Path, tmp_path: Path) -> None:
    joint = "{:.4f} {:.4f} {:.4f} 0 0 0 0 0 0 0 1 2\n"
    array = np.random.default_rng(0).normal(0, 1, (2, 6, 25, 3)).round(4)
    text = "6\n"
    for frame in range(6):
        text += f"{1 + (frame > 2)}\n"
        for person in range(1 + (frame > 2)):
            text += f"7205{person} 0 1 1 1 1 0 0.1 0.2 2\n25\n" + "".join(
                joint.format(*array[person, frame, j]) for j in range(25)
            )
    for name in "ab":
        (tmp_path / f"{name}.skeleton").write_text(text)
    clips = write_table(tmp_path, [[f"{name}.skeleton", "sit", name] for name in "ab"])
    import_dataset("mine", clips=clips, unit="cm")
    _, dataset = opened()
    assert dataset.info.layout == NTU25
    assert (dataset.info.persons, dataset.info.unit) == (2, "cm")
    array[1, :3] = 0
    assert np.allclose(dense(dataset, 0), array * 100, atol=1e-4)


def test_a_line_twice_in_a_skeleton_file_is_refused(tmp_path: Path) -> None:
    """Joints would move on by one, and the last line would be read by nobody."""
    joint = "{0} {0} {0} 0 0 0 0 0 0 0 1 2\n"
    lines = ["1\n", "1\n", "72057 0 1 1 1 1 0 0.1 0.2 2\n", "25\n", *(joint.format(n / 10) for n in range(1, 26))]
    path = tmp_path / "a.skeleton"
    path.write_text("".join(lines) + "\n")
    assert read(Source(path, NTU25)).array.shape == (1, 1, 25, 3)
    path.write_text("".join([*lines[:7], lines[6], *lines[7:]]))
    with pytest.raises(DataError, match=r"a\.skeleton' has 1 lines behind its 1 frames"):
        read(Source(path, NTU25))


def test_a_damaged_header_has_the_same_sentence_each_time(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, ARRAYS[0])
    path.write_bytes(path.read_bytes().replace(b"(8, ", b"(8* "))
    sentences = set()
    for _ in range(3):
        with pytest.raises(DataError, match="has a damaged header") as fault:
            read(Source(path, BODY))
        sentences.add(str(fault.value))
    assert len(sentences) == 1
    assert " at 0x" not in sentences.pop()


def test_matlab_files(tmp_path: Path) -> None:
    path = tmp_path / "c.mat"
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = ARRAYS[0], ARRAYS[1]
    content = {"d_skel": ARRAYS[0].transpose(1, 2, 0), "clips": cells, "rec": {"skeleton": ARRAYS[2]}, "text": "x"}
    scipy.io.savemat(path, content)
    assert np.array_equal(read(Source(path, BODY, key="d_skel")).array, ARRAYS[0].transpose(1, 2, 0))
    assert np.array_equal(read(Source(path, BODY, key="clips", index=1)).array, ARRAYS[1])
    assert np.array_equal(read(Source(path, BODY, key="rec.skeleton")).array, ARRAYS[2])
    for key, words in (("", "holds 4 arrays"), ("d_skl", "did you mean 'd_skel'"), ("text", "numbers are expected")):
        with pytest.raises(DataError, match=words):
            read(Source(path, BODY, key=key))
    for damage, words in ((b"MATLAB 7.3 MAT-file" + bytes(600), "MATLAB"), (path.read_bytes()[:400], "damaged or not")):
        (tmp_path / "bad.mat").write_bytes(damage)
        with pytest.raises(DataError, match=words):
            read(Source(tmp_path / "bad.mat", BODY, key="d_skel"))


def test_dicts_and_lists_in_npy_files_are_read_without_running_them(tmp_path: Path) -> None:
    path = tmp_path / "c.npy"
    np.save(path, {"walk": ARRAYS[0], "sit": ARRAYS[1].tolist()})  # type: ignore[arg-type]  # as scripts save it
    assert np.array_equal(read(Source(path, BODY, key="walk")).array, ARRAYS[0])
    assert np.array_equal(read(Source(path, BODY, key="sit")).array, ARRAYS[1])
    clips = np.empty(2, object)
    clips[0], clips[1] = ARRAYS[0], ARRAYS[1][:5]
    np.save(path, clips)
    assert np.array_equal(read(Source(path, BODY, index=1)).array, ARRAYS[1][:5])
    np.savez(tmp_path / "c.npz", clips=clips, labels=np.arange(2))
    assert np.array_equal(read(Source(tmp_path / "c.npz", BODY, key="clips", index=0)).array, ARRAYS[0])
    np.save(path, {"skel_body0": ARRAYS[0], "skel_body1": ARRAYS[1][:5], "nbodys": [1, 2]})  # type: ignore[arg-type]
    content = read(Source(path, BODY))
    assert (content.axes, content.array.shape) == ("MTVC", (2, 8, 13, 3))
    np.save(path, np.array([Path("x")], object))
    with pytest.raises(DataError, match="is refused, because it asks for 'pathlib"):
        read(Source(path, BODY, index=0))


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_an_archive_is_opened_and_gone_through_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: object
) -> None:
    assert callable(save)
    save(tmp_path / "all.npz", x=np.stack(ARRAYS), other=ARRAYS[0])
    times = {"opened": 0, "members": 0}
    make, member = zipfile.ZipFile.__init__, zipfile.ZipFile.open

    def counted(self: zipfile.ZipFile, *arguments: object) -> None:
        times["opened"] += str(arguments[0]).endswith("all.npz")
        make(self, *arguments)  # type: ignore[arg-type]

    def counted_member(self: zipfile.ZipFile, *arguments: object) -> object:
        times["members"] += 1
        return member(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(zipfile.ZipFile, "__init__", counted)
    monkeypatch.setattr(zipfile.ZipFile, "open", counted_member)
    rows = [["all.npz", "x", str(n), f"c{n}", "sit", f"s{n % 2}"] for n in range(6)]
    clips = write_table(tmp_path, rows, "file,key,index,name,label,subject")
    import_dataset("mine", clips=clips, layout=write_layout(tmp_path, CHAIN, coordinates="xyz"), unit="metre")
    assert all(np.array_equal(dense(opened()[1], n)[0], ARRAYS[n]) for n in range(6))
    assert times["opened"] == 1
    assert times["members"] <= 4


def test_all_elements_of_an_archive_in_any_order(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "all.npz", x=np.stack(ARRAYS))
    shelf = Shelf()
    for index in (4, 1, 1, 5, 0):
        content = read(Source(tmp_path / "all.npz", BODY, index=index, shelf=shelf))
        assert np.array_equal(content.array, ARRAYS[index])


def test_every_format_is_on_the_page() -> None:
    from sslskel.data.own.formats.table import FORMATS

    page = Path(__file__).resolve().parents[4] / "docs" / "guide" / "your-own-data.md"
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8"))
    for known in FORMATS:
        assert known.title in text, known.name
        assert all(f"`{ending}`" in text for ending in known.endings)
