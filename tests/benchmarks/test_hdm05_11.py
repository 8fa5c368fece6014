"""HDM05: kinematics against the reference, every clip against the manifest, what is refused."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from sslskel.api.benchmark import ImportReport
from sslskel.api.dataset import Clip
from sslskel.benchmarks.hdm05_11 import ACTIONS, BENCHMARK, BONES, LAYOUT
from sslskel.data.motion.amc import Doubles, positions, read_amc
from sslskel.data.motion.asf import Skeleton, read_asf
from sslskel.data.prepare import open_benchmark, prepare
from sslskel.data.sources.archives import source_files
from sslskel.errors import DataError, SslskelError

CLIP = "HDM_dg_squat1Reps_004_120.amc"
METRES = 0.0254 / 0.45


def bone_text(name: str, direction: str = "0 1 0", axis: str = "0 0 0", dof: str = "rx ry rz") -> str:
    turns = f"dof {dof}\nlimits (-160.0 20.0)\n(-1 1)\n" if dof else ""
    return f"begin\nid 1\nname {name}\ndirection {direction}\nlength 2\naxis {axis} XYZ\n{turns}end\n"


def asf_text(bones: str, hierarchy: str) -> str:
    head = ":version 1.10\n:units\nmass 1.0\nlength 0.45\nangle deg\n:documentation\nnothing\n"
    root = ":root\norder TX TY TZ RX RY RZ\naxis XYZ\nposition 0 0 0\norientation 0 0 0\n"
    return f"{head}{root}:bonedata\n{bones}:hierarchy\nbegin\n{hierarchy}\nend\n".replace("\n", "\r\n")


def body() -> str:
    """A whole skeleton file with the hierarchy of HDM05; hip joints do not turn."""
    bones = "".join(bone_text(name, dof="" if "hipjoint" in name else "rx") for name in BONES[1:])
    pairs = zip(BONES[1:], LAYOUT.parents[1:], strict=True)
    return asf_text(bones, "\n".join(f"{BONES[parent]} {name}" for name, parent in pairs))


def motion(frames: int = 9) -> str:
    """A motion of :func:`body`: it rises by a tenth per frame and nods."""
    moving = [name for name in BONES[1:] if "hipjoint" not in name]
    lines = ["#!OML:ASF X:\\f\xfcr Bonn\\Dozer.ASF", ":FULLY-SPECIFIED", ":DEGREES"]
    for frame in range(1, frames + 1):
        lines += [str(frame), f"root 0 {frame / 10} 0 0 0 0", *(f"{name} {frame}.97569e-015" for name in moving)]
    return "\r\n".join([*lines, ""])


ARM = asf_text(bone_text("upper", "1 0 0") + bone_text("lower", "1 0 0", "0 0 90", "rx"), "root upper\nupper lower")


def arm() -> Skeleton:
    return read_asf(ARM.encode(), "arm.asf")


def still(**turns: str) -> Doubles:
    """End points of :data:`ARM` in one frame, in units of length."""
    lines = {"root": "0 0 0 0 0 0", "upper": "0 0 0", "lower": "0", **turns}
    text = ":DEGREES\n1\n" + "".join(f"{name} {values}\n" for name, values in lines.items())
    return positions(arm(), read_amc(text.encode(), arm(), "arm.amc"))[0] / METRES


def source(folder: Path, asf: str | None = None, amc: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "HDM_dg.asf").write_text(body() if asf is None else asf, "latin-1", newline="")
    (folder / CLIP).write_text(motion() if amc is None else amc, "latin-1", newline="")
    return folder


def imported(folder: Path, report: ImportReport | None = None) -> list[Clip]:
    return list(BENCHMARK.read([folder], report or ImportReport()))


def refused(folder: Path) -> str:
    with pytest.raises(DataError) as fault:
        imported(folder)
    assert "\n" not in str(fault.value)
    return str(fault.value)


# The real data


@pytest.fixture(scope="module")
def raw(shared: Path) -> dict[str, bytes]:
    with source_files([shared / "data/hdm05_11"], (".asf", ".amc")) as files:
        return {file.name: file.read() for file in files}


@pytest.fixture(scope="module")
def manifest(shared: Path) -> dict[str, dict[str, str]]:
    with (shared / "data/hdm05_11/manifest.csv").open() as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def full_rate(raw: dict[str, bytes]) -> dict[str, Doubles]:
    """Positions of every clip at 120 Hz."""
    skeletons = {name[4:6]: read_asf(data, name) for name, data in raw.items() if name.endswith(".asf")}
    clips = {name: skeletons[name[4:6]] for name in raw if name.endswith(".amc")}
    return {name: positions(skeleton, read_amc(raw[name], skeleton, name)) for name, skeleton in clips.items()}


@pytest.mark.long
def test_kinematics_equal_the_reference_positions(shared: Path, full_rate: dict[str, Doubles]) -> None:
    with np.load(shared / "data/hdm05_11/reference_positions_every12th_frame.npz", allow_pickle=False) as reference:
        assert tuple(reference["joint_names"]) == BONES
        assert tuple(reference["parents"]) == LAYOUT.parents
        clips = [name for name in reference.files if name.endswith(".amc")]
        assert len(clips) == 12
        for name in clips:
            # the reference is float32, which is the whole of the difference
            np.testing.assert_allclose(full_rate[name][::12], reference[name], rtol=0, atol=2e-7)


@pytest.mark.long
def test_every_clip_is_the_manifest_s(
    shared: Path,
    tmp_path: Path,
    manifest: dict[str, dict[str, str]],
    full_rate: dict[str, Doubles],
) -> None:
    prepare(BENCHMARK, [shared / "data/hdm05_11/hdm05_11.raw.tar.xz"], tmp_path)
    dataset = open_benchmark(BENCHMARK, tmp_path)
    split = BENCHMARK.split()
    part_of = {row: part for part in ("train", "test") for row in split.part(dataset, part)}
    assert len(dataset) == len(manifest) == len(part_of) == 287
    for row, name in enumerate(dataset.names):
        expected, place = manifest[f"{name}_120.amc"], full_rate[f"{name}_120.amc"]
        assert len(place) == int(expected["frames"])
        mean = [float(expected[f"mean_{axis}"]) for axis in "xyz"]
        np.testing.assert_allclose(place.mean((0, 1)), mean, atol=1e-5)
        assert dataset.labels[row] == int(expected["label_1based"]) - 1
        assert list(ACTIONS)[dataset.labels[row]] == expected["class"]
        assert part_of[row] == expected["xsub"]
        assert dataset.lengths[row] == -(-len(place) // 4)
        begin, length = dataset.track_offset[row], dataset.track_length[row]
        np.testing.assert_allclose(dataset.joints[begin : begin + length], place[::4], rtol=0, atol=1e-6)
    assert [len(split.part(dataset, part)) for part in ("train", "test")] == [188, 99]
    assert set(dataset.subjects[split.part(dataset, "validation")]) == {3}
    assert list(dataset.names[:2]) == ["HDM_bd_depositFloorR_001", "HDM_bd_depositFloorR_002"]


@pytest.mark.long
def test_bones_keep_their_length(full_rate: dict[str, Doubles]) -> None:
    for place in full_rate.values():
        lengths = np.linalg.norm(place[:, 1:] - place[:, list(LAYOUT.parents[1:])], axis=-1)
        assert np.ptp(lengths, axis=0).max() < 1e-12


# Kinematics by hand


def test_rest_pose_and_one_turn_each() -> None:
    assert arm().metres == pytest.approx(METRES)
    np.testing.assert_allclose(still(), [(0, 0, 0), (2, 0, 0), (4, 0, 0)], atol=1e-12)
    np.testing.assert_allclose(still(upper="0 0 90"), [(0, 0, 0), (0, 2, 0), (0, 4, 0)], atol=1e-12)
    np.testing.assert_allclose(still(upper="0 90 0"), [(0, 0, 0), (0, 0, -2), (0, 0, -4)], atol=1e-12)
    np.testing.assert_allclose(still(root="1 2 3 0 0 180"), [(1, 2, 3), (-1, 2, 3), (-3, 2, 3)], atol=1e-12)


def test_a_turn_is_about_the_bone_s_own_axes() -> None:
    """The lower bone's x axis points along the body's y, so a turn by 90 degrees sends it to -z."""
    np.testing.assert_allclose(still(lower="90"), [(0, 0, 0), (2, 0, 0), (2, 0, -2)], atol=1e-12)


def test_turns_are_taken_in_the_order_x_y_z() -> None:
    """x first leaves the bone where it is, then y sends it to -z, then z leaves it there."""
    np.testing.assert_allclose(still(upper="90 90 90"), [(0, 0, 0), (0, 0, -2), (0, 0, -4)], atol=1e-12)


def test_values_follow_the_order_of_the_dof_line() -> None:
    skeleton = read_asf(asf_text(bone_text("upper", "1 0 0", dof="rz ry"), "root upper").encode(), "x.asf")
    place = positions(skeleton, read_amc(b"1\nroot 0 0 0 0 0 0\nupper 90 0\n", skeleton, "x.amc"))
    np.testing.assert_allclose(place[0, 1] / METRES, (0, 2, 0), atol=1e-12)


# The importer on small files


def test_every_fourth_frame_is_stored(tmp_path: Path) -> None:
    (clip,) = imported(source(tmp_path / "s"))
    assert (clip.name, clip.subject, clip.length) == ("HDM_dg_squat1Reps_004", 3, 3)
    assert BENCHMARK.info.classes[clip.label] == "squat"
    joints = clip.tracks[0].joints
    np.testing.assert_allclose(joints[:, 0, 1], np.array([0.1, 0.5, 0.9]) * METRES, atol=1e-6)
    assert BENCHMARK.info.fps == 30


def test_layout_is_that_of_the_readable_names() -> None:
    assert len(LAYOUT.swaps) == 12
    assert sorted(joint for part in LAYOUT.parts.values() for joint in part) == list(range(31))
    assert BONES[:3] == ("root", "lhipjoint", "rhipjoint")
    assert "root" in BONES
    assert LAYOUT.joints[BONES.index("rradius")] == "right_radius"


def test_other_classes_are_passed_over_and_counted(tmp_path: Path) -> None:
    folder, report = source(tmp_path / "s"), ImportReport()
    (folder / "HDM_tr_walk2StepsRstart_001_120.amc").write_text("not even read")
    assert len(imported(folder, report)) == 1
    assert report.notes == ["1 clips of other HDM05 actions were passed over"]


def test_clip_without_its_actor_and_actor_without_clips(tmp_path: Path) -> None:
    folder = source(tmp_path / "s")
    (folder / "HDM_bk_squat1Reps_001_120.amc").write_text(motion())
    assert "needs the skeleton file HDM_bk.asf" in refused(folder)
    for path in folder.glob("*.amc"):
        path.unlink()
    assert "no clip of the 11 HDM05 actions" in refused(folder)


@pytest.mark.parametrize(
    "name", ["squat.amc", "HDM_xx_squat1Reps_001_120.amc", "HDM_dg_squat1Reps_120.amc", "HDM_zz.asf"]
)
def test_foreign_names_are_refused(name: str, tmp_path: Path) -> None:
    folder = source(tmp_path / "s")
    (folder / name).write_text(motion())
    assert name in refused(folder)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("head 2.97569e-015\r\n", "", "frame 2 ends here and lacks: head"),
        ("head 9.97569e-015\r\n", "", "frame 9 ends here and lacks: head"),
        ("head 2.97569e-015", "head", "line {line}: bone 'head' has 0 numbers, expected 1"),
        ("head 2.97569e-015", "head 1 2", "line {line}: bone 'head' has 2 numbers, expected 1"),
        ("root 0 0.2 0 0 0 0", "root 0 0.2 0 0 0", "line {line}: bone 'root' has 5 numbers, expected 6"),
        ("root 0 0.2 0 0 0 0", "root 0 0,2 0 0 0 0", "not a number: '0 0,2 0 0 0 0'"),
        ("root 0 0.2 0 0 0 0", "root 0 nan 0 0 0 0", "frame 2, which begins here, holds a number that no motion has"),
        ("root 0 0.2 0 0 0 0", "root 0 -inf 0 0 0 0", "frame 2, which begins here, holds a number that no motion has"),
        ("root 0 0.2 0 0 0 0", "root 0 1e300 0 0 0 0", "frame 2, which begins here, holds a number"),
        ("root 0 0.5 0 0 0 0", "root 0 5000 0 0 0 0", "joint root lies more than 100 m from the origin in frame 5"),
        ("head 2.97569e-015", "haed 2.97569e-015", "unknown bone 'haed'; did you mean 'head'?"),
        ("head 2.97569e-015", "thorax 2.97569e-015", "bone 'thorax' is stated twice"),
        ("head 2.97569e-015", "lhipjoint 0", "unknown bone 'lhipjoint'"),
        ("\r\n2\r\n", "\r\n3\r\n", "frame 3 stands where frame 2 is expected"),
        (":DEGREES", ":RADIANS", "':RADIANS' is not read"),
        (":DEGREES\r\n1\r\n", ":DEGREES\r\n", "before the number of the first frame"),
    ],
)
def test_bad_motion_is_refused_by_file_and_line(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert motion().count(old) == 1
    message = refused(source(tmp_path / "s", amc=motion().replace(old, new)))
    assert words.format(line=motion()[: motion().index(old)].count("\n") + 1) in message
    assert CLIP in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        (" \r\n", "is empty"),
        ("\0\1\2", "not a text file"),
        ("1\n" + "head " * 10_000 + "\n", "line 2: the line has 50,000 bytes"),
        ("some prose about motion\n", "line 1: unknown bone 'some'"),
        (":FULLY-SPECIFIED\n:DEGREES\n", "has no frame"),
        (motion()[:-8], "truncated"),
        (motion()[:-60], "truncated"),
    ],
)
def test_empty_foreign_and_truncated_motion(content: str, words: str, tmp_path: Path) -> None:
    message = refused(source(tmp_path / "s", amc=content))
    assert words in message
    assert CLIP in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name ltoes\r\n", "", "has no name"),
        ("name ltoes\r\n", "name lfoot\r\n", "bone 'lfoot' is described twice"),
        ("name ltoes\r\ndirection 0 1 0", "name ltoes\r\ndirection 0 1", "direction has 2 numbers, expected 3"),
        ("name ltoes\r\ndirection 0 1 0", "name ltoes\r\ndirection 0 one 0", "not a number: '0 one 0'"),
        ("name ltoes\r\ndirection 0 1 0", "name ltoes\r\ndirection 0 nan 0", "a number that no motion has"),
        ("name ltoes\r\ndirection 0 1 0\r\n", "name ltoes\r\n", "bone 'ltoes' has no direction"),
        ("name ltoes\r\n", "name ltoes\r\ncolour red\r\n", "'colour' is no property of a bone"),
        ("name ltoes\r\n", "name ltoes\r\ndof rx rx\r\n", "dof is 'rx rx'"),
        ("name ltoes\r\n", "name ltoes\r\naxis 0 0 0 ZYX\r\n", "expected three angles and 'XYZ'"),
        ("lfoot ltoes", "lfoot ltoe", "unknown bone 'ltoe'; did you mean 'ltoes'?"),
        ("lfoot ltoes\r\n", "", "bone 'ltoes' is missing from ':hierarchy'"),
        ("lfoot ltoes", "ltibia ltoes", "the hierarchy is not that of HDM05"),
        ("length 0.45", "length 0", "must be positive"),
        ("length 0.45", "", "no unit of length"),
        ("angle deg", "angle rad", "expected 'deg'"),
        ("order TX TY TZ RX RY RZ", "order TX TY TZ RZ RY RX", "expected 'TX TY TZ RX RY RZ'"),
        ("position 0 0 0", "position 0 1 0", "other than 0 0 0"),
        (":hierarchy\r\nbegin\r\n", ":hierarchy\r\n", "expected 'begin'"),
        (":bonedata", ":bones", "unknown bone 'lhipjoint'"),
    ],
)
def test_bad_skeletons_are_refused_by_file_and_line(old: str, new: str, words: str, tmp_path: Path) -> None:
    assert body().count(old) == 1
    message = refused(source(tmp_path / "s", asf=body().replace(old, new)))
    assert words in message
    assert "HDM_dg.asf" in message


def test_skeleton_without_a_bone(tmp_path: Path) -> None:
    assert "no bone in ':bonedata'" in refused(source(tmp_path / "s", asf=asf_text("", "root")))


def test_skeleton_with_too_many_bones(tmp_path: Path) -> None:
    bones = "".join(bone_text(f"bone{number}") for number in range(1001))
    assert "more than 1000 bones" in refused(source(tmp_path / "s", asf=asf_text(bones, "root bone0")))


@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.8, 0.95, 0.995])
def test_truncated_skeletons(share: float, tmp_path: Path) -> None:
    assert "HDM_dg.asf" in refused(source(tmp_path / "s", asf=body()[: int(len(body()) * share)]))


@pytest.mark.parametrize("which", ["asf", "amc"])
def test_mutated_files_raise_nothing_but_their_own_error(which: str, tmp_path: Path) -> None:
    good = (body() if which == "asf" else motion(4)).encode("latin-1")
    rng, faults, began = np.random.default_rng(5), 0, time.monotonic()
    for _ in range(200):
        broken = bytearray(good)
        for _ in range(rng.integers(1, 5)):
            broken[rng.integers(len(broken))] ^= 1 << rng.integers(8)
        if rng.random() < 0.25:
            broken = broken[: rng.integers(len(broken))]
        try:
            imported(source(tmp_path / "s", **{which: broken.decode("latin-1")}))
        except SslskelError as fault:
            faults += "HDM_dg" in str(fault)
    assert faults > 50
    assert time.monotonic() - began < 30
