"""What small datasets share: a file that is one clip of one person."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sslskel import Clip, Track


def clip_of_one(
    name: str,
    label: int,
    joints: npt.NDArray[np.float64],
    *,
    subject: int = -1,
    camera: int = -1,
    setup: int = -1,
) -> Clip:
    """(T, V, 3) metres as a clip in which the person is seen in every frame, stored as float32."""
    track = Track(slot=0, begin=0, joints=joints.astype(np.float32), valid=np.ones(len(joints), bool))
    return Clip(name, label, len(joints), (track,), subject=subject, camera=camera, setup=setup)
