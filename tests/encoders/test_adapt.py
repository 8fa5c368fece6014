"""Judging encoders on another benchmark: joints meet by name, records say so, and what cannot meet is refused."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import sslskel
from sslskel.api.skeleton import NTU25, SkeletonLayout, layout
from sslskel.benchmarks.hdm05_11 import BENCHMARK as HDM05
from sslskel.benchmarks.utd_mhad import BENCHMARK as UTD
from sslskel.encoders.adapt import joint_reading
from sslskel.encoders.joint_map import joints_in_words, map_joints
from sslskel.errors import DataError, UsageError

KINECT1, MOCAP = UTD.info.layout, HDM05.info.layout


@pytest.mark.parametrize(("reader", "stored"), [(NTU25, KINECT1), (KINECT1, NTU25), (KINECT1, MOCAP), (MOCAP, NTU25)])
def test_sides_and_limbs_meet(reader: SkeletonLayout, stored: SkeletonLayout) -> None:
    joint_map = map_joints(reader, stored)
    assert len(joint_map.read) == reader.num_joints
    assert joint_map.same >= 15
    pairs = {
        (reader.joints[at], stored.joints[source])
        for at, source in enumerate(joint_map.read)
        if reader.joints[at].startswith(("left", "l")) and stored.joints[source].startswith(("right", "r"))
    }
    assert not pairs


def test_the_same_body_is_read_as_it_is_stored() -> None:
    assert joint_reading(NTU25, 3, dataclasses.replace(UTD.info, layout=NTU25)).joints is None
    reading = joint_reading(NTU25, 3, UTD.info)
    assert reading.facts["joints"]["of_joints"] == 25
    assert reading.facts["joints"]["same_joints"] >= 15


def test_bodies_without_a_common_joint_and_other_dimensions_are_refused() -> None:
    strange = layout("strange", {"a": None, "b": "a"}, centre="a", parts={})
    with pytest.raises(DataError, match="no joint in common"):
        map_joints(NTU25, strange)
    with pytest.raises(UsageError, match="no joint mapping helps"):
        joint_reading(NTU25, 2, UTD.info)


def test_which_joints_meet_is_said() -> None:
    reader = layout("ours", {"hips": None, "left_hip": "hips", "tail": "hips"}, centre="hips", parts={})
    stored = layout("theirs", {"hips": None, "LeftUpLeg": "hips"}, centre="hips", parts={})
    assert joints_in_words(reader, stored) == (
        "2 of 3 joints of the encoder's body ('ours') are matched by name in 'theirs': hips, left_hip = LeftUpLeg;"
        " the others stand where the nearest is: tail at hips"
    )
    assert joints_in_words(reader, reader).endswith("in 'ours': hips, left_hip, tail")


def test_transfer_is_judged_elsewhere_and_refused_at_home(tiny: str, tmp_path: Path) -> None:
    short = ["protocol.epochs=1", "protocol.warmup_epochs=0", "protocol.hidden=8"]
    with pytest.raises(UsageError, match="--pretrain-on"):
        sslskel.bench(["random_init"], ["transfer"], [tiny], output=tmp_path, overrides=short)
    result = sslskel.bench(
        ["random_init"], ["transfer", "knn"], ["streams"], output=tmp_path, overrides=short, pretrain_on=tiny
    )
    assert not result.failures
    assert {record.protocol["name"] for record in result.records} == {"transfer", "knn"}
    assert {record.benchmark["name"] for record in result.records} == {"streams"}
    assert len({record.pretrain_identity for record in result.records}) == 1
    home = sslskel.bench(["random_init"], ["knn"], ["streams"], output=tmp_path)
    assert home.ran == 1
