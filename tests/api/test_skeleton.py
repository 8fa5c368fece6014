"""Skeleton layouts: names, swaps, parts, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from sslskel.api.skeleton import NTU25, PARTS, SkeletonLayout
from sslskel.errors import DataError


def test_the_parts_of_ntu_cover_every_joint_once() -> None:
    joints = sorted(joint for part in PARTS for joint in NTU25.part(part))
    assert joints == list(range(25))


def test_mirroring_twice_changes_nothing_and_keeps_the_spine() -> None:
    mirror = NTU25.mirror()
    assert [mirror[i] for i in mirror] == list(range(25))
    assert mirror[NTU25.joint("left_hand_tip")] == NTU25.joint("right_hand_tip")
    fixed = [NTU25.joints[i] for i in range(25) if mirror[i] == i]
    assert fixed == ["spine_base", "spine_mid", "neck", "head", "spine_shoulder"]


def test_mirrored_children_hang_on_mirrored_parents() -> None:
    mirror = NTU25.mirror()
    for joint, parent in enumerate(NTU25.parents):
        assert NTU25.parents[mirror[joint]] == (-1 if parent < 0 else mirror[parent])


def test_plain_data_and_back_is_the_same_layout() -> None:
    assert SkeletonLayout.from_json(NTU25.to_json()) == NTU25


def test_an_unknown_joint_names_the_closest() -> None:
    with pytest.raises(DataError, match="did you mean 'left_wrist'"):
        NTU25.joint("left_wirst")


def test_a_missing_part_says_what_there_is() -> None:
    bare = SkeletonLayout("bare", ("a",), (-1,), 0)
    with pytest.raises(DataError, match=r"does not define the body part 'torso' \(it has: none\)"):
        bare.part("torso")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parents": (-1,)}, "2 joints but 1 parents"),
        ({"joints": ("a", "a")}, "names a joint twice"),
        ({"parents": (1, 0)}, "form a cycle"),
        ({"parents": (-1, 2)}, "outside 0..1"),
        ({"centre": 5}, "outside 0..1"),
        ({"swaps": ((0, 7),)}, "outside 0..1"),
        ({"parts": {"torso": (9,)}}, "outside 0..1"),
    ],
)
def test_a_layout_that_makes_no_sense_is_refused(change: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"name": "x", "joints": ("a", "b"), "parents": (-1, 0), "centre": 0}
    with pytest.raises(DataError, match=re.escape(message)):
        SkeletonLayout(**{**fields, **change})


def test_unreadable_plain_data_is_an_error_for_a_person() -> None:
    with pytest.raises(DataError, match="not readable: KeyError"):
        SkeletonLayout.from_json({"name": "x"})
