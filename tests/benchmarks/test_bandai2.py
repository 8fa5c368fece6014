"""Bandai-Namco motion dataset 2: kinematics against the reference, manifest, splits, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_sets import (
    Rows,
    assert_incomplete_is_refused,
    assert_is_the_manifest,
    assert_parts,
    joints_of,
    manifest,
    opened,
    read,
    refused,
    zipped,
)

from sslskel.api.benchmark import Benchmark
from sslskel.benchmarks.bandai2 import BENCHMARK as CONTENT
from sslskel.benchmarks.bandai2_full import BENCHMARK as FULL
from sslskel.benchmarks.bandai2_full_style import BENCHMARK as FULL_STYLE
from sslskel.benchmarks.bandai2_style import BENCHMARK as STYLE
from sslskel.benchmarks.common.bandai2 import CONTENTS, FILE_JOINTS, FILE_PARENTS, LAYOUT, STYLES
from sslskel.data.own.formats.bvh import bvh_motion
from sslskel.data.sources.archives import source_files
from sslskel.data.store.store import StoredDataset
from sslskel.evaluation.leakage import judged_seen, seen_part

CHANNELS = "Xposition Yposition Zposition Zrotation Xrotation Yrotation"
NAME = "dataset-2_walk_active_009.bvh"


def hierarchy(joint: int = 0) -> str:
    """A joint and those below it; the offsets stand for nothing, since channels replace them."""
    children = [child for child, parent in enumerate(FILE_PARENTS) if parent == joint]
    below = "".join(map(hierarchy, children)) or "End Site\n{\nOFFSET 0 0 0\n}\n"
    kind = "JOINT" if joint else "ROOT"
    return f"{kind} {FILE_JOINTS[joint]}\n{{\n\tOFFSET 7 7 7\n\tCHANNELS 6 {CHANNELS}\n{below}}}\n"


def bvh(frames: int = 2, seed: int = 0, frame_time: str = "0.0333333") -> str:
    """A motion without rotations: each joint lies where its positions add up to."""
    steps = np.random.default_rng(seed).normal(size=(frames, len(FILE_JOINTS), 3)) * 9
    steps[:, 0] = 0
    lines = [" ".join(f"{x:.4f} {y:.4f} {z:.4f} 0 0 0" for x, y, z in frame) for frame in steps]
    head = f"MOTION\nFrames:\t{frames}\nFrame Time:\t{frame_time}\n"
    return "HIERARCHY\n" + hierarchy() + head + "\n".join(lines) + "\n"


def takes() -> list[tuple[str, str, int]]:
    """The 350 clips: content, style, take."""
    import sslskel.benchmarks.common.bandai2 as package

    lines = Path(package.__file__).with_name("takes.txt").read_text().splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return [(content, style, int(take)) for content, style, *numbers in words for take in numbers]


def files() -> dict[str, str]:
    named = enumerate(takes())
    return {f"data/dataset-2_{c}_{s}_{take:03}.bvh": bvh(seed=number) for number, (c, s, take) in named}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 350 clips, and some that are none of them."""
    more = {
        "data/dataset-2_walk_active_001.bvh": bvh(),
        "data/dataset-2_walk_active_001.json": "{}",
        "other/dataset-1_bow_angry_001.bvh": "of the first dataset",
    }
    return zipped(tmp_path_factory.mktemp("bandai2") / "data.zip", {**files(), **more})


@pytest.fixture(scope="module")
def rows(shared: Path) -> Rows:
    return manifest(shared, "bandai2_sub350", lambda file: file[len("dataset-2_") : -len(".bvh")])


@pytest.fixture(scope="module")
def recorded(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> StoredDataset:
    return opened(CONTENT, shared / "data/bandai2_sub350", tmp_path_factory.mktemp("bandai2"))


@pytest.mark.long
def test_kinematics_equal_the_reference_positions(shared: Path, recorded: StoredDataset) -> None:
    names = recorded.names.tolist()
    with np.load(
        shared / "data/bandai2_sub350/reference_positions_every12th_frame.npz", allow_pickle=False
    ) as reference:
        clips = [name for name in reference.files if name.startswith("dataset-2_")]
        assert len(clips) == 12
        for name in clips:
            ours = joints_of(recorded, names.index(name.removeprefix("dataset-2_")))[::12]
            assert not reference[name][:, 0].any()
            np.testing.assert_allclose(ours * 100, reference[name][:, 1:], atol=2e-4)


@pytest.mark.long
def test_every_recorded_clip_is_the_manifest_s(
    recorded: StoredDataset, rows: Rows, shared: Path, tmp_path: Path
) -> None:
    # The manifest's means are over the 22 joints of the file, the first of which is the origin.
    whole = {
        name: {**row, **{key: str(float(row[key]) * 22 / 21) for key in row if key.startswith("mean_")}}
        for name, row in rows.items()
    }
    assert_is_the_manifest(recorded, whole, unit=0.01)
    assert int(recorded.lengths.sum()) == 55_016
    for split in ("block", "xstyle"):
        assert_parts(CONTENT, recorded, split, rows, split)
    styles = opened(STYLE, shared / "data/bandai2_sub350", tmp_path)
    styled = {name: {**row, "label_1based": row["style_1based"], "class": row["style"]} for name, row in whole.items()}
    assert_is_the_manifest(styles, styled, unit=0.01)
    for split in ("block", "xcontent"):
        assert_parts(STYLE, styles, split, rows, split)
    assert np.array_equal(styles.joints, recorded.joints)


def test_contents_are_judged_across_styles(archive: Path, tmp_path: Path) -> None:
    dataset = opened(CONTENT, archive, tmp_path)
    assert [dataset.info.classes[label] for label in dataset.labels[:2]] == ["walk", "walk"]
    for part, styles in (
        ("train", {"active", "elderly", "feminine", "masculine", "normal"}),
        ("test", {"exhausted", "youthful"}),
        ("validation", {"normal"}),
    ):
        chosen = CONTENT.split().part(dataset, part)
        assert {str(name).split("_")[1] for name in dataset.names[chosen]} == styles
        assert len(chosen) == 50 * len(styles)
    assert dataset.report()["notes"] == ["2 clips that are not of this benchmark were passed over"]
    seen = [seen_part(CONTENT, dataset, "xstyle", "train")]
    styled = opened(STYLE, archive, tmp_path)
    assert judged_seen(seen, STYLE, styled, "xcontent")[0]["overlap"] == 3 * 5 * 5


def test_styles_are_judged_across_contents(archive: Path, tmp_path: Path) -> None:
    dataset = opened(STYLE, archive, tmp_path)
    assert dataset.info.classes == STYLES
    test = STYLE.split().part(dataset, "test")
    assert {str(name).split("_")[0] for name in dataset.names[test]} == set(CONTENTS[7:])
    held = STYLE.split().part(dataset, "validation")
    assert {str(name).split("_")[0] for name in dataset.names[held]} == {"wave-right-hand"}
    block = STYLE.split("block")
    assert "too high" in block.warning
    numbers = {name: int(name.split("_")[2]) for name in dataset.names.tolist()}
    for clip in block.part(dataset, "test"):
        pair = dataset.names[clip].rsplit("_", 1)[0]
        lower = [number for name, number in numbers.items() if name.startswith(f"{pair}_")]
        assert sorted(lower).index(numbers[str(dataset.names[clip])]) >= 3


def test_the_whole_dataset_takes_every_clip(tmp_path: Path) -> None:
    for benchmark, label, other in ((FULL, 0, 7), (FULL_STYLE, 6, 1)):
        (clip,), report = read(benchmark, tmp_path, {"dataset-2_walk_youthful_104.bvh": bvh()})
        assert (clip.name, clip.label, clip.subject) == ("walk_youthful_104", label, other)
        assert not report.notes
        assert benchmark.expected == {"clips": 2902}
        assert benchmark.recordings == CONTENT.recordings
    assert_incomplete_is_refused(FULL, tmp_path / "few", {NAME: bvh()})


def test_positions_stand_for_offsets_and_become_metres(tmp_path: Path) -> None:
    text = bvh()
    (clip,), _ = read(FULL, tmp_path, {NAME: text})
    joints = clip.tracks[0].joints
    steps = bvh_motion(text.encode(), "x").values.reshape(2, 22, 6)[..., :3]
    assert joints.shape == (2, 21, 3)
    hand, way = FILE_JOINTS.index("Hand_R"), []
    while hand >= 0:
        way.append(hand)
        hand = FILE_PARENTS[hand]
    np.testing.assert_allclose(joints[:, LAYOUT.joint("right_wrist")], steps[:, way].sum(1) / 100, atol=1e-6)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "line 1: the file ends here"),
        (bvh()[:-9], "line"),
        (bvh()[: bvh().rindex("\n", 0, -1) + 1], "the file ends after 1 frames, expected 2"),
        (bvh().replace("UpperArm_L", "UpperArm_X"), "the hierarchy is not that of the dataset"),
        (bvh(frame_time="0.0083333"), "has 120 frames per second, expected 30"),
        (bvh().replace(" 0 0 0 ", " 0 x 0 ", 1), "not a number"),
        (bvh().replace("\n0.0000 ", "\n99999 ", 1), "joint Hips lies more than 100 m from the origin in frame 0"),
    ],
)
def test_damaged_files_are_refused_by_name(content: str, words: str, tmp_path: Path) -> None:
    message = refused(CONTENT, tmp_path, {NAME: content})
    assert NAME in message
    assert words in message


@pytest.mark.parametrize("name", ["dataset-2_jump_active_001.bvh", "dataset-2_run_sad_001.bvh", "walk.bvh"])
def test_foreign_names_are_refused(name: str, tmp_path: Path) -> None:
    message = refused(CONTENT, tmp_path, {name: bvh()})
    assert name in message
    assert "not named like a clip of Bandai-Namco" in message


@pytest.mark.parametrize("benchmark", [CONTENT, STYLE])
def test_a_source_without_some_of_the_clips_is_refused(benchmark: Benchmark, tmp_path: Path) -> None:
    some = {name.rpartition("/")[2]: text for name, text in list(files().items())[:5]}
    assert_incomplete_is_refused(benchmark, tmp_path, some)


def test_layout() -> None:
    assert FILE_PARENTS == (-1, 0, 1, 2, 3, 4, 3, 6, 7, 8, 3, 10, 11, 12, 1, 14, 15, 16, 1, 18, 19, 20)
    assert len(LAYOUT.swaps) == 8
    assert sorted(joint for part in LAYOUT.parts.values() for joint in part) == list(range(21))
    assert LAYOUT.joints[LAYOUT.centre] == "hips"


def test_the_files_of_the_archive_are_found(shared: Path) -> None:
    with source_files([shared / "data/bandai2_sub350"], (".bvh",)) as found:
        assert {file.name for file in found} == {f"dataset-2_{c}_{s}_{take:03}.bvh" for c, s, take in takes()}
