"""Files of Kinect v2 bodies: who is who is told by the sensor's tracking numbers."""

from __future__ import annotations

import pytest

from sslskel.data.motion.skeleton_file import JOINTS, read_skeleton
from sslskel.errors import DataError


def written(*identities: str) -> bytes:
    """A body in each frame, in turn under these identities."""
    joints = "0.1 0.2 3 0 0 0 0 0 0 0 1 2\n" * JOINTS
    frames = (f"1\n{identity} 0 1 1 1 1 0 0.1 0.2 2\n{JOINTS}\n{joints}" for identity in identities)
    return f"{len(identities)}\n{''.join(frames)}".encode()


@pytest.mark.parametrize("identity", ["0", "72057594037931101", "7.2e16", "18446744073709551615"])
def test_tracking_numbers_of_the_sensor_are_read(identity: str) -> None:
    assert [body.frames for body in read_skeleton(written(identity, identity), "c.skeleton").bodies] == [[0, 1]]


@pytest.mark.parametrize("identity", ["-1e20", "-1", "1.5", "nan", "1e999", "left", "1e20"])
def test_what_is_no_tracking_number_is_no_further_person(identity: str) -> None:
    with pytest.raises(DataError, match=rf"^'c.skeleton', line 31 has the identity '{identity}', where a whole number"):
        read_skeleton(written("72057594037931101", identity), "c.skeleton")
